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
    try:
        table = read_partition_table(disk)
    except KenshoError:
        return Firmware.BIOS
    if table is None:
        return Firmware.BIOS
    types = {partition.type for partition in table.partitions}
    boots_by_bios = BIOS_BOOT in types or table.boot_code
    has_esp = bool(types & {ESP, _MBR_ESP})
    return Firmware.UEFI if has_esp and not boots_by_bios else Firmware.BIOS
