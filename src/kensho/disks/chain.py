"""Disks on top of other disks: find the ones below, and show all of them as one.

A reader that fits ``Layer`` shows one file alone, and its holes are its parent's.
``complete`` opens the parents, one after the other, and lays each layer over them.
Names inside a disk are relative to that disk's own folder and stay below it.
"""

from __future__ import annotations

import dataclasses
import posixpath
from typing import TYPE_CHECKING

from kensho.disks._blocks import check_disk_range, fill_zero
from kensho.disks._qemu_names import file_of
from kensho.disks._siblings import safe_name
from kensho.disks.base import Layer
from kensho.disks.registry import open_layer
from kensho.disks.through import ThroughDisk
from kensho.model.errors import (
    CorruptError,
    LimitError,
    LocatorError,
    UnsafePathError,
    UnsupportedError,
)
from kensho.model.extent import Extent, Kind, coalesce
from kensho.storage.locator import ArchiveMember

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kensho.disks.base import DiskReader, SiblingOpener
    from kensho.model.finding import Finding
    from kensho.storage.base import ByteSource, WriteBuffer

MAX_DEPTH = 64
_NAMED_BY_QEMU = {"qcow2", "qed"}
#: What others call the formats, in the names they record.
_FORMAT_NAMES = {"vpc": "vhd", "parallels": "hdd"}


@dataclasses.dataclass(frozen=True, slots=True)
class Link:
    """One file of a chain: ``layer`` shows it alone, ``disk`` with all that is below it.

    ``name`` is how it was found from the folder of the top one, whose own is empty.
    """

    name: str
    layer: DiskReader
    disk: DiskReader


@dataclasses.dataclass(frozen=True, slots=True)
class _Opened:
    name: str
    layer: DiskReader
    file: ByteSource | None  # what to close after it; the top one belongs to the caller
    findings: tuple[Finding, ...]  # about it, as the parent of the one above

    def close(self) -> None:
        self.layer.close()
        if self.file is not None:
            self.file.close()


class ChainDisk(ThroughDisk):
    """A layer over its parent, as one disk; ``links`` are its files, the top first."""

    def __init__(
        self,
        layer: DiskReader,
        parent: DiskReader,
        file: ByteSource | None,
        findings: tuple[Finding, ...],
        names: tuple[str, str],
    ) -> None:
        super().__init__(layer)
        self._parent = parent
        self._file = file
        self._findings = findings
        self.links: tuple[Link, ...] = (Link(names[0], layer, self), *_links(parent, names[1]))

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """Of all its files."""
        return (*self._below.warnings, *self._findings, *self._parent.warnings)

    @property
    def sources(self) -> tuple[ByteSource, ...]:
        """All its files, the top first."""
        return (*self._below.sources, *self._parent.sources)

    def extents(self, start: int = 0, end: int | None = None) -> Iterator[Extent]:
        """Yield coalesced extents of the range, holes filled from its parent."""
        own = self._below.extents(start, end)
        return over_parent(own, self._parent, len(self._below.sources))

    def read_into(self, offset: int, buffer: WriteBuffer) -> None:
        """Fill ``buffer`` from ``offset``."""
        view = memoryview(buffer)
        end = offset + len(view)
        check_disk_range(self._below.sources[0].name, self.virtual_size, offset, len(view))
        begin = offset  # of what the layer itself has to say
        for extent in self._below.extents(offset, end):
            if extent.kind is not Kind.HOLE:
                continue
            if begin < extent.start:
                self._below.read_into(begin, view[begin - offset : extent.start - offset])
            self._read_parent(extent.start, view[extent.start - offset : extent.end - offset])
            begin = extent.end
        if begin < end:
            self._below.read_into(begin, view[begin - offset :])

    def _read_parent(self, offset: int, view: memoryview) -> None:
        inside = max(0, min(offset + len(view), self._parent.virtual_size) - offset)
        if inside:
            self._parent.read_into(offset, view[:inside])
        fill_zero(view[inside:])

    def close(self) -> None:
        """Close all files but the top one, which belongs to the caller."""
        self._below.close()
        self._parent.close()
        if self._file is not None:
            self._file.close()


def over_parent(extents: Iterator[Extent], parent: DiskReader, shift: int = 1) -> Iterator[Extent]:
    """Yield ``extents`` with what ``parent`` has in their holes; its sources come ``shift`` later."""
    return coalesce(_filled(extents, parent, shift))


