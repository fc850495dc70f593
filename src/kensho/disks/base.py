"""What a virtual disk reader and writer look like, whatever the format.

Offsets and lengths are bytes of the virtual disk unless said otherwise.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

from kensho.storage.base import ByteSink, ByteSource

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from kensho.model.extent import Extent
    from kensho.model.finding import Finding
    from kensho.storage.base import ReadBuffer, WriteBuffer

#: Opens another file of the same disk by the relative name its descriptor gives.
SiblingOpener: TypeAlias = Callable[[str], ByteSource]

#: Makes another file of the disk being written, beside the first, by its bare name.
SiblingSink: TypeAlias = Callable[[str], ByteSink]


@dataclasses.dataclass(frozen=True, slots=True)
class ParentRef:
    """The disk below this one: the name and format recorded, and its identity if any.

    ``identity`` is what a child records of its parent, in a form of the format's own,
    and what a parent calls itself in ``details["identity"]``: equal for a pair.
    """

    name: str
    format: str | None = None
    identity: str = ""


class DiskReader(Protocol):
    """An open virtual disk. ``extents`` and ``read_into`` may be called from any thread."""

    @property
    def format(self) -> str:
        """Registry name, such as ``vmdk``."""

    @property
    def subformat(self) -> str:
        """Variant within the format, such as ``streamOptimized``."""

    @property
    def virtual_size(self) -> int:
        """Size the guest sees."""

    @property
    def details(self) -> Mapping[str, str | int]:
        """Format-specific facts for display."""

    @property
    def parent(self) -> ParentRef | None:
        """The disk this one is based on, if any."""

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """What was odd but could be worked around while opening."""

    @property
    def sources(self) -> tuple[ByteSource, ...]:
        """The files read; ``Extent.file`` counts in this order."""

    def extents(self, start: int = 0, end: int | None = None) -> Iterator[Extent]:
        """Yield what the range holds: ascending, gapless, coalesced, clipped to the range.

        Reads only the tables the range needs. CorruptError or TruncatedError when
        a table points where nothing can be.
        """

    def read_into(self, offset: int, buffer: WriteBuffer) -> None:
        """Fill ``buffer`` with the disk's bytes from ``offset`` on.

        TruncatedError when the range is not within the disk, FormatError kinds
        when the bytes cannot be had.
        """

    def close(self) -> None:
        """Close the files this reader opened; closing twice is allowed."""


@runtime_checkable
class Layer(DiskReader, Protocol):
    """One file of a chain of disks, shown alone: its holes are its parent's.

    ``open_disk`` opens the parents of such a reader and lays it over them.
    """

    @property
    def parent_names(self) -> tuple[str, ...]:
        """Relative names the parent may have, best first; empty without a parent."""

    def check_parent(self, below: DiskReader) -> tuple[Finding, ...]:
        """Raise CorruptError if ``below``, alone, is not the parent recorded; return what is odd."""


class DiskWriter(Protocol):
    """A virtual disk being written once, in ascending order, into a sink.

    ``encode`` and ``commit`` work on *runs*: one or more whole granules, none of
    them all zero, starting at a multiple of ``granularity``; only the disk's very
    last granule may be short. Ranges never committed read as zero.
    """

    @property
    def format(self) -> str:
        """Registry name, such as ``vmdk``."""

    @property
    def subformat(self) -> str:
        """Variant within the format, such as ``streamOptimized``."""

    @property
    def virtual_size(self) -> int:
        """Size of the disk, fixed at creation."""

    @property
    def granularity(self) -> int:
        """Smallest unit kept or left out; a power of two, at most 1 MiB."""

    def encode(self, offset: int, data: memoryview) -> Any:
        """Prepare a run for ``commit``, e.g. compress it. May be called from any thread.

        ``data`` may be kept in the result: it stays unchanged until that is committed.
        """

    def commit(self, encoded: Any) -> None:
        """Write what ``encode`` returned. Called in ascending order, one at a time."""

    def finish(self) -> None:
        """Write tables and headers; the disk is complete after this and not before."""


@runtime_checkable
class ChildWriter(DiskWriter, Protocol):
    """A writer of a disk that is based on another one: what it does not own is its parent's."""

    def own(self, ranges: Iterable[tuple[int, int]]) -> None:
        """Say, before the first commit, which (start, end) are this disk's own.

        Ascending multiples of ``granularity``, taken as the writing goes on. What is
        in one of them and never committed is zero and hides the parent's.
        """


@runtime_checkable
class PlacingWriter(DiskWriter, Protocol):
    """A writer that stores bytes as they are, so that the kernel can copy them in place."""

    @property
    def sink(self) -> ByteSink:
        """Where the places are."""

    def place(self, offset: int, length: int) -> list[tuple[int, int]]:
        """Make room for a run; return the (sink offset, length) of its parts in order.

        Counts as committing the run: the same order, and the caller fills the places.
        """


@runtime_checkable
class PackedReader(DiskReader, Protocol):
    """A reader of blocks that are compressed one by one and can be had as they are stored."""

    @property
    def packing(self) -> tuple[str, int] | None:
        """Codec (``zlib``, ``deflate`` or ``zstd``) and bytes of the disk per block, if there is one."""

    def packed(self, start: int, end: int) -> Iterator[tuple[int, ReadBuffer]]:
        """Yield (start, stored bytes) of the compressed blocks in the range, whole ones.

        What the file says about a block is checked, its content is not. There may be
        bytes of something else behind the end of the compressed ones.
        """

    def unpack(self, start: int, data: ReadBuffer) -> tuple[ReadBuffer, int]:
        """Return a block's content, all checksums verified, and how many of its bytes that took.

        CorruptError when they do not decode to one block.
        """


@runtime_checkable
class PackedWriter(DiskWriter, Protocol):
    """A writer that compresses granule by granule and also takes granules compressed already."""

    @property
    def codec(self) -> str:
        """What a granule is to be compressed with: ``zlib``, ``deflate`` or ``zstd``."""

    @property
    def largest(self) -> int:
        """Most bytes a compressed granule may have."""

    def encode_packed(self, offset: int, granules: list[ReadBuffer]) -> Any:
        """Prepare a run of compressed granules for ``commit``. May be called from any thread."""
