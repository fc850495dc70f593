"""From a hypervisor's own file to another's, with the disks where those files say."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

DOMAIN = """<domain type='kvm'><name>web</name><memory unit='MiB'>512</memory><vcpu>2</vcpu>
<os firmware='efi'/><devices>
<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{top}'/>
<target dev='sda' bus='sata'/></disk>
<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='/gone/data.img'/>
<target dev='sdb' bus='sata'/></disk>
<interface type='network'><source network='lan'/><model type='e1000e'/></interface>
</devices></domain>"""

pytestmark = pytest.mark.skipif(shutil.which("qemu-img") is None, reason="needs qemu-img")


def qemu_img(*arguments: object) -> None:
    subprocess.run(["qemu-img", *map(str, arguments)], check=True, capture_output=True)


@pytest.fixture
def disks(tmp_path: Path) -> tuple[Path, Path]:
    """A chain in a folder of its own, and a raw disk beside the domain's file."""
    images, home = tmp_path / "images", tmp_path / "home"
    images.mkdir()
    home.mkdir()
    (tmp_path / "content").write_bytes(bytes(range(256)) * 8192)
    qemu_img("convert", "-f", "raw", "-O", "qcow2", tmp_path / "content", images / "base.qcow2")
    top = images / "top.qcow2"
    qemu_img("create", "-f", "qcow2", "-F", "qcow2", "-b", images / "base.qcow2", top)
    data = home / "data.img"
    data.write_bytes(bytes([0xFA, 0, 1, 2]) * (1 << 18))
    return top, data


@pytest.mark.parametrize(
    ("target", "form"), [("vmware", "vmdk"), ("hyperv", "vhdx"), ("kvm", "qcow2")]
)
def test_a_domain_with_disks_beside_and_elsewhere(kensho, tmp_path, disks, target, form):
    top, data = disks
    (tmp_path / "home" / "web.xml").write_text(DOMAIN.format(top=top))
    out = tmp_path / "out"
    arguments = ["--form", "vmx"] if target == "vmware" else []
    code, _, err = kensho(
        "convert", tmp_path / "home" / "web.xml", "--to", target, *arguments, "-o", out
    )
    assert code == 0, err
    made = sorted(out.rglob(f"*.{form}"))
    assert len(made) == 2
    for source, result in zip((top, data), made, strict=True):
        qemu_img("compare", source, result)


def test_a_xen_machine(kensho, tmp_path, disks):
    top, data = disks
    text = f"name = 'web'\ntype = 'hvm'\nmemory = 512\ndisk = ['{top},qcow2,hda,w', '{data},raw,hdb']\n"
    (tmp_path / "home" / "web.cfg").write_text(text)
    code, _, err = kensho(
        "convert", tmp_path / "home" / "web.cfg", "--to", "kvm", "-o", tmp_path / "out"
    )
    assert code == 0, err
    for source, result in zip((top, data), sorted((tmp_path / "out").glob("*.qcow2")), strict=True):
        qemu_img("compare", source, result)


def test_a_missing_disk_stops_the_conversion(kensho, tmp_path):
    (tmp_path / "web.xml").write_text(DOMAIN.format(top=tmp_path / "none.qcow2"))
    code, out, _ = kensho(
        "convert", tmp_path / "web.xml", "--to", "kvm", "-o", tmp_path / "out", "--json"
    )
    assert code != 0
    assert "KF-305" in out
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())
    code, out, _ = kensho("inspect", tmp_path / "web.xml", "--json")
    assert code == 0
    assert json.loads(out)
