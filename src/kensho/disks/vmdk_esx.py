"""The sparse extents of ESX: COWD (vmfsSparse, snapshots of old) and seSparse (of VMFS 6).

Sources: see ``_structs/vmdk.py``. ESX only makes them as deltas; what they do not hold is
in the parent that their descriptor names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kensho.disks._blocks import HOLE, ZERO, BlockMap, fill_zero
from kensho.disks._structs import vmdk as s
from kensho.disks._tables import has_repeats, is_zero, read_table, zero_table
from kensho.model.errors import CorruptError, LimitError, TruncatedError, UnsupportedError
from kensho.model.extent import Kind

if TYPE_CHECKING:
    import array
    from collections.abc import Callable, Iterator

    from kensho.model.extent import Extent
    from kensho.model.finding import Finding
    from kensho.storage.base import ByteSource

_MAX_CAPACITY = 1 << 37  # sectors: 64 TiB, what VMware allows
_MAX_GRAIN = 1 << 14  # sectors: 8 MiB
_TABLE_TYPE = 1 << 28  # of a directory entry: 1 in the upper four bits, then 28 bits never used


class EsxExtent:
    """An ESX sparse extent open for reading; offsets are bytes within the extent."""

    __slots__ = ("_map", "_source", "capacity", "size", "warnings")

    def __init__(self, source: ByteSource, blocks: BlockMap) -> None:
        self._source = source
        self._map = blocks
        self.size = blocks.size
        self.capacity = blocks.size // s.SECTOR
        self.warnings: tuple[Finding, ...] = ()

    def extents(self, start: int, end: int) -> Iterator[Extent]:
        """Yield the extents of the range."""
        return self._map.extents(start, end)

    def read_into(self, offset: int, view: memoryview) -> None:
        """Fill ``view`` from ``offset``; holes read as zero."""
        for extent in self._map.extents(offset, offset + len(view)):
            part = view[extent.start - offset : extent.end - offset]
            if extent.kind is Kind.DATA:
                self._source.read_into(extent.file_offset, part)
            else:
                fill_zero(part)


def open_cowd(source: ByteSource, file: int) -> EsxExtent:
    """Open a COWD extent as file number ``file`` of its disk."""
    header = s.unpack_cowd(source.read_at(0, s.COWD_SIZE))

    def corrupt(message: str, field: str) -> CorruptError:
        return CorruptError(message, path=source.name, offset=0, field=field)

    if header.magic != s.COWD_MAGIC:
        raise corrupt("not a COWD extent", "magicNumber")
    if header.version != 1:
        raise UnsupportedError(f"COWD version {header.version}", path=source.name, field="version")
    if not 0 < header.grain_size <= _MAX_GRAIN:
        raise corrupt(f"grain of {header.grain_size} sectors", "grainSize")
    count = -(-header.capacity // (header.grain_size * s.COWD_ENTRIES))
    if header.gd_entries < count:
        raise corrupt(f"{header.gd_entries} directory entries, {count} needed", "numGDEntries")
    at = header.gd_offset * s.SECTOR
    directory = read_table(source.read_at(at, 4 * count), "I")
    _refuse_shared(directory, source, at)
    grain, size = header.grain_size * s.SECTOR, header.capacity * s.SECTOR

    def load(number: int) -> array.array[int] | None:
        if directory[number] == 0:
            return None
        place = directory[number] * s.SECTOR
        raw = source.read_at(place, 4 * s.COWD_ENTRIES)
        if is_zero(raw):
            return None
        first = number * s.COWD_ENTRIES
        out = zero_table("q", s.COWD_ENTRIES)
        for i, entry in enumerate(read_table(raw, "I")):
            out[i] = HOLE
            if entry:
                length = min(grain, size - (first + i) * grain)
                out[i] = _checked(source, entry * s.SECTOR, length, first + i, place + 4 * i)
        return out

    skip = _skip_empty(source, directory, lambda entry: entry * s.SECTOR, 4 * s.COWD_ENTRIES)
    return EsxExtent(source, BlockMap(size, grain, s.COWD_ENTRIES, load, file=file, skip=skip))


def open_sesparse(source: ByteSource, file: int) -> EsxExtent:
    """Open a seSparse extent as file number ``file`` of its disk.

    UnsupportedError for whatever is not as ESXi is known to write it, and for a journal
    that would have to be replayed.
    """
    header = _sesparse_header(source)
    per_table = s.SESPARSE_TABLE * s.SECTOR // 8
    grain, size = s.SESPARSE_GRAIN * s.SECTOR, header.capacity * s.SECTOR
    count = -(-header.capacity // (s.SESPARSE_GRAIN * per_table))
    if header.gd_size * s.SECTOR // 8 < count:
        raise CorruptError(
            f"a directory of {header.gd_size} sectors, {count} entries needed",
            path=source.name,
            field="grain_dir_size",
        )
    at = header.gd_offset * s.SECTOR
    directory = read_table(source.read_at(at, 8 * count), "Q")
    _refuse_shared(directory, source, at)

    def load(number: int) -> array.array[int] | None:
        table = directory[number]
        if table == 0:
            return None
        if table >> 32 != _TABLE_TYPE:
            raise CorruptError(
                f"directory entry {table:#x}",
                path=source.name,
                offset=at + 8 * number,
                field="grain directory",
            )
        place = header.tables_offset * s.SECTOR + (table & 0xFFFF_FFFF) * per_table * 8
        raw = source.read_at(place, per_table * 8)
        if is_zero(raw):
            return None
        first = number * per_table
        out = zero_table("q", per_table)
        for i, entry in enumerate(read_table(raw, "Q")):
            kind = entry >> 60
            if entry == 0:
                out[i] = HOLE
            elif kind in {s.SE_UNMAPPED, s.SE_ZERO}:
                out[i] = ZERO
            elif kind == s.SE_DATA:
                where = (header.grains_offset + s.sesparse_grain(entry) * 8) * s.SECTOR
                length = min(grain, size - (first + i) * grain)
                out[i] = _checked(source, where, length, first + i, place + 8 * i)
            else:
                raise CorruptError(
                    f"grain {first + i} has the entry {entry:#x}",
                    path=source.name,
                    offset=place + 8 * i,
                    field="grain table",
                )
        return out

    def place_of(entry: int) -> int | None:
        if entry >> 32 != _TABLE_TYPE:
            return None
        return header.tables_offset * s.SECTOR + (entry & 0xFFFF_FFFF) * per_table * 8

    skip = _skip_empty(source, directory, place_of, per_table * 8)
    return EsxExtent(source, BlockMap(size, grain, per_table, load, file=file, skip=skip))


def _sesparse_header(source: ByteSource) -> s.SeSparseHeader:
    header = s.unpack_sesparse(source.read_at(0, s.SECTOR))
    if header.magic != s.SESPARSE_MAGIC:
        raise CorruptError("not a seSparse extent", path=source.name, offset=0, field="magic")
    known = (s.SESPARSE_VERSION, s.SESPARSE_GRAIN, s.SESPARSE_TABLE, 0, (0, 0, 0, 0))
    if (
        header.version,
        header.grain_size,
        header.table_size,
        header.flags,
        header.reserved,
    ) != known:
        raise UnsupportedError(
            f"seSparse version {header.version:#x} with grains of {header.grain_size}"
            f" sectors, tables of {header.table_size}, flags {header.flags:#x}",
            path=source.name,
            hint="clone the disk on the host with vmkfstools -i",
        )
    if header.capacity > _MAX_CAPACITY:
        raise LimitError(
            f"capacity of {header.capacity} sectors", path=source.name, field="capacity"
        )
    at = header.volatile_offset * s.SECTOR
    magic, _, _, replay = s.SESPARSE_VOLATILE.unpack(source.read_at(at, s.SESPARSE_VOLATILE.size))
    if magic != s.SESPARSE_VOLATILE_MAGIC:
        raise CorruptError("no volatile header", path=source.name, offset=at, field="magic")
    if replay:
        raise UnsupportedError(
            "not closed cleanly: its journal would have to be replayed",
            path=source.name,
            offset=at,
            field="replay_journal",
            hint="power the machine on and off once on the host",
        )
    return header


def _skip_empty(
    source: ByteSource,
    directory: array.array[int],
    place_of: Callable[[int], int | None],
    length: int,
) -> Callable[[int, int], int]:
    """Return what finds the next table of ``length`` bytes that may not be empty.

    ESX reserves the tables of the whole disk: those of 62 TiB are 130 GB, most of them
    holes of the file, which are not read.
    """

    def skip(number: int, end: int) -> int:
        begin = finish = 0  # of the hole of the file that was found last
        for at in range(number, min(end, len(directory))):
            entry = directory[at]
            if not entry:
                continue
            place = place_of(entry)
            if place is None or place + length > source.size:
                return at  # reading it says what is wrong
            if begin <= place and place + length <= finish:
                continue
            first = next(source.extents(place), None)
            if first is None or first.kind is not Kind.HOLE or first.end < place + length:
                return at
            begin, finish = first.start, first.end
        return end

    return skip


def _checked(source: ByteSource, place: int, length: int, number: int, at: int) -> int:
    """Return ``place`` if the grain lies in the file; grains behind the capacity have length <= 0."""
    if place + max(length, 0) > source.size:
        raise TruncatedError(
            f"grain {number} should be at {place:#x}, behind the end of the file",
            path=source.name,
            offset=at,
            field="grain table entry",
        )
    return place


def _refuse_shared(directory: array.array[int], source: ByteSource, at: int) -> None:
    if has_repeats(directory):
        raise CorruptError("two directory entries share a grain table", path=source.name, offset=at)
