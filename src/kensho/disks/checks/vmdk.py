"""Check VMDK sparse extents: both directories, grain tables, the markers of streams.

Spec: VMware Virtual Disk Format 5.0; structures in ``_structs/vmdk.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kensho.disks._structs import vmdk as s
from kensho.disks._tables import read_table
from kensho.disks.checks.common import Fault, Grade, used_twice
from kensho.model.errors import TruncatedError

if TYPE_CHECKING:
    import array
    from collections.abc import Iterator

    from kensho.disks.base import DiskReader
    from kensho.storage.base import ByteSource


def check(source: ByteSource, layer: DiskReader) -> Iterator[Fault]:
    """Yield the faults of a VMDK that could be opened; every sparse file of it is looked at."""
    own: list[tuple[int, int, str]] = []
    for file in layer.sources:
        if file.size < s.SECTOR or not file.read_at(0, 4).startswith(s.MAGIC):
            continue
        header = s.unpack_header(file.read_at(0, s.SECTOR))
        if header.unclean:
            yield Fault(Grade.HARMLESS, "not closed cleanly", file.name, 0, "uncleanShutdown")
        if header.flags & s.FLAG_COMPRESSED:
            yield from _stream(file, header)
            continue
        yield from _directories(file, header)
        if file is source:
            own = [(0, header.overhead * s.SECTOR, "header and tables")]
    yield from used_twice(layer, own)


def _directory(source: ByteSource, header: s.SparseHeader, sector: int) -> array.array[int]:
    count = -(-header.capacity // (header.grain_size * header.entries_per_gt))
    return read_table(source.read_at(sector * s.SECTOR, 4 * count), "I")


def _directories(source: ByteSource, header: s.SparseHeader) -> Iterator[Fault]:
    """Compare the tables with their redundant copies."""
    if not header.flags & s.FLAG_REDUNDANT or not header.rgd_offset:
        return
    size = header.entries_per_gt * 4
    try:
        pairs = zip(
            _directory(source, header, header.gd_offset),
            _directory(source, header, header.rgd_offset),
            strict=True,
        )
        for number, (one, two) in enumerate(pairs):
            if bool(one) != bool(two) or (
                one and source.read_at(one * s.SECTOR, size) != source.read_at(two * s.SECTOR, size)
            ):
                yield Fault(
                    Grade.HARMLESS,
                    f"grain table {number} and its redundant copy differ",
                    source.name,
                    one * s.SECTOR,
                )
    except TruncatedError as error:
        yield Fault(
            Grade.HARMLESS,
            f"the redundant tables cannot be read: {error.message}",
            source.name,
            error.offset,
            "rgdOffset",
        )


def _stream(source: ByteSource, header: s.SparseHeader) -> Iterator[Fault]:
    """Look at the marker of each grain that the tables name, and that none overlap."""
    at = source.size - 2 * s.SECTOR
    if header.gd_offset == s.AT_END and at >= 0:
        footer = s.unpack_header(source.read_at(at, s.SECTOR))
        if footer.magic != s.MAGIC:
            message = "the footer is not at the end; QEMU does not open this"
            yield Fault(Grade.HARMLESS, message, source.name, at)
            return
        if (footer.capacity, footer.grain_size, footer.entries_per_gt) != (
            header.capacity,
            header.grain_size,
            header.entries_per_gt,
        ):
            yield Fault(Grade.CORRUPT, "header and footer differ", source.name, at)
            return
        if any(source.read_at(source.size - s.SECTOR, s.SECTOR)):
            yield Fault(
                Grade.HARMLESS, "no end-of-stream marker", source.name, source.size - s.SECTOR
            )
        header = footer
    grains: list[tuple[int, int]] = []  # (offset in the file, number) of one table at a time
    end, before = 0, -1
    for number, sector in enumerate(_directory(source, header, header.gd_offset)):
        if sector == 0:
            continue
        raw = source.read_at(sector * s.SECTOR, 4 * header.entries_per_gt)
        first = number * header.entries_per_gt
        zeroed = 1 if header.flags & s.FLAG_ZERO_GRAINS else 0
        grains = sorted(
            (entry * s.SECTOR, first + i)
            for i, entry in enumerate(read_table(raw, "I"))
            if entry > zeroed
        )
        for place, grain in grains:
            lba, size = s.GRAIN_HEADER.unpack(source.read_at(place, s.GRAIN_HEADER.size))
            if lba != grain * header.grain_size:
                yield Fault(
                    Grade.CORRUPT,
                    f"grain {grain} is marked as sector {lba}",
                    source.name,
                    place,
                    "grain marker",
                )
            elif place < end:
                message = f"used twice: for grain {before} and for grain {grain}"
                yield Fault(Grade.CORRUPT, message, source.name, place)
            elif place + s.GRAIN_HEADER.size + size > source.size:
                message = f"grain {grain} ends behind the end of the file"
                yield Fault(Grade.CORRUPT, message, source.name, place)
            end, before = max(end, place + s.GRAIN_HEADER.size + size), grain
