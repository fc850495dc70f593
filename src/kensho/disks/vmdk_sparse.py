"""One sparse VMDK extent: monolithicSparse, twoGbMaxExtentSparse and streamOptimized files.

Spec: VMware Virtual Disk Format 5.0, "Hosted Sparse Extents", "Stream-Optimized
Compressed Sparse Extents".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kensho.disks._blocks import BlockMap, fill_zero
from kensho.disks._codec import DamagedDataError, inflate_zlib
from kensho.disks._structs import vmdk as s
from kensho.disks.vmdk_tables import GrainTables
from kensho.model.errors import (
    CorruptError,
    FormatError,
    LimitError,
    TruncatedError,
    UnsupportedError,
)
from kensho.model.extent import Kind
from kensho.model.finding import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kensho.model.extent import Extent
    from kensho.storage.base import ByteSource, ReadBuffer

_MAX_CAPACITY = 1 << 41  # sectors: 1 PiB, 16 times what VMware allows
_MAX_EMPTY = 1 << 16  # sectors in a row; a sparse file of zeros has no end to speak of
_MAX_GRAIN = 1 << 14  # sectors: 8 MiB
_MAX_TABLE_ENTRIES = 1 << 16
_READ_AHEAD = 2 << 20


class SparseExtent:
    """A sparse extent open for reading; offsets are bytes within the extent."""

    __slots__ = ("_findings", "_grain", "_map", "_source", "_tables", "header", "size")

    def __init__(self, source: ByteSource, file: int) -> None:
        header, findings = _effective_header(source)
        self.header = header
        self._findings = findings
        self.size = header.capacity * s.SECTOR
        self._source = source
        self._grain = header.grain_size * s.SECTOR
        self._tables = GrainTables(source, header)
        self._map = BlockMap(
            self.size,
            self._grain,
            header.entries_per_gt,
            self._tables.load,
            file=file,
            verbatim=not self.compressed,
            keep=512,
        )

    @property
    def capacity(self) -> int:
        """Size in sectors."""
        return self.header.capacity

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """What was odd so far."""
        return self._findings + self._tables.findings

    @property
    def compressed(self) -> bool:
        """Whether grains are deflated."""
        return bool(self.header.flags & s.FLAG_COMPRESSED)

    def extents(self, start: int, end: int) -> Iterator[Extent]:
        """Yield the extents of the range."""
        return self._map.extents(start, end)

    def read_into(self, offset: int, view: memoryview) -> None:
        """Fill ``view`` from ``offset``; the range lies within the extent."""
        if self.compressed:
            self._read_compressed(offset, view)
            return
        for extent in self._map.extents(offset, offset + len(view)):
            part = view[extent.start - offset : extent.end - offset]
            if extent.kind is Kind.DATA:
                self._source.read_into(extent.file_offset, part)
            else:
                fill_zero(part)

    def _read_compressed(self, offset: int, view: memoryview) -> None:
        grain = self._grain
        end = offset + len(view)
        for index in range(offset // grain, -(-end // grain)):
            if self._map.locate(index) < 0:
                low = max(index * grain - offset, 0)
                fill_zero(view[low : (index + 1) * grain - offset])
        for start, packed in self.packed(offset, end):
            data = self.unpack(start, packed)
            low = start - offset
            if low >= 0 and low + grain <= len(view):
                view[low : low + grain] = data
            else:
                begin, finish = max(low, 0), min(low + grain, len(view))
                view[begin:finish] = data[begin - low : finish - low]

    def packed(self, offset: int, end: int) -> Iterator[tuple[int, memoryview]]:
        """Yield (start, zlib stream) of the grains in the range, as they lie in the file."""
        grain = self._grain
        wanted: list[tuple[int, int]] = []
        for index in range(offset // grain, -(-end // grain)):
            location = self._map.locate(index)
            if location >= 0:
                wanted.append((location, index))
        wanted.sort()
        for run in _runs_of(wanted, 2 * grain + 1024):
            # One read for neighbours: grains of a stream follow each other in the file.
            base = run[0][0]
            stop = min(run[-1][0] + grain + 512, self._source.size)
            chunk = memoryview(self._source.read_at(base, stop - base))
            for location, index in run:
                yield index * grain, self._stored(chunk, location - base, location, index)

    def _stored(self, chunk: memoryview, at: int, location: int, index: int) -> memoryview:
        source, grain = self._source, self._grain
        lba, size = s.GRAIN_HEADER.unpack_from(chunk, at)
        if lba != index * self.header.grain_size:
            raise CorruptError(
                f"grain {index} is marked as sector {lba}, not {index * self.header.grain_size}",
                path=source.name,
                offset=location,
                field="grain marker",
            )
        if not 0 < size <= 2 * grain + 512:
            raise CorruptError(
                f"grain {index} claims {size} compressed bytes", path=source.name, offset=location
            )
        at += s.GRAIN_HEADER.size
        packed = chunk[at : at + size]
        if len(packed) < size:
            packed = memoryview(source.read_at(location + s.GRAIN_HEADER.size, size))
        return packed

    def unpack(self, start: int, packed: ReadBuffer) -> bytes | bytearray:
        """Return the content of the grain that begins at ``start``, its checksum verified."""
        source, grain, index = self._source, self._grain, start // self._grain
        try:
            data = inflate_zlib(packed, grain)
        except DamagedDataError as error:
            raise CorruptError(
                f"grain {index}: {error}", path=source.name, offset=self._map.locate(index)
            ) from None
        if len(data) < grain:
            # Only the disk's last grain may be short, by what lies behind the capacity.
            if len(data) < min(grain, self.size - start):
                raise CorruptError(
                    f"grain {index} holds only {len(data)} bytes",
                    path=source.name,
                    offset=self._map.locate(index),
                )
            data = bytes(data).ljust(grain, b"\0")
        return data


def _runs_of(wanted: list[tuple[int, int]], gap: int) -> Iterator[list[tuple[int, int]]]:
    run: list[tuple[int, int]] = []
    for item in wanted:
        if run and (item[0] - run[-1][0] > gap or item[0] - run[0][0] > _READ_AHEAD):
            yield run
            run = []
        run.append(item)
    if run:
        yield run


def _effective_header(source: ByteSource) -> tuple[s.SparseHeader, tuple[Finding, ...]]:
    """Return the header that counts, the footer's for streams, and what was odd."""
    header = _checked_header(source, 0)
    if header.gd_offset != s.AT_END:
        return header, ()
    at = source.size - 2 * s.SECTOR
    footer = None
    if at >= s.SECTOR:
        try:
            footer = _checked_header(source, at)
        except FormatError:
            footer = None  # tar padding or junk behind the end of the stream
    if footer is None or footer.gd_offset == s.AT_END:
        footer = _scan_for_footer(source, header)
        finding = Finding(
            "KF-401",
            Severity.WARNING,
            "the stream's footer is not at the end of the file",
            source.name,
            "found it by walking through the stream's markers",
        )
        return _same_disk(source, header, footer), (finding,)
    return _same_disk(source, header, footer), ()


