"""QEMU's devices for those of the neutral model, and a machine made of a profile."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from kensho.model.errors import UnsupportedError
from kensho.model.machine import ControllerModel as C
from kensho.model.machine import NicModel as N
from kensho.proof.profiles.base import Profile
from kensho.proof.qemu.arguments import virtio
from kensho.proof.qemu.faults import Faults
from kensho.proof.qemu.machine import BootDisk, BootNic, QemuMachine

#: A controller: the bus in the words of `BootDisk`, and QEMU's device where it is a SCSI controller.
CONTROLLERS: dict[C, tuple[str, str]] = {
    C.PIIX3: ("ide", ""),
    C.PIIX4: ("ide", ""),
    C.IDE: ("ide", ""),
    C.AHCI: ("sata", ""),
    C.NVME: ("nvme", ""),
    C.VIRTIO_BLK: ("virtio", ""),
    C.VIRTIO_SCSI: ("scsi", "virtio-scsi-pci"),
    C.PVSCSI: ("scsi", "pvscsi"),
    C.LSISAS: ("scsi", "mptsas1068"),
    C.LSI53C895A: ("scsi", "lsi53c895a"),
    C.MEGASAS: ("scsi", "megasas"),
}
ADAPTERS: dict[N, str] = {
    N.E1000: "e1000",
    N.E1000E: "e1000e",
    N.VMXNET3: "vmxnet3",
    N.PCNET: "pcnet",
    N.RTL8139: "rtl8139",
    N.VIRTIO: "virtio-net-pci",
    N.HYPERV_LEGACY: "tulip",
    N.NE2K: "ne2k_pci",
}
MEMORY = 512 << 20
#: Disks that QEMU's controllers have places for, where those are few; by its device, else by the bus.
_PLACES = {"ide": 4, "sata": 6, "lsi53c895a": 7}


class Drive(msgspec.Struct, frozen=True):
    """A disk to start from, or one beside it: ``path`` as QEMU opens it, ``format`` QEMU's word.

    The guest's writes are dropped when it is switched off, unless it ``keeps`` them. ``faults`` are of
    reads that failed, where kensho serves it.
    """

    path: str
    format: str
    keeps: bool = False
    faults: Faults | None = None


def demand_places(profile: Profile, disks: int) -> None:
    """Raise UnsupportedError where a profile's controller has no places for so many disks."""
    bus, scsi = CONTROLLERS[profile.controller]
    places = _PLACES.get(scsi or bus, disks)
    if disks > places:
        raise UnsupportedError(
            f"{profile.controller} takes {places} disks here, and the machine has {disks}",
            hint="a profile with another controller",
        )


def machine_of(
    profile: Profile,
    drives: Sequence[Drive],
    *,
    macs: Sequence[str] = ("52:54:00:12:34:56",),
    memory: int = MEMORY,
    cpus: int = 1,
) -> QemuMachine:
    """Return a machine of a profile's hardware that starts from the first of the drives.

    UnsupportedError where its controller has no places for all of them.
    """
    bus, scsi = CONTROLLERS[profile.controller]
    demand_places(profile, len(drives))
    adapter = virtio(profile.device or ADAPTERS[profile.adapter], profile.board)
    disks = tuple(
        BootDisk(
            path=drive.path,
            format=drive.format,
            bus=bus,
            unit=number,
            boot_order=number + 1,
            keeps=drive.keeps,
        )
        for number, drive in enumerate(drives)
    )
    return QemuMachine(
        name=profile.name,
        board=profile.board,
        firmware=profile.firmware,
        vcpus=cpus,
        memory=memory,
        disks=disks,
        nics=tuple(BootNic(device=adapter, mac=mac) for mac in macs),
        scsi_controllers=((0, scsi),) if scsi else (),
        smbios=profile.smbios,
    )
