"""Write sparse VMDK extents, and monolithicSparse: one growing file, as Workstation makes them.

Spec: VMware Virtual Disk Format 5.0, "Hosted Sparse Extents". Order in the file:
header, descriptor if any, redundant directory and tables, directory and tables, grains.
All tables have their place from the start; those never needed stay holes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kensho.disks._placing import write_placed
from kensho.disks._structs import vmdk as s
from kensho.disks._tables import write_table, zero_table
from kensho.disks.vmdk_descriptor import make_descriptor, new_content_id
from kensho.model.errors import LimitError

if TYPE_CHECKING:
    from kensho.storage.base import ByteSink

GRAIN = 1 << 16
ENTRIES = 512
_GRAIN_SECTORS = GRAIN // s.SECTOR
_TABLE_SECTORS = ENTRIES * 4 // s.SECTOR
_DESCRIPTOR_SECTORS = 20
MAX_SIZE = 2 << 40  # grain addresses are sectors of 32 bits


class SparseExtentWriter:
    """One sparse extent of ``capacity`` sectors; ``text`` is the descriptor inside it, if any."""

    __slots__ = ("_copies", "_header", "_next", "_table", "_table_number", "_text", "sink")

    def __init__(
        self, sink: ByteSink, capacity: int, text: bytes | None, *, zero_grains: bool = False
    ) -> None:
        tables = -(-capacity // (_GRAIN_SECTORS * ENTRIES))
        directory_sectors = -(-tables * 4 // s.SECTOR)
        region = directory_sectors + tables * _TABLE_SECTORS
        redundant = 1 + (0 if text is None else _DESCRIPTOR_SECTORS)
        primary = redundant + region
        overhead = -(-(primary + region) // _GRAIN_SECTORS) * _GRAIN_SECTORS
        self.sink = sink
        self._next = overhead
        self._table = zero_table("I", ENTRIES)
        self._table_number = -1
        self._copies = (redundant + directory_sectors, primary + directory_sectors)
        self._text = text
        self._header = s.SparseHeader(
            magic=s.MAGIC,
            version=2 if zero_grains else 1,
            flags=s.FLAG_NEWLINES | s.FLAG_REDUNDANT | (s.FLAG_ZERO_GRAINS if zero_grains else 0),
            capacity=capacity,
            grain_size=_GRAIN_SECTORS,
            descriptor_offset=0 if text is None else 1,
            descriptor_size=0 if text is None else _DESCRIPTOR_SECTORS,
            entries_per_gt=ENTRIES,
            rgd_offset=redundant,
            gd_offset=primary,
            overhead=overhead,
        )
        sink.truncate(overhead * s.SECTOR)
        for at, first in zip((redundant, primary), self._copies, strict=True):
            directory = zero_table("I", tables)
            for number in range(tables):
                directory[number] = first + number * _TABLE_SECTORS
            sink.write_at(at * s.SECTOR, write_table(directory))

    def place(self, offset: int, length: int) -> list[tuple[int, int]]:
        """Return where at the end of the file the run's grains go."""
        first = offset // GRAIN
        grains = -(-length // GRAIN)
        if self._next + grains * _GRAIN_SECTORS > 0xFFFF_FFFF:
            raise LimitError("a VMDK file cannot be larger than 2 TiB")
        start = self._next
        for number in range(first, first + grains):
            self._set(number, self._next)
            self._next += _GRAIN_SECTORS
        return [(start * s.SECTOR, length)]

    def zero(self, start: int, end: int) -> None:
        """Make the grains of a range read as zero, whatever a parent holds; in order with places."""
        for number in range(start // GRAIN, -(-end // GRAIN)):
            self._set(number, 1)

    def _set(self, number: int, value: int) -> None:
        table, entry = divmod(number, ENTRIES)
        if table != self._table_number:
            self._end_table()
            self._table_number = table
        self._table[entry] = value

    def finish(self) -> None:
        """Write the last table, then descriptor and header, which make it a disk."""
        self._end_table()
        self.sink.truncate(self._next * s.SECTOR)
        if self._text is not None:
            self.sink.write_at(s.SECTOR, self._text)
        self.sink.write_at(0, self._header.pack())

    def _end_table(self) -> None:
        if self._table_number < 0:
            return
        raw = write_table(self._table)
        for first in self._copies:
            at = first + self._table_number * _TABLE_SECTORS
            self.sink.write_at(at * s.SECTOR, raw)
        self._table = zero_table("I", ENTRIES)


class MonolithicSparseWriter:
    """A monolithicSparse VMDK being written; see DiskWriter for the protocol."""

    __slots__ = ("_extent", "identity", "sink", "virtual_size")

    format = "vmdk"
    subformat = "monolithicSparse"
    granularity = GRAIN

    def __init__(self, sink: ByteSink, virtual_size: int, identity: bytes | None) -> None:
        capacity = -(-virtual_size // s.SECTOR)
        line = f'RW {capacity} SPARSE "disk.vmdk"'
        self.identity = new_content_id(identity)
        text = make_descriptor(capacity, self.subformat, self.identity, identity, [line])
        self.virtual_size = capacity * s.SECTOR
        self.sink = sink
        self._extent = SparseExtentWriter(sink, capacity, text)

    def encode(self, offset: int, data: memoryview) -> tuple[int, memoryview]:
        """Pass the run on as it is."""
        return offset, data

    def commit(self, encoded: tuple[int, memoryview]) -> None:
        """Write the run in its place."""
        write_placed(self, *encoded)

    def place(self, offset: int, length: int) -> list[tuple[int, int]]:
        """Return where at the end of the file the run's grains go."""
        return self._extent.place(offset, length)

    def finish(self) -> None:
        """Write the last table, then descriptor and header, which make it a disk."""
        self._extent.finish()


def create_monolithic_sparse(
    sink: ByteSink,
    virtual_size: int,
    *,
    compression: str = "fast",  # noqa: ARG001 - nothing is compressed here
    identity: bytes | None = None,
) -> MonolithicSparseWriter:
    """Begin a monolithicSparse VMDK; the size is rounded up to whole sectors."""
    if not 0 < virtual_size <= MAX_SIZE:
        raise LimitError(
            f"a monolithicSparse VMDK cannot have {virtual_size} bytes", hint="the limit is 2 TiB"
        )
    return MonolithicSparseWriter(sink, virtual_size, identity)
