"""Disks that come through a pipe: raw, and VMDK streams. Nothing is kept but what is in flight.

A pipe is read by whoever asks for the next extent; what an extent holds is kept,
still packed, until it is read once. So a copy with many threads reads the pipe in
order and unpacks in parallel, and its own bound on batches in flight bounds this.
Specification of the stream: see ``vmdk_stream``.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol

from kensho.disks._blocks import ZEROS, check_disk_range, fill_zero
from kensho.disks._codec import DamagedDataError, inflate_zlib
from kensho.disks._structs import vmdk as s
from kensho.disks._tables import read_table
from kensho.model.errors import (
    CorruptError,
    LimitError,
    TruncatedError,
    UnsupportedError,
    UsageError,
)
from kensho.model.extent import Extent, Kind

if TYPE_CHECKING:
    import array
    from collections.abc import Iterator, Mapping

    from kensho.model.finding import Finding
    from kensho.storage.base import ByteSource, WriteBuffer


class ForwardReader(Protocol):
    """Bytes that come once, in order: ``kensho.storage.pipe.PipeReader`` and the like."""

    @property
    def name(self) -> str:
        """How errors call it."""

    @property
    def position(self) -> int:
        """Bytes read so far."""

    def read_up_to(self, buffer: WriteBuffer) -> int:
        """Fill ``buffer`` as far as there is something; return how much that was."""

    def read(self, length: int) -> bytes:
        """Return exactly ``length`` bytes; TruncatedError when there are fewer."""


_PIECE = 1 << 18
_MAX_GRAIN = 1 << 11  # sectors: 1 MiB, as much as a copy asks for at once
_MAX_CAPACITY = 1 << 41  # sectors
_MAX_TABLE = 8 << 20  # bytes of a grain table or directory
_MAX_OVERHEAD = 64 << 11  # sectors: 64 MiB, tables in front for a quarter of a TiB and more


class PipedDisk:
    """A disk that is read once, from front to back; see DiskReader for the protocol.

    ``extents`` goes on where it stopped and may be asked for the whole disk only;
    ``read_into`` gives each byte once and only after ``extents`` has announced it.
    """

    __slots__ = ("_feed", "_kept", "_lock", "_unit", "format", "sources", "subformat",
                 "virtual_size")  # fmt: skip

    parent = None
    warnings: tuple[Finding, ...] = ()

    def __init__(
        self,
        format_: str,
        subformat: str,
        size: int,
        unit: int,
        feed: Iterator[tuple[int, bytes]],
    ) -> None:
        self.format = format_
        self.subformat = subformat
        self.virtual_size = size
        self.sources: tuple[ByteSource, ...] = ()
        self._unit = unit
        self._feed = feed
        self._kept: dict[int, bytes] = {}
        self._lock = threading.Lock()

    @property
    def details(self) -> Mapping[str, str | int]:
        """Nothing beyond the size."""
        return {}

    def extents(self, start: int = 0, end: int | None = None) -> Iterator[Extent]:
        """Yield the DATA extents to come; what lies between them is zero."""
        if start != 0 or (end is not None and end < self.virtual_size):
            raise _once()
        with self._lock:
            waiting = sorted(self._kept)
        for index in waiting:
            yield self._extent(index)
        for index, data in self._feed:
            with self._lock:
                self._kept[index] = data
            yield self._extent(index)

    def read_into(self, offset: int, buffer: WriteBuffer) -> None:
        """Fill ``buffer`` from ``offset`` with what was announced and zeros elsewhere."""
        view = memoryview(buffer)
        check_disk_range("-", self.virtual_size, offset, len(view))
        unit, end = self._unit, offset + len(view)
        for index in range(offset // unit, -(-end // unit)):
            low, high = index * unit, min((index + 1) * unit, self.virtual_size)
            if low < offset or high > end:
                raise _once()
            part = view[low - offset : high - offset]
            with self._lock:
                data = self._kept.pop(index, None)
            if data is None:
                fill_zero(part)
            else:
                part[:] = self._unpack(index, data)[: len(part)]

    def close(self) -> None:
        """Forget what was kept; the pipe belongs to the caller."""
        self._kept.clear()

    def _extent(self, index: int) -> Extent:
        start = index * self._unit
        return Extent(start, min(self._unit, self.virtual_size - start), Kind.DATA)

    def _unpack(self, index: int, data: bytes) -> bytes | bytearray:
        if self.format == "raw":
            return data
        try:
            out = inflate_zlib(data, self._unit)
        except DamagedDataError as error:
            raise CorruptError(f"grain {index}: {error}", path="-") from None
        if len(out) < min(self._unit, self.virtual_size - index * self._unit):
            raise CorruptError(f"grain {index} holds only {len(out)} bytes", path="-")
        return out


def open_pipe(pipe: ForwardReader, *, size: int | None, format: str | None = None) -> PipedDisk:  # noqa: A002
    """Begin to read the disk that comes through ``pipe``.

    ``size`` in bytes is needed for raw, whose bytes do not say it. UsageError without,
    UnsupportedError for formats that need their tables first, CorruptError and
    TruncatedError when the stream is not what it says.
    """
    head = bytearray(s.SECTOR)
    head = head[: pipe.read_up_to(head)]
    is_stream = head.startswith(s.MAGIC)
    if format == "vmdk" or (format is None and is_stream):
        return _open_stream(pipe, bytes(head))
    if format is None:
        _refuse_others(pipe, bytes(head))
    elif format != "raw":
        raise _needs_tables(pipe, format)
    if size is None:
        raise UsageError(
            "a raw disk from a pipe does not say how large it is",
            path=pipe.name,
            hint="add --size BYTES, or redirect the file: kensho disk convert - DST < FILE",
        )
    return PipedDisk("raw", "sparse", size, _PIECE, _raw_pieces(pipe, bytes(head), size))


def _refuse_others(pipe: ForwardReader, head: bytes) -> None:
    marks = {
        b"QFI\xfb": "qcow2",
        b"vhdxfile": "vhdx",
        b"conectix": "vhd",
        b"COWD": "vmdk",
        b"# Disk D": "vmdk",
        b"\x1f\x8b": "gzip",
    }
    for mark, name in marks.items():
        if head.startswith(mark):
            raise _needs_tables(pipe, name)
    if head[64:68] == b"\x7f\x10\xda\xbe":
        raise _needs_tables(pipe, "vdi")


def _needs_tables(pipe: ForwardReader, name: str) -> UnsupportedError:
    return UnsupportedError(
        f"{name} cannot be read from a pipe",
        path=pipe.name,
        hint="give the file or its URL; raw and streamOptimized VMDK can be piped",
    )


def _once() -> UnsupportedError:
    return UnsupportedError("a pipe is read once, from front to back", path="-")


def _raw_pieces(pipe: ForwardReader, head: bytes, size: int) -> Iterator[tuple[int, bytes]]:
    for index in range(-(-size // _PIECE)):
        want = min(_PIECE, size - index * _PIECE)
        buffer = bytearray(want)
        given = min(len(head), want)
        buffer[:given] = head[:given]
        head = head[given:]
        got = given + pipe.read_up_to(memoryview(buffer)[given:])
        if got < want:
            raise TruncatedError(
                f"the pipe ended after {index * _PIECE + got} bytes of {size}", path=pipe.name
            )
        if not buffer.startswith(ZEROS[:want]):
            yield index, bytes(buffer)
    if head or pipe.read_up_to(bytearray(1)):
        raise CorruptError(f"there is more in the pipe than {size} bytes", path=pipe.name)


def _open_stream(pipe: ForwardReader, raw: bytes) -> PipedDisk:
    if len(raw) < s.SECTOR:
        raise TruncatedError("the pipe ended in the header", path=pipe.name, offset=len(raw))
    header = s.unpack_header(raw)
    wanted = s.FLAG_COMPRESSED | s.FLAG_MARKERS
    if header.magic != s.MAGIC or header.flags & wanted != wanted or header.algorithm != s.DEFLATE:
        raise _needs_tables(pipe, "a VMDK that is not streamOptimized")
    if header.flags & s.FLAG_NEWLINES and header.newlines != s.NEWLINES:
        raise CorruptError(f"line ends were translated: {header.newlines!r}", path=pipe.name)
    grain = header.grain_size
    if not 0 < grain <= _MAX_GRAIN or grain & (grain - 1):
        raise CorruptError(f"grain of {grain} sectors", path=pipe.name, field="grainSize")
    if header.capacity > _MAX_CAPACITY or not 1 <= header.overhead <= _MAX_OVERHEAD:
        raise LimitError("capacity or overhead make no sense", path=pipe.name, offset=0)
    if not 0 < header.entries_per_gt <= _MAX_TABLE // 4:
        raise CorruptError("grain tables of no sane size", path=pipe.name, field="numGTEsPerGT")
    size = header.capacity * s.SECTOR
    return PipedDisk("vmdk", "streamOptimized", size, grain * s.SECTOR, _grains(pipe, header))


def _grains(pipe: ForwardReader, header: s.SparseHeader) -> Iterator[tuple[int, bytes]]:
    """Yield (number, deflated data) of the grains.

    The end must be there: the footer or, in streams whose tables come first as QEMU
    makes them, the last of the grains that the tables count.
    """
    before = pipe.read((header.overhead - 1) * s.SECTOR)
    left = -1 if header.gd_offset == s.AT_END else _counted(pipe, header, before)
    del before
    last, footer = -1, False
    limit = 2 * header.grain_size * s.SECTOR + s.SECTOR
    while True:
        at = pipe.position
        if left == 0:
            break
        sector = pipe.read(s.SECTOR)
        value, size, kind = s.MARKER.unpack_from(sector)
        if size:
            number, rest = divmod(value, header.grain_size)
            if rest or value >= header.capacity or size > limit:
                raise CorruptError("not a grain marker", path=pipe.name, offset=at)
            if number <= last:
                raise UnsupportedError(
                    f"grain {number} comes after grain {last}",
                    path=pipe.name,
                    offset=at,
                    hint="grains out of order can be read from a file, not from a pipe",
                )
            last = number
            left -= 1
            whole = s.GRAIN_HEADER.size + size
            more = pipe.read(-(-whole // s.SECTOR) * s.SECTOR - s.SECTOR)
            yield number, (sector + more)[s.GRAIN_HEADER.size : whole]
        elif kind in {s.MARKER_GT, s.MARKER_GD} and value * s.SECTOR <= _MAX_TABLE:
            pipe.read(value * s.SECTOR)
        elif kind == s.MARKER_PROGRESS and value == 0:
            pass  # how far it has come, for whoever waits: no data follow
        elif kind == s.MARKER_FOOTER:
            found = s.unpack_header(pipe.read(s.SECTOR))
            if found.magic != s.MAGIC or found.capacity != header.capacity:
                raise CorruptError("header and footer differ", path=pipe.name, offset=at)
            footer = True
        elif kind == s.MARKER_EOS and value == 0:
            if footer:
                break
        else:
            raise CorruptError("unknown marker", path=pipe.name, offset=at, field="type")
    drain = bytearray(_PIECE)
    while pipe.read_up_to(drain):  # padding; the writer must not see a broken pipe
        pass


def _counted(pipe: ForwardReader, header: s.SparseHeader, before: bytes) -> int:
    """Return how many grains the tables name that lie in front of the first grain."""

    def table(sector: int, count: int) -> array.array[int]:
        at = (sector - 1) * s.SECTOR  # ``before`` begins behind the header
        if at < 0 or at + 4 * count > len(before):
            raise UnsupportedError(
                "its tables are not in front of its data",
                path=pipe.name,
                offset=sector * s.SECTOR,
                hint="give the file or its URL instead of a pipe",
            )
        return read_table(before[at : at + 4 * count], "I")

    tables = -(-header.capacity // (header.grain_size * header.entries_per_gt))
    zeroed = 1 if header.flags & s.FLAG_ZERO_GRAINS else 0
    return sum(
        sum(entry > zeroed for entry in table(sector, header.entries_per_gt))
        for sector in table(header.gd_offset, tables)
        if sector
    )
