"""Whatever the planner maps to a platform, the platform's writer has to be able to say."""

from __future__ import annotations

from itertools import product

import msgspec
import pytest
from mapped_machines import disk_machine, placed, with_machine

from kensho.appliances.hyperv import write as hyperv
from kensho.appliances.libvirt import write as libvirt_xml
from kensho.appliances.proxmox import write as pve
from kensho.appliances.xva.metadata import ova_xml
from kensho.appliances.xva.records import Vdi
from kensho.convert.mapping import Devices, choose_policy, map_machine
from kensho.model.machine import ControllerModel, Firmware, NicModel
from kensho.model.units import GIB
from kensho.platforms import find_platform

RENDERERS = {"kvm": libvirt_xml.render, "proxmox": pve.render, "hyperv": hyperv.render}


def sources():
    """Return machines with every controller and adapter the model knows."""
    models = [m for m in ControllerModel if m is not ControllerModel.FLOPPY]
    for disk, firmware in product(models, Firmware):
        yield disk_machine(
            disk=disk, firmware=firmware, disks=3, secure_boot=firmware is Firmware.UEFI, tpm=True
        )
    for nic in NicModel:
        yield disk_machine(disk=ControllerModel.PVSCSI, nic=nic)
    yield disk_machine(disk=ControllerModel.AHCI, cdrom=ControllerModel.IDE, disks=6)
    yield disk_machine(disk=ControllerModel.IDE, cdrom=ControllerModel.AHCI, disks=2)


@pytest.mark.parametrize("target", ["kvm", "proxmox", "hyperv", "xenserver"])
@pytest.mark.parametrize("guest", ["debian12", "win2k22", "other", "winxp-32", "linux2.6"])
def test_every_mapped_machine_can_be_written(target, guest):
    platform = find_platform(target)
    for source, devices in product(sources(), Devices):
        machine = msgspec.structs.replace(
            source.machines[0],
            guest=msgspec.structs.replace(source.machines[0].guest, id=guest),
        )
        mapped = map_machine(
            machine, platform, platform.forms[0], choose_policy(machine, platform, devices)
        )
        appliance = msgspec.structs.replace(source, machines=(mapped,))
        if target == "xenserver":
            vdis = [Vdi(f"Ref:{1000 + n}", i.id, GIB) for n, i in enumerate(appliance.images)]
            assert ova_xml(mapped, vdis, 0)
        else:
            assert RENDERERS[target](appliance, placed(appliance))


def test_the_machine_is_not_changed_by_rendering():
    appliance = with_machine(disk_machine())
    before = msgspec.json.encode(appliance)
    libvirt_xml.render(appliance, placed(appliance))
    pve.render(appliance, placed(appliance))
    assert msgspec.json.encode(appliance) == before
