"""Several sources one after the other as one: the chunks of a split file."""

from __future__ import annotations

import bisect
import dataclasses
from itertools import accumulate
from typing import TYPE_CHECKING

from kensho.storage._read import check_range

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kensho.model.extent import Extent
    from kensho.storage.base import ByteSource, WriteBuffer


class JoinedSource:
    """``parts`` in this order as one source; closing it closes them."""

    __slots__ = ("_parts", "_starts", "name", "size")

    def __init__(self, parts: Sequence[ByteSource], name: str) -> None:
        self._parts = tuple(parts)
        self._starts = [0, *accumulate(part.size for part in parts)]
        self.name = name
        self.size = self._starts[-1]

    def read_at(self, offset: int, length: int) -> bytes:
        """Return exactly ``length`` bytes from ``offset``; TruncatedError if they are not there."""
        check_range(self.name, self.size, offset, length)
        buffer = bytearray(length)
        self.read_into(offset, buffer)
        return bytes(buffer)

    def read_into(self, offset: int, buffer: WriteBuffer) -> None:
        """Fill ``buffer`` from ``offset``; TruncatedError if the parts end first."""
        view = memoryview(buffer).cast("B")
        check_range(self.name, self.size, offset, len(view))
        for number, low, high in self._touched(offset, offset + len(view)):
            start = self._starts[number]
            self._parts[number].read_into(low - start, view[low - offset : high - offset])

    def extents(self, start: int = 0, end: int | None = None) -> Iterator[Extent]:
        """Yield DATA and HOLE extents of the range, as the parts know them."""
        end = self.size if end is None else min(end, self.size)
        for number, low, high in self._touched(start, end):
            base = self._starts[number]
            for extent in self._parts[number].extents(low - base, high - base):
                at = extent.file_offset + base if extent.file >= 0 else -1
                yield dataclasses.replace(extent, start=extent.start + base, file_offset=at)

    def kernel_file(self) -> None:
        """Return None: it is more than one file."""
        return

    def close(self) -> None:
        """Close all parts; closing twice is allowed."""
        for part in self._parts:
            part.close()

    def _touched(self, start: int, end: int) -> Iterator[tuple[int, int, int]]:
        """Yield (number of the part, start and end within the whole) of all the range touches."""
        number = bisect.bisect_right(self._starts, start) - 1
        while start < end:
            high = min(end, self._starts[number + 1])
            if start < high:
                yield number, start, high
                start = high
            number += 1
