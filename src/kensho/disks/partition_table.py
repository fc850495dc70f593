"""Partition tables: GPT (UEFI 2.10 §5) and MBR with logical partitions.

A GPT whose first copy is damaged is read from its backup at the end of the disk. Numbers and
sizes are bounded before anything is taken for them, and a chain of logical partitions ends.
"""

from __future__ import annotations

import struct
import uuid
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from kensho.disks.base import DiskReader
from kensho.model.errors import KenshoError

ESP = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
BIOS_BOOT = "21686148-6449-6e6f-744e-656564454649"
_SECTORS = (512, 4096)
_GPT = b"EFI PART"
_MAX_ENTRIES = 1024
_MIN_ENTRY, _MAX_ENTRY = 128, 4096
_MAX_LOGICAL = 256
_TABLE_AT, _BOOT_CODE = 446, 440
_EXTENDED = frozenset({0x05, 0x0F, 0x85})
_PROTECTIVE = 0xEE


@dataclass(frozen=True, slots=True)
class Partition:
    """A partition: ``start`` and ``size`` in bytes, ``number`` as Linux counts.

    ``type`` is the type's GUID in lower case, or two hex digits in an MBR; ``uuid`` is its own.
    """

    number: int
    start: int
    size: int
    type: str
    name: str = ""
    uuid: str = ""
    active: bool = False


@dataclass(frozen=True, slots=True)
class PartitionTable:
    """A disk's partitions in the order of their numbers.

    ``boot_code`` tells that the first sector has code a BIOS could start; ``damaged`` that a
    GPT's first copy is not what its checksums say; ``backup`` that the one at the end is read.
    """

    scheme: Literal["gpt", "mbr"]
    partitions: tuple[Partition, ...]
    uuid: str = ""
    sector: int = 512
    boot_code: bool = False
    damaged: bool = False
    backup: bool = False


def read_partition_table(disk: DiskReader) -> PartitionTable | None:
    """Return the disk's partition table, None when it has none that makes sense.

    Partitions that reach beyond the disk are left as they are. What `disk` raises.
    """
    mbr = _read(disk, 0, 512)
    signed = len(mbr) == 512 and mbr[510:] == b"\x55\xaa"
    boot_code = signed and any(mbr[:_BOOT_CODE])
    gpt = _find_gpt(disk, boot_code=boot_code)
    if gpt is not None:
        return gpt
    if not signed or not _is_table(mbr):
        return None
    partitions = tuple(_mbr_partitions(disk, mbr))
    if not partitions:
        return None
    return PartitionTable("mbr", partitions, mbr[440:444][::-1].hex(), boot_code=boot_code)


