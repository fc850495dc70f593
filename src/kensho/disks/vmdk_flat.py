"""Pieces of a VMDK that need no tables: flat files and zeros."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kensho.disks._blocks import fill_zero
from kensho.model.errors import TruncatedError
from kensho.model.extent import Extent, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kensho.storage.base import ByteSource


class FlatExtent:
    """A piece of a file that holds the disk's bytes as they are."""

    __slots__ = ("_base", "_file", "_source", "size")

    def __init__(self, source: ByteSource, file: int, base: int, size: int) -> None:
        if base + size > source.size:
            raise TruncatedError(
                f"the flat extent needs {base + size} bytes, the file has {source.size}",
                path=source.name,
            )
        self._source = source
        self._file = file
        self._base = base
        self.size = size

    def extents(self, start: int, end: int) -> Iterator[Extent]:
        """Yield the extents of the range, as the file system knows them."""
        for e in self._source.extents(self._base + start, self._base + end):
            begin = e.start - self._base
            if e.kind is Kind.DATA:
                yield Extent(begin, e.length, e.kind, self._file, e.start)
            else:
                yield Extent(begin, e.length, e.kind)

    def read_into(self, offset: int, view: memoryview) -> None:
        """Fill ``view`` from ``offset`` of the extent."""
        self._source.read_into(self._base + offset, view)


class ZeroExtent:
    """A piece of the disk that has no file and reads as zero."""

    __slots__ = ("size",)

    def __init__(self, size: int) -> None:
        self.size = size

    def extents(self, start: int, end: int) -> Iterator[Extent]:
        """Yield one ZERO extent."""
        yield Extent(start, end - start, Kind.ZERO)

    def read_into(self, offset: int, view: memoryview) -> None:  # noqa: ARG002
        """Fill ``view`` with zeros."""
        fill_zero(view)
