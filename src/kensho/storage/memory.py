"""Bytes in memory, as a source and as a sink: for tests and small members."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kensho.model.extent import Extent
from kensho.storage.reading import all_data, check_range

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kensho.storage.base import ReadBuffer, WriteBuffer


class MemorySource:
    """A ByteSource over ``data``, which must not change while it is read."""

    __slots__ = ("_view", "name", "size")

    def __init__(self, data: ReadBuffer, name: str = "memory") -> None:
        self._view = memoryview(data).cast("B").toreadonly()
        self.name = name
        self.size = len(self._view)

    def read_at(self, offset: int, length: int) -> bytes:
        """Return exactly ``length`` bytes from ``offset``; TruncatedError if they are not there."""
        check_range(self.name, self.size, offset, length)
        return bytes(self._view[offset : offset + length])

    def read_into(self, offset: int, buffer: WriteBuffer) -> None:
        """Fill ``buffer`` from ``offset``; TruncatedError if the source ends first."""
        view = memoryview(buffer).cast("B")
        check_range(self.name, self.size, offset, len(view))
        view[:] = self._view[offset : offset + len(view)]

    def extents(self, start: int = 0, end: int | None = None) -> Iterator[Extent]:
        """Return the whole range as one DATA extent: memory knows no holes."""
        return all_data(self.size, start, end)

    def kernel_file(self) -> None:
        """Return None: there is no file."""
        return

    def close(self) -> None:
        """Do nothing; the memory belongs to the caller."""


class MemorySink:
    """A ByteSink and StreamSink that keeps what is written in ``data``."""

    __slots__ = ("_position", "data")

    def __init__(self) -> None:
        self.data = bytearray()
        self._position = 0

    @property
    def position(self) -> int:
        """Bytes appended so far."""
        return self._position

    def write_at(self, offset: int, data: ReadBuffer) -> None:
        """Write all of ``data`` at ``offset``, growing the sink as needed."""
        end = offset + len(data)
        if end > len(self.data):
            self.truncate(end)
        self.data[offset:end] = data

    def append(self, data: ReadBuffer) -> None:
        """Write all of ``data`` after what was appended before."""
        self.write_at(self._position, data)
        self._position += len(data)

    def advance_to(self, offset: int) -> None:
        """Append from ``offset`` on; bytes before it that were never written are zero."""
        self._position = offset

    def truncate(self, size: int) -> None:
        """Set the length to ``size`` bytes."""
        if size < len(self.data):
            del self.data[size:]
        else:
            self.data.extend(bytes(size - len(self.data)))

    def flush(self) -> None:
        """Do nothing; memory is as durable as it gets."""