def _find_gpt(disk: DiskReader, *, boot_code: bool) -> PartitionTable | None:
    first: PartitionTable | None = None
    for sector in _SECTORS:
        first = _gpt_at(disk, sector, sector, boot_code=boot_code)
        if first is not None:
            break
    if first is not None and not first.damaged:
        return first
    for sector in (first.sector,) if first else _SECTORS:
        last = (disk.virtual_size // sector - 1) * sector
        backup = _gpt_at(disk, last, sector, boot_code=boot_code)
        # without a first copy only a protective MBR tells that the disk still is a GPT's
        if backup is not None and not backup.damaged and (first or _is_protective(disk)):
            return PartitionTable(
                "gpt", backup.partitions, backup.uuid, sector, boot_code, damaged=True, backup=True
            )
    return first


def _gpt_at(disk: DiskReader, place: int, sector: int, *, boot_code: bool) -> PartitionTable | None:
    try:
        header = _read(disk, place, 92) if place > 0 else b""
    except KenshoError:
        return None
    if header[:8] != _GPT or len(header) < 92:
        return None
    size, crc = struct.unpack_from("<II", header, 12)
    identity = str(uuid.UUID(bytes_le=header[56:72]))
    table, count, entry, entries_crc = struct.unpack_from("<QIII", header, 72)
    if not _MIN_ENTRY <= entry <= _MAX_ENTRY or count > _MAX_ENTRIES:
        return PartitionTable("gpt", (), identity, sector, boot_code, damaged=True)
    whole = _read(disk, place, size) if 92 <= size <= sector else b""
    sound = zlib.crc32(whole[:16] + bytes(4) + whole[20:]) == crc
    entries = _read(disk, table * sector, count * entry)
    sound = sound and zlib.crc32(entries) == entries_crc
    found = tuple(_gpt_partitions(entries, entry, sector))
    return PartitionTable("gpt", found, identity, sector, boot_code, damaged=not sound)


def _gpt_partitions(entries: bytes, size: int, sector: int) -> Iterator[Partition]:
    for number, at in enumerate(range(0, len(entries) - 127, size), 1):
        kind = entries[at : at + 16]
        if not any(kind):
            continue
        first, last, flags = struct.unpack_from("<QQQ", entries, at + 32)
        if last < first:
            continue
        name = entries[at + 56 : at + 128].decode("utf-16-le", "replace").partition("\0")[0]
        yield Partition(
            number,
            first * sector,
            (last - first + 1) * sector,
            str(uuid.UUID(bytes_le=kind)),
            "".join(c for c in name if c.isprintable()),
            str(uuid.UUID(bytes_le=entries[at + 16 : at + 32])),
            active=bool(flags & 4),  # legacy BIOS bootable
        )


def _is_protective(disk: DiskReader) -> bool:
    mbr = _read(disk, 0, 512)
    return any(kind == _PROTECTIVE for _, kind, _, _ in _entries(mbr))


def _is_table(mbr: bytes) -> bool:
    """Tell a table from the code and text that a file system's boot sector has in its place."""
    entries = _entries(mbr)
    if any(status not in {0, 0x80} for status, _, _, _ in entries):
        return False
    used = [(start, size) for _, kind, start, size in entries if kind]
    return bool(used) and all(start and size for start, size in used)


def _entries(sector: bytes) -> list[tuple[int, int, int, int]]:
    """Return status, type, first sector and sectors of the four entries."""
    found = []
    for at in range(_TABLE_AT, min(510, len(sector) - 15), 16):
        start, size = struct.unpack_from("<II", sector, at + 8)
        found.append((sector[at], sector[at + 4], start, size))
    return found


def _mbr_partitions(disk: DiskReader, mbr: bytes) -> Iterator[Partition]:
    extended: list[int] = []
    disk_id = mbr[440:444][::-1].hex()
    for number, (status, kind, start, size) in enumerate(_entries(mbr), 1):
        if not kind:
            continue
        if kind in _EXTENDED:
            extended.append(start)
            continue
        identity = f"{disk_id}-{number:02x}"
        yield Partition(
            number, start * 512, size * 512, f"{kind:02x}", "", identity, active=status == 0x80
        )
    number = 5
    for base in extended:
        for start, kind, size in _logical(disk, base):
            yield Partition(number, start * 512, size * 512, f"{kind:02x}", "",
                            f"{disk_id}-{number:02x}")  # fmt: skip
            number += 1


def _logical(disk: DiskReader, base: int) -> Iterator[tuple[int, int, int]]:
    """Yield first sector, type and sectors of the partitions in an extended one."""
    place = base
    seen: set[int] = set()
    while place not in seen and len(seen) < _MAX_LOGICAL:
        seen.add(place)
        sector = _read(disk, place * 512, 512)
        if sector[510:] != b"\x55\xaa":
            return
        following = None
        for _, kind, start, size in _entries(sector):
            if kind in _EXTENDED:
                following = base + start
            elif kind and size:
                yield place + start, kind, size
        if following is None:
            return
        place = following


def _read(disk: DiskReader, offset: int, length: int) -> bytes:
    """Return up to ``length`` bytes, fewer at the end of the disk."""
    buffer = bytearray(max(0, min(length, disk.virtual_size - offset)))
    if buffer:
        disk.read_into(offset, buffer)
    return bytes(buffer)
