"""The byte layer: what a source of bytes and a sink for bytes look like.

All offsets and lengths are bytes. Implementations are plain classes that fit
these protocols; nothing inherits from them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kensho.model.extent import Extent

ReadBuffer: TypeAlias = bytes | bytearray | memoryview
WriteBuffer: TypeAlias = bytearray | memoryview


class ByteSource(Protocol):
    """Immutable bytes with random access; every method may be called from any thread."""

    @property
    def name(self) -> str:
        """How errors and reports call it: a path or ``package.ova#member``."""

    @property
    def size(self) -> int:
        """Length in bytes, fixed while the source is open."""

    def read_at(self, offset: int, length: int) -> bytes:
        """Return exactly ``length`` bytes from ``offset``; TruncatedError if they are not there."""

    def read_into(self, offset: int, buffer: WriteBuffer) -> None:
        """Fill ``buffer`` from ``offset``; TruncatedError if the source ends first."""

    def extents(self, start: int = 0, end: int | None = None) -> Iterator[Extent]:
        """Yield DATA and HOLE extents of the range, as far as the storage knows of holes."""

    def kernel_file(self) -> tuple[int, int] | None:
        """Return (file descriptor, offset of our byte 0 in it) for in-kernel copies, or None."""

    def close(self) -> None:
        """Release the source; closing twice is allowed."""


class ByteSink(Protocol):
    """Random-access output. Bytes never written read as zero."""

    def write_at(self, offset: int, data: ReadBuffer) -> None:
        """Write all of ``data`` at ``offset``, growing the sink as needed."""

    def truncate(self, size: int) -> None:
        """Set the length to ``size`` bytes; new bytes are zero and take no room."""

    def flush(self) -> None:
        """Make what was written durable."""


class StreamSink(Protocol):
    """Append-only output: a file, a pipe or a member of a package being written."""

    @property
    def position(self) -> int:
        """Bytes appended so far."""

    def append(self, data: ReadBuffer) -> None:
        """Write all of ``data`` after what was appended before."""


@runtime_checkable
class KernelFile(Protocol):
    """A sink the kernel can copy into."""

    def kernel_file(self) -> tuple[int, int] | None:
        """Return (file descriptor, offset of our byte 0 in it) for in-kernel copies, or None."""
