"""Vagrant itself takes the boxes: it unpacks them and checks what their Vagrantfiles set.

No machine is started: that needs the provider's hypervisor.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.appliances.mapped_machines import HOSTILE
from tests.appliances.vagrant.boxes import disk

from kensho.appliances.vmx.text import escape
from kensho.convert.plan import Request, make_plan
from kensho.convert.run import run_plan

VMX = """config.version = "8"
virtualHW.version = "13"
displayName = "Web"
guestOS = "debian12-64"
annotation = "{notes}"
memsize = "1024"
numvcpus = "4"
cpuid.coresPerSocket = "2"
vhv.enable = "TRUE"
firmware = "efi"
scsi0.present = "TRUE"
scsi0.virtualDev = "pvscsi"
scsi0:0.fileName = "a.vmdk"
scsi0:1.fileName = "b.vmdk"
ethernet0.present = "TRUE"
ethernet0.virtualDev = "vmxnet3"
"""
PROJECT = 'Vagrant.configure("2") do |config|\n  config.vm.box = "made"\nend\n'


@pytest.fixture
def vagrant(tmp_path: Path):
    """Return what runs Vagrant with a home of its own; skip where it is not installed."""
    if shutil.which("vagrant") is None:
        pytest.skip("vagrant is not installed")
    project = tmp_path / "project"
    project.mkdir()
    (project / "Vagrantfile").write_text(PROJECT)
    mine = {"VAGRANT_HOME": str(tmp_path / "home"), "VAGRANT_CHECKPOINT_DISABLE": "1"}

    def run(*words: str, provider: str = "libvirt") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["vagrant", *words],
            cwd=project,
            env=os.environ | mine | {"VAGRANT_DEFAULT_PROVIDER": provider},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def made(folder: Path, target: str) -> Path:
    source = folder / "in"
    source.mkdir()
    text = VMX.format(notes=escape(HOSTILE))
    (source / "web.vmx").write_text(text, encoding="utf-8")
    for name in "ab":
        disk(source / f"{name}.vmdk", "vmdk")
    plan = make_plan(Request(source=str(source / "web.vmx"), target=target, form="vagrant"))
    run_plan(plan, folder / "out")
    return folder / "out" / "Web.box"


def test_vagrant_libvirt_knows_all_that_is_set(tmp_path: Path, vagrant) -> None:
    if "vagrant-libvirt" not in vagrant("plugin", "list").stdout:
        pytest.skip("vagrant-libvirt is not installed")
    added = vagrant("box", "add", "--name", "made", str(made(tmp_path, "kvm")))
    assert added.returncode == 0, added.stderr
    checked = vagrant("validate")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    (inside,) = (tmp_path / "home" / "boxes" / "made" / "0").iterdir()
    assert {"box_0.img", "box_1.img", "metadata.json"} <= {p.name for p in inside.iterdir()}
    # The check is one: a setting that there is not is found.
    vagrantfile = inside / "Vagrantfile"
    vagrantfile.write_text(vagrantfile.read_text().replace("libvirt.cpus", "libvirt.nothing"))
    assert vagrant("validate").returncode != 0


@pytest.mark.parametrize(
    ("target", "provider"), [("virtualbox", "virtualbox"), ("vmware", "vmware_desktop")]
)
def test_boxes_for_others_are_taken(tmp_path: Path, vagrant, target: str, provider: str) -> None:
    added = vagrant("box", "add", "--name", "made", str(made(tmp_path, target)), provider=provider)
    assert added.returncode == 0, added.stderr
    assert provider in vagrant("box", "list").stdout
