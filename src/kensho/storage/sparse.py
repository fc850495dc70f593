"""A file of which only some parts are stored, one after the other; the rest is zero."""

from __future__ import annotations

import bisect
import dataclasses
from itertools import accumulate
from typing import TYPE_CHECKING

from kensho.model.extent import Extent, Kind, coalesce
from kensho.storage.reading import check_range, read_new

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kensho.storage.base import ByteSource, WriteBuffer


class SparseSource:
    """``size`` bytes: ``pieces`` are (offset, length), ascending, of what ``stored`` has in a row.

    Closing closes ``stored``.
    """

    __slots__ = ("_at", "_pieces", "_starts", "_stored", "name", "size")

    def __init__(self, stored: ByteSource, pieces: Sequence[tuple[int, int]], size: int) -> None:
        self._stored = stored
        self._pieces = tuple(pieces)
        self._starts = [start for start, _ in pieces]
        self._at = [0, *accumulate(length for _, length in pieces)]
        self.name = stored.name
        self.size = size

    def read_at(self, offset: int, length: int) -> bytes:
        """Return exactly ``length`` bytes from ``offset``; TruncatedError if they are not there."""
        return read_new(self, offset, length)

    def read_into(self, offset: int, buffer: WriteBuffer) -> None:
        """Fill ``buffer`` from ``offset``; TruncatedError if the file ends first."""
        view = memoryview(buffer).cast("B")
        check_range(self.name, self.size, offset, len(view))
        done = offset
        for low, high, at in self._touched(offset, offset + len(view)):
            view[done - offset : low - offset] = bytes(low - done)
            self._stored.read_into(at, view[low - offset : high - offset])
            done = high
        view[done - offset :] = bytes(offset + len(view) - done)

    def extents(self, start: int = 0, end: int | None = None) -> Iterator[Extent]:
        """Yield DATA and HOLE extents of the range."""
        return coalesce(self._extents(start, self.size if end is None else min(end, self.size)))

    def _extents(self, start: int, end: int) -> Iterator[Extent]:
        done = start
        for low, high, at in self._touched(start, end):
            yield Extent(done, low - done, Kind.HOLE)
            for extent in self._stored.extents(at, at + high - low):
                # What lies in the parts has no place of its own in this file.
                shifted = low + extent.start - at
                yield dataclasses.replace(extent, start=shifted, file=-1, file_offset=-1)
            done = high
        yield Extent(done, end - done, Kind.HOLE)

    def kernel_file(self) -> None:
        """Return None: its bytes are not in one row."""
        return

    def close(self) -> None:
        """Close what is stored; closing twice is allowed."""
        self._stored.close()

    def _touched(self, start: int, end: int) -> Iterator[tuple[int, int, int]]:
        """Yield (start, end, offset in what is stored) of the parts in the range."""
        number = max(0, bisect.bisect_right(self._starts, start) - 1)
        for index in range(number, len(self._pieces)):
            first, length = self._pieces[index]
            low, high = max(first, start), min(first + length, end)
            if first >= end:
                return
            if low < high:
                yield low, high, self._at[index] + low - first
