"""What the writers write, the readers read: the same machine, file by file."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.appliances.written import appliance_for, placed, two_machines

from kensho.appliances import open_package
from kensho.appliances.ovf.write import render_descriptor
from kensho.appliances.ovf.write_dialects.portable import PORTABLE
from kensho.appliances.ovf.write_dialects.virtualbox import VIRTUALBOX
from kensho.appliances.ovf.write_dialects.vmware import VMWARE
from kensho.appliances.vmx.write import render as render_vmx
from kensho.model.appliance import Appliance
from kensho.model.finding import Severity, at_least
from kensho.model.machine import ControllerModel, Firmware, Machine, NicModel


def _essence(machine: Machine) -> dict[str, object]:
    models = {c.id: (c.model, c.index) for c in machine.controllers}
    return {
        "name": machine.name,
        "cpu": machine.cpu.count,
        "memory": machine.memory.size,
        "disks": [(*models[d.controller], d.unit) for d in machine.disks],
        "cdroms": len(machine.cdroms),
        "nics": [(n.model, n.network, n.connected) for n in machine.nics[:2]],
        "annotation": machine.annotation,
    }


def _ovf(folder: Path, appliance: Appliance, dialect: object) -> Appliance:
    data = render_descriptor(appliance, placed(appliance), dialect)  # type: ignore[arg-type]
    path = folder / "web.ovf"
    path.write_bytes(data)
    package = open_package(path)
    findings = [f for f in package.findings if f.code != "KF-201"]
    assert not at_least(tuple(findings), Severity.WARNING)
    return package.appliance


@pytest.mark.parametrize("dialect", [PORTABLE, VMWARE, VIRTUALBOX], ids=lambda d: d.name)
def test_ovf(tmp_path: Path, dialect: object) -> None:
    disk = ControllerModel.AHCI
    source = appliance_for(disk, NicModel.E1000)
    found = _ovf(tmp_path, source, dialect)
    expected, got = _essence(source.machines[0]), _essence(found.machines[0])
    if dialect is not VMWARE:
        # A name safe for DNS, and adapters that are never disconnected: see the writers.
        expected |= {"name": got["name"], "nics": got["nics"]}
    assert got == expected
    assert [i.capacity for i in found.images] == [i.capacity for i in source.images]
    properties = {p.key: p for p in found.machines[0].products[0].properties}
    assert properties == {p.key: p for p in source.machines[0].products[0].properties}
    assert found.machines[0].eulas[0].text.split() == source.machines[0].eulas[0].text.split()


def test_vmware_uefi(tmp_path: Path) -> None:
    source = appliance_for(ControllerModel.PVSCSI, NicModel.VMXNET3, firmware=Firmware.UEFI)
    (machine,) = _ovf(tmp_path, source, VMWARE).machines
    assert machine.firmware.kind is Firmware.UEFI
    assert machine.firmware.secure_boot
    assert machine.cpu.cores_per_socket == 2
    assert machine.guest.id == "debian12"


def test_two_machines(tmp_path: Path) -> None:
    source = two_machines(ControllerModel.LSISAS, NicModel.E1000E)
    found = _ovf(tmp_path, source, VMWARE)
    assert len(found.machines) == 2
    assert [s.start_delay for s in found.start_order] == [30, 0]
    assert found.products
    assert found.eulas


@pytest.mark.parametrize("firmware", list(Firmware))
@pytest.mark.parametrize(
    "disk", [ControllerModel.PVSCSI, ControllerModel.AHCI, ControllerModel.NVME]
)
def test_vmx(tmp_path: Path, disk: ControllerModel, firmware: Firmware) -> None:
    source = appliance_for(disk, NicModel.VMXNET3, firmware=firmware)
    (document,) = render_vmx(source, placed(source))
    (tmp_path / document.name).write_bytes(document.data)
    package = open_package(tmp_path)
    (machine,) = package.appliance.machines
    assert _essence(machine) == _essence(source.machines[0])
    assert machine.firmware.kind is firmware
    assert machine.firmware.secure_boot is (firmware is Firmware.UEFI)
    assert machine.cpu.cores_per_socket == 2
    assert machine.guest.id == "debian12"
    assert machine.nics[0].mac == "00:50:56:01:02:03"
    assert {f.code for f in package.findings} == {"KF-201"}
