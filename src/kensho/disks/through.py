"""A disk seen through a reader over it, which hands on all that it does not change itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kensho.disks.base import DiskReader, ParentRef
from kensho.model.extent import Extent
from kensho.model.finding import Finding
from kensho.storage import ByteSource
from kensho.storage.base import WriteBuffer


class ThroughDisk:
    """A `DiskReader` that is the one below, which stays the caller's: it is not closed."""

    def __init__(self, below: DiskReader) -> None:
        self._below = below

    @property
    def format(self) -> str:
        """The format below."""
        return self._below.format

    @property
    def subformat(self) -> str:
        """The variant below."""
        return self._below.subformat

    @property
    def virtual_size(self) -> int:
        """Size the guest sees."""
        return self._below.virtual_size

    @property
    def details(self) -> Mapping[str, str | int]:
        """Facts of the disk below."""
        return self._below.details

    @property
    def parent(self) -> ParentRef | None:
        """The parent of the disk below."""
        return self._below.parent

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """What was odd about the disk below."""
        return self._below.warnings

    @property
    def sources(self) -> tuple[ByteSource, ...]:
        """The files of the disk below."""
        return self._below.sources

    def extents(self, start: int = 0, end: int | None = None) -> Iterator[Extent]:
        """Yield what the range holds."""
        return self._below.extents(start, end)

    def read_into(self, offset: int, buffer: WriteBuffer) -> None:
        """Fill ``buffer`` from ``offset`` on."""
        self._below.read_into(offset, buffer)

    def close(self) -> None:
        """Leave the disk below as it is."""
