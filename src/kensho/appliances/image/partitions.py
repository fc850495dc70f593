"""Tell from a disk's partition table which firmware it boots with: UEFI 2.10 §5.

A disk that has an EFI System Partition and nothing that a BIOS could start needs UEFI.
"""

from __future__ import annotations

import struct
import uuid

from kensho.disks import DiskReader
from kensho.model.errors import KenshoError
from kensho.model.machine import Firmware

_ESP = uuid.UUID("c12a7328-f81f-11d2-ba4b-00a0c93ec93b").bytes_le
_BIOS_BOOT = uuid.UUID("21686148-6449-6e6f-744e-656564454649").bytes_le
_MBR_ESP = 0xEF
_SECTORS = (512, 4096)
_MAX_ENTRIES = 1024
_MIN_ENTRY, _MAX_ENTRY = 128, 4096
_BOOT_CODE = 440


def firmware_of(disk: DiskReader) -> Firmware:
    """Return UEFI for a disk with an EFI System Partition and no way to boot by BIOS."""
    try:
        mbr = _read(disk, 0, 512)
        types = _gpt_types(disk)
    except KenshoError:
        return Firmware.BIOS
    if len(mbr) < 512 or mbr[510:512] != b"\x55\xaa":
        return Firmware.BIOS
    has_boot_code = any(mbr[:_BOOT_CODE])
    if types is not None:
        boots_by_bios = _BIOS_BOOT in types or has_boot_code
        return Firmware.UEFI if _ESP in types and not boots_by_bios else Firmware.BIOS
    mbr_types = [mbr[446 + 16 * n + 4] for n in range(4)]
    return Firmware.UEFI if _MBR_ESP in mbr_types and not has_boot_code else Firmware.BIOS


def _gpt_types(disk: DiskReader) -> frozenset[bytes] | None:
    """Return the partition types of a GPT, None when there is no GPT."""
    for sector in _SECTORS:
        header = _read(disk, sector, 92)
        if header[:8] != b"EFI PART":
            continue
        table, count, size = struct.unpack_from("<QII", header, 72)
        if not _MIN_ENTRY <= size <= _MAX_ENTRY or count > _MAX_ENTRIES:
            return frozenset()
        entries = _read(disk, table * sector, count * size)
        return frozenset(entries[at : at + 16] for at in range(0, len(entries), size))
    return None


def _read(disk: DiskReader, offset: int, length: int) -> bytes:
    """Return up to ``length`` bytes, fewer at the end of the disk."""
    buffer = bytearray(max(0, min(length, disk.virtual_size - offset)))
    if buffer:
        disk.read_into(offset, buffer)
    return bytes(buffer)
