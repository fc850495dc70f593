"""Copy a chain of disks file by file, each a child of the one written before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from kensho.disks.base import ChildWriter
from kensho.disks.chain import links_of
from kensho.disks.copy import copy_disk
from kensho.disks.through import ThroughDisk
from kensho.model.errors import UsageError
from kensho.model.extent import Extent, Kind, coalesce

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kensho.disks.base import DiskReader, DiskWriter, ParentRef
    from kensho.disks.chain import Link
    from kensho.disks.copy import CopyResult
    from kensho.model.finding import Finding
    from kensho.storage.base import ByteSource, WriteBuffer

#: Formats in which a child must have its parent's size.
_SAME_SIZE = {"vhd", "vdi"}


@runtime_checkable
class _Identified(Protocol):
    @property
    def identity(self) -> str: ...


class LayerView(ThroughDisk):
    """What one layer of a chain changes, in whole granules of ``unit`` bytes, and nothing else.

    A granule that the layer owns in part is completed from below.
    """

    parent: ParentRef | None = None

    def __init__(self, link: Link, unit: int) -> None:
        super().__init__(link.layer)
        self._disk = link.disk
        self._unit = unit

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """Of the layer and all below."""
        return self._disk.warnings

    @property
    def sources(self) -> tuple[ByteSource, ...]:
        """Files of the layer and all below."""
        return self._disk.sources

    def owned(self, start: int = 0, end: int | None = None) -> Iterator[tuple[int, int]]:
        """Yield (start, end) of the granules the layer has anything in; ``start`` begins one."""
        size = self.virtual_size
        unit = self._unit
        stop = size if end is None else min(-(-end // unit) * unit, size)
        begin = done = start
        for extent in self._below.extents(start, stop):
            if extent.kind is Kind.HOLE:
                continue
            low, high = extent.start // unit * unit, min(-(-extent.end // unit) * unit, size)
            if low > done:
                if begin < done:
                    yield begin, done
                begin = low
            done = max(done, high)
        if begin < done:
            yield begin, done

    def extents(self, start: int = 0, end: int | None = None) -> Iterator[Extent]:
        """Yield what the owned granules hold, with holes between them."""
        return coalesce(self._extents(start, self.virtual_size if end is None else end))

    def _extents(self, start: int, end: int) -> Iterator[Extent]:
        position = start
        for low, high in self.owned(start // self._unit * self._unit, end):
            low, high = max(low, position), min(high, end)  # noqa: PLW2901 - clipped
            if low >= high:
                continue
            if position < low:
                yield Extent(position, low - position, Kind.HOLE)
            yield from self._disk.extents(low, high)
            position = high
        if position < end:
            yield Extent(position, end - position, Kind.HOLE)

    def read_into(self, offset: int, buffer: WriteBuffer) -> None:
        """Fill ``buffer`` as the layer and all below show it."""
        self._disk.read_into(offset, buffer)


def copy_chain(
    disk: DiskReader,
    make_writer: Callable[[Link, str], DiskWriter],
    *,
    threads: int | None = None,
    on_bytes: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> tuple[CopyResult, ...]:
    """Copy each file of ``disk`` (`links_of`), the lowest first, as a child of the one before.

    ``make_writer(link, identity)`` begins the disk for that file, with ``create_disk``
    and, for all but the lowest, a ``ParentRef`` of the name it gave the file before
    and of ``identity``, which that one calls itself. Returns what was copied in the
    same order. Errors as ``copy_disk``; UsageError when the target cannot have a
    chain of different sizes.
    """
    results: list[CopyResult] = []
    before: DiskWriter | None = None
    for link in reversed(links_of(disk)):
        identity = before.identity if isinstance(before, _Identified) else ""
        writer = make_writer(link, identity)
        reader: DiskReader = link.disk
        if before is not None:
            reader = _child_view(link, before, writer)
        results.append(
            copy_disk(reader, writer, threads=threads, on_bytes=on_bytes, cancelled=cancelled)
        )
        before = writer
    return tuple(results)


def _child_view(link: Link, before: DiskWriter, writer: DiskWriter) -> DiskReader:
    if not isinstance(writer, ChildWriter):
        raise UsageError(f"{writer.format} {writer.subformat} cannot have a parent")
    if writer.format in _SAME_SIZE and writer.virtual_size != before.virtual_size:
        raise UsageError(
            f"{writer.format} wants one size for a whole chain, this one has"
            f" {before.virtual_size} and {writer.virtual_size} bytes",
            hint="flatten it, or keep it as qcow2 or vhdx",
        )
    view = LayerView(link, writer.granularity)
    writer.own(view.owned())
    return view
