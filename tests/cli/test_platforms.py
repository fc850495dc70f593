"""What ``kensho platforms`` lists, and what a version of a target changes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kensho.appliances import open_package
from kensho.convert.plan import Request, make_plan
from kensho.convert.run import run_plan
from kensho.model.machine import Bus, NicModel
from tests.cli.conftest import Kensho

VMX = """\
.encoding = "UTF-8"
displayName = "old"
guestOS = "debian12-64"
memsize = "512"
numvcpus = "{cpus}"
sata0.present = "TRUE"
sata0:1.present = "TRUE"
sata0:1.deviceType = "cdrom-raw"
ethernet0.present = "TRUE"
ethernet0.virtualDev = "{nic}"
ethernet0.features = "15"
"""


def vmx(folder: Path, *, cpus: int = 1, nic: str = "vmxnet") -> str:
    path = folder / "old.vmx"
    path.write_text(VMX.format(cpus=cpus, nic=nic))
    return str(path)


def test_one_platform_is_shown_with_versions_choices_and_words(kensho: Kensho) -> None:
    code, out, _ = kensho("platforms", "vmware")
    assert code == 0
    assert "vmx-21" in out
    assert "vsphere" in out
    assert "windows-xp" in out
    assert "vlance" in out
    told = json.loads(kensho("platforms", "proxmox", "--json")[1])
    assert [v["name"] for v in told["versions"]] == ["7", "8", "9"]


def test_an_unknown_platform_or_version_is_a_usage_error(kensho: Kensho, tmp_path: Path) -> None:
    assert kensho("platforms", "bhyve")[0] == 2
    code, _, err = kensho("plan", vmx(tmp_path), "--to", "vmware", "--to-version", "vmx-99")
    assert code == 2
    assert "vmx-13" in err


@pytest.mark.parametrize(("version", "written"), [(None, "13"), ("vmx-8", "8"), ("vmx-21", "21")])
def test_the_version_chosen_is_written_and_its_devices_hold(
    tmp_path: Path, version: str | None, written: str
) -> None:
    request = Request(vmx(tmp_path), "vmware", form="vmx", name="new", version=version)
    result = run_plan(make_plan(request), tmp_path / "out")
    made = Path(result.folder) / "new.vmx"
    text = made.read_text()
    assert f'virtualHW.version = "{written}"' in text
    package = open_package(str(made))
    package.close()
    machine = package.appliance.machines[0]
    # SATA came with version 10.
    controller = machine.controller(machine.cdroms[0].controller)
    assert controller is not None
    assert (controller.bus is Bus.SATA) == (written != "8")


def test_a_machine_that_needs_newer_hardware_gets_it_and_is_told(tmp_path: Path) -> None:
    plan = make_plan(Request(vmx(tmp_path, cpus=200), "vmware", form="vmx"))
    assert "KF-410" in {f.code for f in plan.findings}
    asked = make_plan(Request(vmx(tmp_path, cpus=200), "vmware", form="vmx", version="vmx-13"))
    codes = {f.code for f in asked.findings}
    assert "KF-340" in codes
    assert "KF-410" not in codes


@pytest.mark.parametrize(
    ("word", "model"),
    [("vmxnet", NicModel.VMXNET2), ("vlance", NicModel.PCNET), ("e1000", NicModel.E1000)],
)
def test_features_15_make_vmxnet2_of_vmxnet_alone(
    tmp_path: Path, word: str, model: NicModel
) -> None:
    package = open_package(vmx(tmp_path, nic=word))
    package.close()
    assert package.appliance.machines[0].nics[0].model is model


def test_inspect_shows_what_a_machine_has_of_its_host(kensho: Kensho, tmp_path: Path) -> None:
    path = tmp_path / "100.conf"
    path.write_text(
        "name: gpu\nmemory: 512\nostype: l26\nboot: order=net0\nhostpci0: 0000:3b:00.0,x-vga=1\n[before]\nname: gpu\n"
    )
    _, out, _ = kensho("inspect", path)
    assert "0000:3b:00.0" in out
    assert "snapshot" in out
    assert "before" in out
