"""Copy bytes that are stored verbatim on both sides without bringing them here.

What decides whether a piece is zero is its first 512 bytes; only if those are zero the
rest is read. One thread: several only fight for the inode's lock.
"""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING, TypeAlias

from kensho.disks._blocks import ZEROS
from kensho.disks._readahead import read_ahead
from kensho.disks.base import PlacingWriter
from kensho.disks.kernel_move import KernelMover
from kensho.model.errors import InterruptedRunError
from kensho.model.extent import Kind
from kensho.storage.base import KernelFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kensho.disks.base import DiskReader
    from kensho.model.extent import Extent
    from kensho.storage.base import ByteSink

#: Start and end on the disk of bytes to copy, and the extent they are from.
Part: TypeAlias = "tuple[int, int, Extent]"
#: Fills a buffer from an offset of the disk.
Read: TypeAlias = "Callable[[int, memoryview], object]"

WINDOW = 32 << 20  # no run crosses a multiple of it: progress, cancelling
_PIECE = 1 << 16
_PROBE = 512
_AHEAD = 1 << 18  # more than the processor's cache holds does not pay
_JUDGED = 64  # extents looked at before deciding


def is_verbatim(reader: DiskReader, writer: object) -> bool:
    """Return whether the kernel can do the copy, judged by the disk's first data."""
    if not isinstance(writer, PlacingWriter) or _sunk(writer.sink) is None:
        return False
    data = (e for e in reader.extents() if e.kind is Kind.DATA)
    return all(_kernel_file(reader, e) is not None for e in itertools.islice(data, _JUDGED))


def copy_verbatim(
    reader: DiskReader,
    writer: PlacingWriter,
    start: int,
    on_bytes: Callable[[int, int], None] | None,
    cancelled: Callable[[], bool] | None,
) -> int:
    """Copy what holds data from ``start`` on; return how many bytes went to the writer.

    ``start`` is a multiple of the writer's granularity. InterruptedRunError when
    ``cancelled`` returns true.
    """
    sunk = _sunk(writer.sink)
    assert sunk is not None
    total = 0
    with KernelMover(sunk[0]) as mover:
        copy = _Copy(reader, writer.sink, mover, sunk[1])
        for low, high, parts in _runs(reader, start, writer.granularity):
            if cancelled is not None and cancelled():
                raise InterruptedRunError("the copy was cancelled")
            copy.fill(low, parts, writer.place(low, high - low))
            total += high - low
            if on_bytes is not None:
                on_bytes(high, reader.virtual_size)
    return total


def _sunk(sink: ByteSink) -> tuple[int, int] | None:
    return sink.kernel_file() if isinstance(sink, KernelFile) else None


def _kernel_file(reader: DiskReader, extent: Extent) -> tuple[int, int] | None:
    return reader.sources[extent.file].kernel_file() if extent.file >= 0 else None


def _runs(reader: DiskReader, start: int, unit: int) -> Iterator[tuple[int, int, list[Part]]]:
    """Yield (start, end) of runs of granules of ``unit`` bytes, and the parts in them with data."""
    size = reader.virtual_size
    buffer = bytearray(max(unit, _AHEAD))
    low = high = start
    parts: list[Part] = []
    for extent in read_ahead(reader, reader.extents(start)):
        read = _reading(reader, extent)
        for begin, end in _with_data(read, extent, max(unit, _PIECE), buffer):
            first = begin // unit * unit
            if parts and (first > high or first // WINDOW != low // WINDOW):
                yield low, high, parts
                parts = []
            if not parts:
                low = first
            parts.append((begin, end, extent))
            high = min(-(-end // unit) * unit, size)
    if parts:
        yield low, high, parts


def _reading(reader: DiskReader, extent: Extent) -> Read:
    """Return what reads the extent's bytes, by a system call and nothing else if possible."""
    below = _kernel_file(reader, extent)
    if below is None:
        return reader.read_into
    fd, shift = below[0], below[1] + extent.file_offset - extent.start
    preadv = os.preadv

    def read(offset: int, view: memoryview) -> None:
        if preadv(fd, (view,), shift + offset) < len(view):
            reader.read_into(offset, view)  # which knows what to say when the file became shorter

    return read


def _with_data(
    read: Read, extent: Extent, piece: int, buffer: bytearray
) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of what is not zero in the extent, by pieces, cut at windows."""
    view = memoryview(buffer)
    probe = view[:_PROBE]
    starts_with = buffer.startswith
    zero_probe, zeros = ZEROS[:_PROBE], ZEROS[:piece]
    position, end = extent.start, extent.end
    stop = position - position % piece + piece
    cut = position - position % WINDOW + WINDOW
    ahead = piece
    begin = -1
    while position < end:
        if stop > end:
            stop = end
        if stop - position >= _PROBE:
            read(position, probe)
            if starts_with(zero_probe):
                # Zeros come in numbers: after each look that found nothing else, look further.
                known = min(stop - piece + ahead, end) if stop < end else end
                read(position, view[: known - position])
                at = position
                while at < known and starts_with(
                    zeros if stop - at == piece else zeros[: stop - at], at - position
                ):
                    at, stop = stop, min(stop + piece, known)
                if at > position:
                    if begin >= 0:
                        yield begin, position
                        begin = -1
                    ahead = min(2 * ahead, len(buffer)) if at == known else piece
                    position, stop = at, at - at % piece + piece
                    cut = at - at % WINDOW + WINDOW
                    continue
        ahead = piece
        if begin < 0:
            begin = position
        if stop >= cut:  # windows are whole pieces
            yield begin, stop
            begin = -1
            cut += WINDOW
        position = stop
        stop += piece
    if begin >= 0:
        yield begin, end


class _Copy:
    """Brings parts of a disk to their places in a sink."""

    __slots__ = ("_base", "_buffer", "_mover", "_reader", "_sink")

    def __init__(self, reader: DiskReader, sink: ByteSink, mover: KernelMover, base: int) -> None:
        self._reader = reader
        self._sink = sink
        self._mover = mover
        self._base = base
        self._buffer = memoryview(b"")

    def fill(self, offset: int, parts: list[Part], places: list[tuple[int, int]]) -> None:
        """Bring the parts of a run that begins at ``offset`` into its places.

        What is in no part is zero, and in the places already.
        """
        rest = iter(parts)
        begin, end, extent = next(rest)
        for at, length in places:
            stop = offset + length
            while begin < stop:
                upto = min(end, stop)
                self._move(extent, begin, upto - begin, at + begin - offset)
                begin = upto
                if begin < end:
                    break
                following = next(rest, None)
                if following is None:
                    return
                begin, end, extent = following
            offset = stop

    def _move(self, extent: Extent, start: int, length: int, into: int) -> None:
        done = 0
        below = _kernel_file(self._reader, extent)
        if below is not None:
            at = extent.file_offset + start - extent.start
            name = self._reader.sources[extent.file].name
            done = self._mover.move(below[0], below[1] + at, length, self._base + into, name)
        if done < length and not self._buffer:
            self._buffer = memoryview(bytearray(1 << 20))
        while done < length:
            view = self._buffer[: length - done]
            self._reader.read_into(start + done, view)
            self._sink.write_at(into + done, view)
            done += len(view)
