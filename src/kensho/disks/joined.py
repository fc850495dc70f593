"""Several disks one after the other as one: the parts of a split disk."""

from __future__ import annotations

import bisect
import dataclasses
from typing import TYPE_CHECKING

from kensho.disks._blocks import check_disk_range
from kensho.model.extent import coalesce

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from kensho.disks.base import DiskReader, ParentRef
    from kensho.model.extent import Extent
    from kensho.model.finding import Finding
    from kensho.storage.base import ByteSource, WriteBuffer


class JoinedDisk:
    """``parts`` one after the other as one disk; the format and the rest is said by the caller."""

    __slots__ = ("_closing", "_files", "_parts", "_starts", "details", "format", "parent", "sources",
                 "subformat", "virtual_size")  # fmt: skip

    def __init__(
        self,
        parts: Sequence[DiskReader],
        format_: str,
        subformat: str,
        details: Mapping[str, str | int],
        parent: ParentRef | None,
        closing: tuple[ByteSource, ...] = (),
    ) -> None:
        self._parts = parts
        self._closing = closing
        self.format = format_
        self.subformat = subformat
        self.details = details
        self.parent = parent
        self.sources = tuple(source for part in parts for source in part.sources)
        self._starts: list[int] = []
        self._files: list[int] = []
        self.virtual_size = files = 0
        for part in parts:
            self._starts.append(self.virtual_size)
            self._files.append(files)
            self.virtual_size += part.virtual_size
            files += len(part.sources)

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """What was odd in any part."""
        return tuple(finding for part in self._parts for finding in part.warnings)

    def extents(self, start: int = 0, end: int | None = None) -> Iterator[Extent]:
        """Yield coalesced extents of the range."""
        return coalesce(self._extents(start, end))

    def _extents(self, start: int, end: int | None) -> Iterator[Extent]:
        end = self.virtual_size if end is None else min(end, self.virtual_size)
        for index, low, high in self._touched(start, end):
            base, files = self._starts[index], self._files[index]
            for e in self._parts[index].extents(low, high):
                file = e.file + files if e.file >= 0 else -1
                yield dataclasses.replace(e, start=e.start + base, file=file)

    def read_into(self, offset: int, buffer: WriteBuffer) -> None:
        """Fill ``buffer`` from ``offset``."""
        view = memoryview(buffer)
        check_disk_range(_name(self), self.virtual_size, offset, len(view))
        for index, low, high in self._touched(offset, offset + len(view)):
            at = self._starts[index] + low - offset
            self._parts[index].read_into(low, view[at : at + high - low])

    def _touched(self, start: int, end: int) -> Iterator[tuple[int, int, int]]:
        """Yield (number of the part, start and end within it) of all the range touches."""
        if start >= end:
            return
        for index in range(bisect.bisect_right(self._starts, start) - 1, len(self._parts)):
            base = self._starts[index]
            if base >= end:
                return
            size = self._parts[index].virtual_size
            low, high = max(start - base, 0), min(end - base, size)
            if low < high:
                yield index, low, high

    def close(self) -> None:
        """Close all parts and their files."""
        for part in self._parts:
            part.close()
        for source in self._closing:
            source.close()


def _name(disk: JoinedDisk) -> str:
    return disk.sources[0].name if disk.sources else disk.format
