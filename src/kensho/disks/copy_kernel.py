"""Copy bytes that are stored verbatim on both sides without bringing them here.

copy_file_range moves them within the kernel and, on btrfs and XFS, only shares
them. What decides whether a piece is zero is its first 512 bytes; only if those
are zero the rest is read. One thread: several only fight for the inode's lock.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, TypeAlias

from kensho.disks._blocks import ZEROS
from kensho.disks.base import PlacingWriter
from kensho.model.errors import InterruptedRunError, NoSpaceError, TruncatedError
from kensho.model.extent import Kind
from kensho.storage.base import KernelFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kensho.disks.base import DiskReader
    from kensho.model.extent import Extent
    from kensho.storage.base import ByteSink

    #: A sink, and its file in the kernel if it has one.
    _Target: TypeAlias = tuple[ByteSink, tuple[int, int] | None]

WINDOW = 32 << 20
_PIECE = 1 << 16
_PROBE = 512
_CHUNK = 1 << 20
_AHEAD = 1 << 18  # more than the processor's cache holds does not pay
_CANNOT = frozenset(
    {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM, errno.EBADF}
)


def is_verbatim(reader: DiskReader, writer: object) -> bool:
    """Return whether copying needs no encoding and, judged by its first data, no decoding."""
    if not isinstance(writer, PlacingWriter):
        return False
    first = next((e for e in reader.extents() if e.kind is Kind.DATA), None)
    return first is None or first.file >= 0


def copy_verbatim(
    reader: DiskReader,
    writer: PlacingWriter,
    ranges: Iterator[tuple[int, int]],
    on_bytes: Callable[[int, int], None] | None,
    cancelled: Callable[[], bool] | None,
) -> int:
    """Copy the ``ranges`` that may hold data; return how many bytes were not zero.

    Ranges begin at multiples of the writer's granularity. InterruptedRunError
    when ``cancelled`` returns true.
    """
    buffer, looked = bytearray(_CHUNK), bytearray(_CHUNK)
    sunk = writer.sink.kernel_file() if isinstance(writer.sink, KernelFile) else None
    total = 0
    for start, end in ranges:
        for low, high in _pieces_with_data(reader, start, end, writer.granularity, looked):
            if cancelled is not None and cancelled():
                raise InterruptedRunError("the copy was cancelled")
            offset = low
            for at, length in writer.place(low, high - low):
                _fill(reader, offset, length, (writer.sink, sunk), at, buffer)
                offset += length
            total += high - low
        if on_bytes is not None:
            on_bytes(end, reader.virtual_size)
    return total


def _pieces_with_data(
    reader: DiskReader, start: int, end: int, granule: int, buffer: bytearray
) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of runs without zero pieces; a piece is a granule, at least 64 KiB.

    ``buffer`` is this function's alone until it is done.
    """
    piece = max(granule, _PIECE)
    probe, zero = ZEROS[:_PROBE], ZEROS[:piece]
    view = memoryview(buffer)
    starts_with = buffer.startswith
    base = known = 0  # the disk's bytes from base to known are in the buffer
    ahead = piece
    begin = -1
    position = start
    while position < end:
        stop = min((position // piece + 1) * piece, end)
        size = stop - position
        has_data = False
        if stop > known:
            first = min(_PROBE, size)
            reader.read_into(position, view[:first])
            has_data = not starts_with(probe if first == _PROBE else ZEROS[:first])
            if not has_data:
                # Zeros come in numbers: after each read that was all zero, look further ahead.
                base, known = position, min((position // piece) * piece + ahead, end)
                reader.read_into(base, view[: known - base])
                ahead = max(piece, min(2 * ahead, _AHEAD))
        if not has_data:
            has_data = not starts_with(zero if size == piece else ZEROS[:size], position - base)
        if has_data:
            ahead = piece
            if begin < 0:
                begin = position
        elif begin >= 0:
            yield begin, position
            begin = -1
        position = stop
    if begin >= 0:
        yield begin, end


def _fill(
    reader: DiskReader, offset: int, length: int, into: _Target, at: int, buffer: bytearray
) -> None:
    """Bring ``length`` bytes of the disk into the sink; its untouched bytes are zero already."""
    sink, sunk = into
    for extent in reader.extents(offset, offset + length):
        if extent.kind is not Kind.DATA:
            continue
        target = at + extent.start - offset
        done = _in_kernel(reader, extent, sunk, target)
        while done < extent.length:
            view = memoryview(buffer)[: min(len(buffer), extent.length - done)]
            reader.read_into(extent.start + done, view)
            sink.write_at(target + done, view)
            done += len(view)


def _in_kernel(
    reader: DiskReader, extent: Extent, sunk: tuple[int, int] | None, target: int
) -> int:
    """Copy as much of the extent as the kernel will; return how much that was."""
    source = reader.sources[extent.file].kernel_file() if extent.file >= 0 else None
    if source is None or sunk is None:
        return 0
    begin, into = source[1] + extent.file_offset, sunk[1] + target
    done = 0
    while done < extent.length:
        try:
            moved = os.copy_file_range(
                source[0], sunk[0], extent.length - done, begin + done, into + done
            )
        except OSError as error:
            if error.errno in _CANNOT:
                return done
            if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
                raise NoSpaceError(f"write failed: {error.strerror}") from None
            raise
        if moved == 0:
            raise TruncatedError(
                "the file became shorter",
                path=reader.sources[extent.file].name,
                offset=begin + done,
            )
        done += moved
    return done