def _filled(extents: Iterator[Extent], parent: DiskReader, shift: int) -> Iterator[Extent]:
    for extent in extents:
        if extent.kind is not Kind.HOLE:
            yield extent
            continue
        seen = min(max(parent.virtual_size, extent.start), extent.end)
        if seen > extent.start:
            for below in parent.extents(extent.start, seen):
                file = below.file + shift if below.file >= 0 else -1
                yield dataclasses.replace(below, file=file)
        if seen < extent.end:  # the parent is shorter
            yield Extent(seen, extent.end - seen, Kind.HOLE)


def links_of(disk: DiskReader) -> tuple[Link, ...]:
    """Return the files a disk is made of, the top one first; one alone has no name."""
    return _links(disk, "")


def _links(disk: DiskReader, name: str) -> tuple[Link, ...]:
    return disk.links if isinstance(disk, ChainDisk) else (Link(name, disk, disk),)


def complete(top: DiskReader, sibling: SiblingOpener | None) -> DiskReader:
    """Return ``top`` over all the disks it is based on, or itself if there are none.

    LocatorError when a parent is not there, CorruptError when it is not the one the
    child was made from or the chain bites its tail, LimitError for more than 64
    files. ``top`` is closed on errors.
    """
    opened = [_Opened("", top, None, ())]
    try:
        while isinstance(opened[-1].layer, Layer) and opened[-1].layer.parent is not None:
            opened.append(_open_parent(opened, opened[-1].layer, sibling))
    except BaseException:
        for one in opened:
            one.close()
        raise
    disk = opened[-1].layer
    for child, parent in zip(reversed(opened[:-1]), reversed(opened[1:]), strict=True):
        names = (child.name, parent.name)
        disk = ChainDisk(child.layer, disk, parent.file, parent.findings, names)
    return disk


def _open_parent(opened: list[_Opened], child: Layer, sibling: SiblingOpener | None) -> _Opened:
    path = child.sources[0].name
    if sibling is None:
        raise UnsupportedError(
            f"is based on {child.parent_names[0]!r}, which cannot be reached from here",
            path=path,
            hint="put both files into one folder, or flatten it with `qemu-img convert`",
        )
    if len(opened) >= MAX_DEPTH:
        raise LimitError(f"more than {MAX_DEPTH} disks on top of each other", path=path)
    names, recorded = child.parent_names, child.parent.format if child.parent else None
    window = None
    if child.format in _NAMED_BY_QEMU:
        backing = file_of(names[0], path)
        names, window, recorded = (backing.name,), backing.window, backing.format or recorded
    name, file = _find(opened[-1].name, names, sibling, path)
    try:
        if window is not None:
            file = ArchiveMember(file, *window, f"{file.name}#{window[0]}")
        _check_loop(opened, name)
        layer = open_layer(
            file,
            sibling=_inside(sibling, name),
            format=_FORMAT_NAMES.get(recorded, recorded) if recorded else None,
        )
        try:
            return _Opened(name, layer, file, child.check_parent(layer))
        except BaseException:
            layer.close()
            raise
    except BaseException:
        file.close()
        raise


def _check_loop(opened: list[_Opened], name: str) -> None:
    if any(one.name == name for one in opened):
        path = opened[-1].layer.sources[0].name
        raise CorruptError(f"is based on itself through {name!r}", path=path, field="parent")


def _find(
    above: str, names: tuple[str, ...], sibling: SiblingOpener, path: str
) -> tuple[str, ByteSource]:
    """Open the first of ``names`` that is there, seen from the folder of ``above``."""
    problem: UnsafePathError | LocatorError | None = None
    for name in names:
        if "://" in name:
            raise UnsupportedError(f"is based on {name!r}, which is no file", path=path)
        try:
            place = posixpath.join(posixpath.dirname(above), safe_name(name, path))
            return place, sibling(place)
        except (UnsafePathError, LocatorError) as error:
            problem = error if problem is None else problem
    if isinstance(problem, UnsafePathError):
        raise problem
    raise LocatorError(
        "the disk it is based on is missing: " + " or ".join(map(repr, names)),
        path=path,
        field="parent",
        hint="put the parent's file into the same folder",
    )


def _inside(sibling: SiblingOpener, name: str) -> SiblingOpener:
    """Return an opener for names that are relative to the folder of ``name``."""
    folder = posixpath.dirname(name)
    return lambda inner: sibling(posixpath.join(folder, inner))
