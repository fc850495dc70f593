"""Read ASIF, the sparse images of macOS 26.

Source: see ``_structs/asif.py``. A directory of tables of groups of chunks; of a chunk
that was written in part, two bits per sector say which. States that nobody has seen yet
are refused, not guessed.
"""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING

from kensho.disks._blocks import HOLE, BlockMap, read_mapped
from kensho.disks._structs import asif as s
from kensho.disks._tables import has_repeats, is_zero, read_table, zero_table
from kensho.model.errors import (
    CorruptError,
    FormatError,
    LimitError,
    TruncatedError,
    UnsupportedError,
)
from kensho.model.extent import Extent, Kind, coalesce

if TYPE_CHECKING:
    import array
    from collections.abc import Iterator, Mapping

    from kensho.disks.base import SiblingOpener
    from kensho.model.finding import Finding
    from kensho.storage.base import ByteSource, WriteBuffer

_MAX_SIZE = 1 << 53  # twice what macOS allows
_MAX_CHUNK = 1 << 26
_MAX_TABLES = 1 << 20
_ALIKE = re.compile(rb"\x00+|\x55+|.", re.DOTALL)  # four sectors a byte: none, all, mixed
_PARTIAL = -3  # locations of chunks written in part are this minus their number


class AsifDisk:
    """An ASIF open for reading."""

    __slots__ = ("_header", "_map", "_name", "_source", "details", "sources")

    format = "asif"
    subformat = "sparse"
    parent = None
    warnings: tuple[Finding, ...] = ()

    def __init__(self, source: ByteSource, header: s.Header, chunks: BlockMap) -> None:
        self._name = source.name
        self._source = source
        self._header = header
        self._map = chunks
        self.sources = (source,)
        self.details: Mapping[str, str | int] = {
            "chunk_bytes": header.chunk_size,
            "sector_bytes": header.sector_size,
            "uuid": str(uuid.UUID(bytes=header.uuid)),
        }

    @property
    def virtual_size(self) -> int:
        """Size the guest sees."""
        return self._map.size

    def extents(self, start: int = 0, end: int | None = None) -> Iterator[Extent]:
        """Yield coalesced extents of the range, chunks written in part by their sectors."""
        return coalesce(self._extents(start, end))

    def _extents(self, start: int, end: int | None) -> Iterator[Extent]:
        chunk = self._header.chunk_size
        for extent in self._map.extents(start, end):
            if extent.kind is not Kind.DATA or extent.file_offset >= 0:
                yield extent
                continue
            at = extent.start
            while at < extent.end:
                stop = min((at // chunk + 1) * chunk, extent.end)
                yield from self._sectors(at, stop)
                at = stop

    def _sectors(self, start: int, end: int) -> Iterator[Extent]:
        """Yield what a part of one chunk holds, going by its group's bitmap."""
        header = self._header
        chunk, sector = header.chunk_size, header.sector_size
        group, within = divmod(start // chunk, header.group_chunks)
        page = self._map.page(group)
        assert page is not None  # or it would have been a hole
        place = (_PARTIAL - page[within]) * chunk
        length = chunk // sector // 4
        at = page[header.group_chunks] + within * length
        bitmap = self._source.read_at(at, length)
        base = start // chunk * chunk
        first, last = (start - base) // sector, -(-(end - base) // sector)
        for low, high, state in _runs(bitmap, first, last):
            position, stop = max(base + low * sector, start), min(base + high * sector, end)
            inside = place + position - base
            if position >= stop:
                continue
            if state > s.SECTOR_WRITTEN:
                raise UnsupportedError(
                    f"a sector in state {state}",
                    path=self._name,
                    offset=at + low // 4,
                    field="bitmap",
                )
            if state != s.SECTOR_WRITTEN:
                yield Extent(position, stop - position, Kind.HOLE)
            elif inside + stop - position > self._source.size:
                raise TruncatedError(
                    f"chunk {start // chunk} is cut off", path=self._name, offset=inside
                )
            else:
                yield Extent(position, stop - position, Kind.DATA, 0, inside)

    def read_into(self, offset: int, buffer: WriteBuffer) -> None:
        """Fill ``buffer`` from ``offset``."""
        read_mapped(self, self._name, offset, buffer)

    def close(self) -> None:
        """Do nothing; the source belongs to the caller."""


def _runs(bitmap: bytes, first: int, last: int) -> Iterator[tuple[int, int, int]]:
    """Yield (first sector, sector behind the last, state) of a bitmap's runs, whole bytes of it."""
    for match in _ALIKE.finditer(bitmap, first // 4, -(-last // 4)):
        low, value = match.start(), bitmap[match.start()]
        if value in {0x00, 0x55}:
            yield low * 4, match.end() * 4, value & 3
            continue
        for i in range(4):
            yield low * 4 + i, low * 4 + i + 1, value >> i * 2 & 3


def open_asif(source: ByteSource, sibling: SiblingOpener | None = None) -> AsifDisk:  # noqa: ARG001
    """Open an ASIF; UnsupportedError for any version but the first."""
    header = s.unpack_header(source.read_at(0, s.SIZE))
    _check(source, header)
    return AsifDisk(source, header, _chunk_map(source, header))


def _check(source: ByteSource, header: s.Header) -> None:
    def corrupt(message: str, field: str) -> CorruptError:
        return CorruptError(message, path=source.name, offset=0, field=field)

    if header.magic != s.MAGIC:
        raise corrupt("not an ASIF", "magic")
    if header.version != 1:
        raise UnsupportedError(f"version {header.version}", path=source.name, field="version")
    chunk, sector = header.chunk_size, header.sector_size
    if sector not in {512, 4096}:
        raise corrupt(f"sectors of {sector} bytes", "sector size")
    if chunk & (chunk - 1) or chunk > _MAX_CHUNK or header.table_groups == 0:
        raise corrupt(f"chunks of {chunk} bytes", "chunk size")
    if header.sectors > header.max_sectors:
        raise corrupt(f"{header.sectors} sectors of at most {header.max_sectors}", "sector count")
    if header.sectors * sector > _MAX_SIZE:
        raise LimitError(f"{header.sectors} sectors", path=source.name, field="sector count")


def _directory(source: ByteSource, header: s.Header, count: int) -> array.array[int]:
    """Return the numbers of the tables' chunks from the directory that counts."""
    found: list[tuple[int, int, array.array[int]]] = []
    problem: FormatError | None = None
    for place in (header.directory_1, header.directory_2):
        try:
            entries = read_table(source.read_at(place, 8 * (count + 1)), "Q", big_endian=True)
        except FormatError as error:
            problem = problem or error
            continue
        found.append((entries[0], place, entries[1:]))
    if not found:
        assert problem is not None
        raise problem
    _, at, tables = max(found)
    if has_repeats(tables):
        raise CorruptError("two directory entries share a table", path=source.name, offset=at)
    if any(entry & ~s.CHUNK_MASK for entry in tables):
        raise UnsupportedError("a directory entry with flags", path=source.name, offset=at)
    return tables


def _chunk_map(source: ByteSource, header: s.Header) -> BlockMap:
    chunk, per_group, groups = header.chunk_size, header.group_chunks, header.table_groups
    size = header.sectors * header.sector_size
    count = -(-size // (chunk * per_group * groups))
    if count > _MAX_TABLES:
        raise LimitError(f"{count} tables", path=source.name, field="sector count")
    tables = _directory(source, header, count)

    def load(number: int) -> array.array[int] | None:
        table, group = divmod(number, groups)
        if tables[table] == 0:
            return None
        at = tables[table] * chunk + group * 8 * (per_group + 1)
        raw = source.read_at(at, 8 * (per_group + 1))
        if is_zero(raw):
            return None
        out = zero_table("q", per_group + 1)
        entries = read_table(raw, "Q", big_endian=True)
        bitmap = entries.pop() & s.CHUNK_MASK
        # 0 is the header: the group has no bitmap. Reading behind the end fails either way.
        out[per_group] = min(bitmap * chunk, source.size)
        for i, entry in enumerate(entries):
            out[i] = located(entry, number * per_group + i, at + 8 * i, bitmap)
        return out

    def located(entry: int, index: int, at: int, bitmap: int) -> int:
        status, number = entry >> 62, entry & s.CHUNK_MASK
        if status == s.UNINITIALIZED and number == 0:
            return HOLE
        if status not in {s.INITIALIZED, s.PARTIAL} or number == 0:
            raise UnsupportedError(
                f"chunk {index} has the entry {entry:#x}",
                path=source.name,
                offset=at,
                field="chunk entry",
            )
        if status == s.PARTIAL:
            if bitmap == 0:
                raise CorruptError(
                    f"chunk {index} was written in part, but there is no bitmap",
                    path=source.name,
                    offset=at,
                    field="chunk entry",
                )
            if number * chunk > source.size:
                raise cut_off(index, number, at)
            return _PARTIAL - number
        if number * chunk + max(0, min(chunk, size - index * chunk)) > source.size:
            raise cut_off(index, number, at)
        return number * chunk

    def cut_off(index: int, number: int, at: int) -> TruncatedError:
        return TruncatedError(
            f"chunk {index} should be at {number * chunk:#x}, behind the end of the file",
            path=source.name,
            offset=at,
            field="chunk entry",
        )

    return BlockMap(size, chunk, per_group, load)
