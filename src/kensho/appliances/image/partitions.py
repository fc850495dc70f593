"""Tell from a disk's partition table which firmware it boots with: UEFI 2.10 §5.

A disk that has an EFI System Partition and nothing that a BIOS could start needs UEFI.
"""

from __future__ import annotations

from kensho.disks import DiskReader
from kensho.disks.partition_table import BIOS_BOOT, ESP, read_partition_table
from kensho.model.errors import KenshoError
from kensho.model.machine import Firmware

_MBR_ESP = "ef"


def firmware_of(disk: DiskReader) -> Firmware:
    """Return UEFI for a disk with an EFI System Partition and no way to boot by BIOS."""
    return Firmware.UEFI if starts_by(disk) == {Firmware.UEFI} else Firmware.BIOS


def starts_by(disk: DiskReader) -> frozenset[Firmware]:
    """Return which firmware may start from a disk, both where its partition table does not tell."""
    try:
        table = read_partition_table(disk)
    except KenshoError:
        table = None
    if table is None:
        return frozenset(Firmware)
    types = {partition.type for partition in table.partitions}
    found = set()
    if BIOS_BOOT in types or table.boot_code:
        found.add(Firmware.BIOS)
    if types & {ESP, _MBR_ESP}:
        found.add(Firmware.UEFI)
    return frozenset(found or Firmware)
