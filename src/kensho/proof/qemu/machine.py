"""The machine to boot, in QEMU's words but before any command line."""

from __future__ import annotations

import msgspec

from kensho.model.machine import Firmware
from kensho.proof.profiles.base import Smbios


class BootDisk(msgspec.Struct, frozen=True, kw_only=True):
    """A disk or CD-ROM drive and where it is plugged in.

    ``bus`` is ``virtio``, ``scsi``, ``sata``, ``ide`` or ``nvme``; ``controller`` and ``unit``
    count from 0 on that bus. ``path`` is None for an empty drive. The guest's writes are dropped
    when it is switched off, unless it ``keeps`` them.
    """

    path: str | None
    format: str
    bus: str
    controller: int = 0
    unit: int = 0
    cdrom: bool = False
    serial: str = ""
    boot_order: int | None = None
    keeps: bool = False


class BootNic(msgspec.Struct, frozen=True, kw_only=True):
    """A network card: QEMU's device name, and the MAC address unless QEMU may choose."""

    device: str
    mac: str = ""


class QemuMachine(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about a domain that QEMU needs to boot it.

    ``board`` is ``pc`` or ``q35``, ``memory`` is bytes, ``scsi_controllers`` are QEMU's device
    names by controller number. Without ``smbios`` it is QEMU's own. ``left_out`` names what the domain has and this machine has not.
    """

    name: str
    board: str
    firmware: Firmware
    vcpus: int
    memory: int
    disks: tuple[BootDisk, ...]
    nics: tuple[BootNic, ...]
    scsi_controllers: tuple[tuple[int, str], ...] = ()
    left_out: tuple[str, ...] = ()
    smbios: Smbios | None = None