def _same_disk(
    source: ByteSource, header: s.SparseHeader, footer: s.SparseHeader
) -> s.SparseHeader:
    if (header.capacity, header.grain_size, header.entries_per_gt) != (
        footer.capacity,
        footer.grain_size,
        footer.entries_per_gt,
    ):
        raise CorruptError("header and footer describe different disks", path=source.name)
    return footer


def _scan_for_footer(source: ByteSource, header: s.SparseHeader) -> s.SparseHeader:
    """Walk the markers of a stream from its first grain on until its footer."""
    sector = max(header.overhead, 1)
    last = source.size // s.SECTOR
    empty = 0
    while sector < last and empty <= _MAX_EMPTY:
        at = sector * s.SECTOR
        value, size, kind = s.MARKER.unpack(source.read_at(at, s.MARKER.size))
        empty = 0 if value or size or kind else empty + 1
        if size:
            if size > 2 * header.grain_size * s.SECTOR + s.SECTOR:
                raise CorruptError("not a grain marker", path=source.name, offset=at)
            sector += -(-(size + s.GRAIN_HEADER.size) // s.SECTOR)
        elif kind == s.MARKER_FOOTER:
            footer = _checked_header(source, at + s.SECTOR)
            if footer.gd_offset == s.AT_END:
                raise CorruptError("the footer has no directory", path=source.name, offset=at)
            return footer
        elif kind in {s.MARKER_GT, s.MARKER_GD} and value < last:
            sector += 1 + value
        elif value == 0 and kind in {s.MARKER_EOS, s.MARKER_PROGRESS}:
            # Some writers leave empty sectors between metadata; an end without footer ends below.
            sector += 1
        else:
            raise CorruptError("unknown marker", path=source.name, offset=at, field="type")
    raise TruncatedError("the stream has no footer", path=source.name, offset=source.size)


def _checked_header(source: ByteSource, at: int) -> s.SparseHeader:
    header = s.unpack_header(source.read_at(at, s.SECTOR))

    def corrupt(message: str, field: str) -> CorruptError:
        return CorruptError(message, path=source.name, offset=at, field=field)

    if header.magic != s.MAGIC:
        raise corrupt("not a sparse extent header", "magicNumber")
    if header.version not in {1, 2, 3}:
        raise UnsupportedError(f"VMDK version {header.version}", path=source.name, offset=at)
    if header.flags & s.FLAG_NEWLINES and header.newlines != s.NEWLINES:
        raise CorruptError(
            f"line ends were translated on the way: {header.newlines!r}",
            path=source.name,
            offset=at,
            hint="fetch the file again in binary mode",
        )
    grain = header.grain_size
    if not 0 < grain <= _MAX_GRAIN or grain & (grain - 1):
        raise corrupt(f"grain of {grain} sectors", "grainSize")
    if not 0 < header.entries_per_gt <= _MAX_TABLE_ENTRIES:
        raise corrupt(f"{header.entries_per_gt} entries per grain table", "numGTEsPerGT")
    if header.capacity > _MAX_CAPACITY:
        raise LimitError(
            f"capacity of {header.capacity} sectors", path=source.name, offset=at, field="capacity"
        )
    if header.flags & s.FLAG_COMPRESSED:
        if header.algorithm != s.DEFLATE:
            raise UnsupportedError(f"compression {header.algorithm}", path=source.name, offset=at)
        if not header.flags & s.FLAG_MARKERS:
            raise UnsupportedError("compressed grains without markers", path=source.name, offset=at)
    return header
