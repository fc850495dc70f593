"""Machines that the renderers' tests share."""

from __future__ import annotations

import os
from itertools import product
from pathlib import Path

import msgspec

from kensho.appliances.package import PlacedDisk
from kensho.model.appliance import Appliance, DiskImage, Network
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
    SerialPort,
    Sound,
    Usb,
    Video,
)
from kensho.model.units import GIB, MIB

#: A name that tries to leave every kind of quoting there is.
HOSTILE = (
    'a\'; rm -rf "$HOME"; `x` $(touch pwned) \u2018q\u2019 \u201ad\u201b \u201cw\u201d'
    '\nsecond\r\nline\\ @" #> --> ]]> & <b> % ! \x07 end'
)


GOLDEN = Path(__file__).parents[1] / "data" / "golden"


def check_golden(name: str, data: bytes) -> None:
    """Compare with the golden file; with KENSHO_GOLDEN=write set it is written instead."""
    path = GOLDEN / name
    if os.environ.get("KENSHO_GOLDEN") == "write":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    assert data.decode().splitlines() == path.read_bytes().decode().splitlines()
    assert data == path.read_bytes()


def disk_machine(
    *,
    name: str = "web01",
    disk: ControllerModel = ControllerModel.VIRTIO_SCSI,
    cdrom: ControllerModel | None = ControllerModel.AHCI,
    nic: NicModel = NicModel.VIRTIO,
    firmware: Firmware = Firmware.BIOS,
    secure_boot: bool = False,
    tpm: bool = False,
    guest: str = "debian12",
    disks: int = 2,
    cpus: tuple[int, int] = (4, 2),
) -> Appliance:
    """Return an appliance of one machine with ``disks`` disks and two adapters."""
    controllers = [Controller(id="c0", model=disk)]
    drives: list[Disk | Cdrom] = [
        Disk(id=f"d{i}", image=f"img{i}", controller="c0", unit=i) for i in range(disks)
    ]
    if cdrom is not None:
        if cdrom is disk:
            drives.append(Cdrom(id="cd", controller="c0", unit=disks))
        else:
            controllers.append(Controller(id="c1", model=cdrom))
            drives.append(Cdrom(id="cd", controller="c1", unit=0))
    machine = Machine(
        id="vm-1",
        name=name,
        cpu=Cpu(count=cpus[0], cores_per_socket=cpus[1]),
        memory=Memory(size=2 * GIB),
        firmware=FirmwareSettings(kind=firmware, secure_boot=secure_boot, tpm=tpm),
        guest=GuestOs(id=guest),
        uuid="564d1234-5678-9abc-def0-1234567890ab",
        controllers=tuple(controllers),
        drives=tuple(drives),
        nics=(
            Nic(id="n0", model=nic, network="VM Network", mac="00:50:56:01:02:03"),
            Nic(id="n1", model=nic, network="Backup", connected=False, vlan=12),
        ),
        serial_ports=(SerialPort(id="s0"),),
        video=Video(memory=16 * MIB),
        annotation="Made for tests",
    )
    return Appliance(
        name=name,
        machines=(machine,),
        images=tuple(DiskImage(id=f"img{i}", capacity=(i + 1) * GIB) for i in range(disks)),
        networks=(Network("VM Network"), Network("Backup")),
    )


def with_machine(appliance: Appliance, **changes: object) -> Appliance:
    """Return the appliance with fields of its machine replaced."""
    machine = msgspec.structs.replace(appliance.machines[0], **changes)
    return msgspec.structs.replace(appliance, machines=(machine,))


def placed(appliance: Appliance, suffix: str = "qcow2") -> dict[str, PlacedDisk]:
    """Return a place for every image of the appliance."""
    return {
        image.id: PlacedDisk(
            image=image.id,
            filename=f"web01-disk{number}.{suffix}",
            format=suffix,
            subformat="",
            virtual_size=image.capacity or GIB,
            file_size=MIB,
            data_size=MIB // 2,
        )
        for number, image in enumerate(appliance.images, 1)
    }


def many_libvirt_machines() -> list[Appliance]:
    """Return machines with every controller, adapter, firmware and guest family of KVM."""
    kinds = (
        ControllerModel.VIRTIO_SCSI,
        ControllerModel.VIRTIO_BLK,
        ControllerModel.AHCI,
        ControllerModel.IDE,
        ControllerModel.LSISAS,
        ControllerModel.LSI53C895A,
        ControllerModel.PVSCSI,
    )
    result = []
    for disk, firmware, guest in product(
        kinds, Firmware, ("debian12", "win2k22", "winxp-32", "freebsd14", "other")
    ):
        if disk is ControllerModel.IDE and firmware is Firmware.UEFI:
            continue
        result.append(
            disk_machine(
                disk=disk,
                cdrom=ControllerModel.AHCI,
                firmware=firmware,
                secure_boot=firmware is Firmware.UEFI,
                tpm=guest == "win2k22",
                guest=guest,
                disks=1 if disk is ControllerModel.VIRTIO_BLK else 2,
            )
        )
    nics = (NicModel.VIRTIO, NicModel.E1000, NicModel.E1000E, NicModel.RTL8139)
    result += [disk_machine(nic=nic) for nic in (*nics, NicModel.VMXNET3, NicModel.PCNET)]
    base = disk_machine()
    result += [with_machine(base, sound=Sound(model)) for model in ("hda", "ac97", "odd")]
    result += [with_machine(base, usb=(Usb(m),)) for m in ("uhci", "ohci", "ehci", "xhci")]
    result.append(with_machine(base, usb=(Usb("ehci"), Usb("xhci"))))
    result.append(with_machine(base, uuid="not a uuid", annotation=HOSTILE, name=HOSTILE))
    result.append(with_machine(base, uuid=None, drives=(), controllers=(), nics=()))
    result.append(disk_machine(cpus=(5, 2)))
    result.append(disk_machine(disks=30, cdrom=ControllerModel.VIRTIO_SCSI))
    return result
