"""Machines that the planner's tests move about."""

from __future__ import annotations

from kensho.model.appliance import Appliance, DiskImage, File, Network
from kensho.model.machine import (
    Cdrom,
    Controller,
    ControllerModel,
    Cpu,
    Disk,
    Firmware,
    FirmwareSettings,
    GuestOs,
    Machine,
    Memory,
    Nic,
    NicModel,
)
from kensho.model.units import GIB


def machine(
    *,
    guest: str = "debian12",
    firmware: Firmware = Firmware.BIOS,
    controller: ControllerModel = ControllerModel.LSILOGIC,
    disks: int = 1,
    nic: NicModel = NicModel.E1000,
    machine_id: str = "web01",
) -> Machine:
    return Machine(
        id=machine_id,
        name=machine_id,
        cpu=Cpu(count=4, cores_per_socket=2),
        memory=Memory(4 * GIB),
        firmware=FirmwareSettings(firmware),
        guest=GuestOs(guest),
        controllers=(
            Controller("c0", controller, 0),
            Controller("ide", ControllerModel.IDE, 1),
        ),
        drives=(
            *(Disk(f"disk{n}", f"{machine_id}-image{n}", "c0", n) for n in range(disks)),
            Cdrom("cd0", "ide", 0),
        ),
        nics=(Nic("nic0", nic, "lan", "00:50:56:aa:bb:cc"),),
    )


def appliance(*machines: Machine) -> Appliance:
    images = [d.image for m in machines for d in m.disks]
    return Appliance(
        name="shop",
        machines=machines,
        images=tuple(DiskImage(i, f"file-{i}", 8 * GIB) for i in images),
        files=tuple(File(f"file-{i}", f"{i}.vmdk") for i in images),
        networks=(Network("lan"),),
    )
