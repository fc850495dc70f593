"""A part of another source in place: a tar member, a partition, a grain."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from kensho.storage.reading import check_range

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kensho.model.extent import Extent
    from kensho.storage.base import ByteSource, WriteBuffer


class WindowSource:
    """``length`` bytes of ``source`` from ``offset`` on, as a source of its own.

    TruncatedError when they do not lie within ``source``. Closing the window leaves
    ``source`` open.
    """

    __slots__ = ("_base", "_source", "name", "size")

    def __init__(self, source: ByteSource, offset: int, length: int, name: str) -> None:
        check_range(source.name, source.size, offset, length)
        self._source = source
        self._base = offset
        self.name = name
        self.size = length

    def read_at(self, offset: int, length: int) -> bytes:
        """Return exactly ``length`` bytes from ``offset``; TruncatedError if they are not there."""
        check_range(self.name, self.size, offset, length)
        return self._source.read_at(self._base + offset, length)

    def read_into(self, offset: int, buffer: WriteBuffer) -> None:
        """Fill ``buffer`` from ``offset``; TruncatedError if the window ends first."""
        check_range(self.name, self.size, offset, len(buffer))
        self._source.read_into(self._base + offset, buffer)

    def extents(self, start: int = 0, end: int | None = None) -> Iterator[Extent]:
        """Yield DATA and HOLE extents of the range, as the source below knows them."""
        end = self.size if end is None else min(end, self.size)
        for extent in self._source.extents(self._base + start, self._base + end):
            at = extent.file_offset - self._base if extent.file >= 0 else -1
            yield dataclasses.replace(extent, start=extent.start - self._base, file_offset=at)

    def kernel_file(self) -> tuple[int, int] | None:
        """Return (file descriptor, offset of our byte 0 in it) for in-kernel copies, or None."""
        below = self._source.kernel_file()
        return None if below is None else (below[0], below[1] + self._base)

    def close(self) -> None:
        """Do nothing; the source below belongs to whoever opened it."""
