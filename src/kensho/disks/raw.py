"""Raw images: the bytes of the disk, nothing else.

A file whose length is no multiple of 512 is read as it is; formats that count in
sectors round up when they are written from it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kensho.disks._placing import write_placed
from kensho.model.errors import LimitError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kensho.disks.base import SiblingOpener
    from kensho.model.extent import Extent
    from kensho.model.finding import Finding
    from kensho.storage.base import ByteSink, ByteSource, WriteBuffer

_MAX_SIZE = 1 << 62


class RawDisk:
    """A raw image open for reading."""

    __slots__ = ("_source",)

    format = "raw"
    subformat = "sparse"
    parent = None
    warnings: tuple[Finding, ...] = ()

    def __init__(self, source: ByteSource) -> None:
        self._source = source

    @property
    def virtual_size(self) -> int:
        """Size of the file."""
        return self._source.size

    @property
    def details(self) -> Mapping[str, str | int]:
        """Nothing beyond the size."""
        return {}

    @property
    def sources(self) -> tuple[ByteSource, ...]:
        """The file itself."""
        return (self._source,)

    def extents(self, start: int = 0, end: int | None = None) -> Iterator[Extent]:
        """Yield DATA and HOLE as the file system knows them."""
        return self._source.extents(start, end)

    def read_into(self, offset: int, buffer: WriteBuffer) -> None:
        """Fill ``buffer`` from ``offset`` of the file."""
        self._source.read_into(offset, buffer)

    def close(self) -> None:
        """Do nothing; the source belongs to the caller."""


class RawWriter:
    """A raw image being written; what is never written stays a hole."""

    __slots__ = ("sink", "virtual_size")

    format = "raw"
    subformat = "sparse"
    granularity = 4096  # the block size of almost every file system

    def __init__(self, sink: ByteSink, virtual_size: int) -> None:
        self.sink = sink
        self.virtual_size = virtual_size
        sink.truncate(virtual_size)

    def encode(self, offset: int, data: memoryview) -> tuple[int, memoryview]:
        """Pass the run on as it is."""
        return offset, data

    def commit(self, encoded: tuple[int, memoryview]) -> None:
        """Write the run in its place."""
        write_placed(self, *encoded)

    def place(self, offset: int, length: int) -> list[tuple[int, int]]:
        """Return the run's own offset."""
        return [(offset, length)]

    def finish(self) -> None:
        """Do nothing; raw has no tables."""


def open_raw(source: ByteSource, sibling: SiblingOpener | None = None) -> RawDisk:  # noqa: ARG001
    """Open a raw image; any file is one."""
    return RawDisk(source)


def create_raw(
    sink: ByteSink,
    virtual_size: int,
    *,
    compression: str = "fast",  # noqa: ARG001 - every writer has these two
    identity: bytes | None = None,  # noqa: ARG001
) -> RawWriter:
    """Begin a raw image."""
    if not 0 <= virtual_size <= _MAX_SIZE:
        raise LimitError(f"a raw image cannot have {virtual_size} bytes")
    return RawWriter(sink, virtual_size)
