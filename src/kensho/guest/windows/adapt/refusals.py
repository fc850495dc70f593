"""What a Windows must not be changed in: asleep, not unmounted, or on disks that it alone knows.

Sources: ``hiberfil.sys`` begins with ``hibr`` while a system (with Fast Startup: its kernel) waits in it
to be resumed; the types of partitions of the Logical Disk Manager and of Storage Spaces are those of
winioctl.h (``PARTITION_LDM``, ``PARTITION_LDM_DATA_GUID``, ``PARTITION_SPACES_GUID``).
"""

from __future__ import annotations

from kensho.guest.inspect.systems import Opened, System
from kensho.guest.volumes.scan import Volume
from kensho.guest.windows.inbox import XP
from kensho.guest.windows.version import WindowsVersion
from kensho.model.errors import KenshoError, UnsupportedError

_SHUT_DOWN = "start it where it was, then: powercfg /h off, and shutdown /s /t 0"
LDM = {
    "42": "part of a dynamic disk",
    "af9b60a0-1431-4f62-bc68-3311714a69ad": "part of a dynamic disk",
    "5808c8aa-7e8f-42e0-85d2-e1e90434cfb3": "the database of dynamic disks",
    "e75caf8f-f680-4cee-afa3-b001e56efc2d": "a member of a Storage Spaces pool",
}


def refuse(system: System, opened: Opened) -> None:
    """Raise UnsupportedError, with the remedy, for a Windows that is not to be changed."""
    volume = system.volume
    try:
        asleep = system.files.head("/hiberfil.sys", 4).lower() == b"hibr"
    except KenshoError:
        asleep = False
    if asleep:
        raise UnsupportedError(
            "Windows is hibernated, or was shut down by Fast Startup: what it wakes up with is not"
            " what is on the disk",
            path=volume.id,
            hint=_SHUT_DOWN,
        )
    fs = opened.systems[volume.id]
    if fs.kind == "ntfs" and fs.warnings:
        raise UnsupportedError(f"NTFS {fs.warnings[0]}", path=volume.id, hint=_SHUT_DOWN)
    kind = dynamic(volume)
    if kind:
        raise UnsupportedError(
            f"Windows is on {kind}",
            path=volume.id,
            hint="convert the disk to a basic one in Windows, or adapt it there",
        )


def refuse_version(version: WindowsVersion) -> None:
    """Raise UnsupportedError for a Windows that is too old."""
    if version.nt < XP:
        raise UnsupportedError(
            f"{version.product or 'this Windows'} is not adapted; XP and later are",
            hint="keep it on IDE, which it starts from on most platforms",
        )


def dynamic(volume: Volume) -> str:
    """Return what a partition is that Windows alone puts together, empty for others."""
    return LDM.get(volume.partition.type, "") if volume.partition is not None else ""
