"""VMDK: one file or a text descriptor naming several, read as one disk.

Spec: VMware Virtual Disk Format 5.0 (VMware Technical Note). Sparse extents are in
``vmdk_sparse``, the text in ``vmdk_descriptor``.
"""

from __future__ import annotations

import bisect
import dataclasses
from typing import TYPE_CHECKING

from kensho.disks._blocks import check_disk_range, fill_zero
from kensho.disks._structs import vmdk as s
from kensho.disks.base import ParentRef
from kensho.disks.vmdk_descriptor import MAX_BYTES, VmdkDescriptor, parse_descriptor
from kensho.disks.vmdk_sparse import SparseExtent
from kensho.model.errors import (
    CorruptError,
    LimitError,
    LocatorError,
    TruncatedError,
    UnsupportedError,
)
from kensho.model.extent import Extent, Kind, coalesce
from kensho.model.finding import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kensho.disks.base import SiblingOpener
    from kensho.disks.vmdk_descriptor import ExtentLine
    from kensho.storage.base import ByteSource, WriteBuffer

_FLAT = {"FLAT", "VMFS"}
_SPARSE = {"SPARSE"}
_KNOWN_UNSUPPORTED = {
    "VMFSSPARSE": "an ESX copy-on-write extent (COWD)",
    "SESPARSE": "an ESX space-efficient extent (seSparse)",
    "VMFSRDM": "a raw device mapping",
    "VMFSRAW": "a raw device mapping",
}
_MAX_SECTORS = 1 << 41


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


class VmdkDisk:
    """A VMDK open for reading: its extents one after the other."""

    __slots__ = ("_name", "_opened", "_parts", "_starts", "details", "parent", "sources",
                 "subformat", "virtual_size", "warnings")  # fmt: skip

    format = "vmdk"

    def __init__(
        self,
        name: str,
        subformat: str,
        parts: list[SparseExtent | FlatExtent | ZeroExtent],
        sources: tuple[ByteSource, ...],
        opened: tuple[ByteSource, ...],
        descriptor: VmdkDescriptor | None,
    ) -> None:
        self._name = name
        self._parts = parts
        self._opened = opened
        self.subformat = subformat
        self.sources = sources
        self._starts = []
        total = 0
        for part in parts:
            self._starts.append(total)
            total += part.size
        self.virtual_size = total
        self.parent = _parent(descriptor)
        self.details = _details(parts, descriptor)
        self.warnings: tuple[Finding, ...] = tuple(
            finding for part in parts if isinstance(part, SparseExtent) for finding in part.warnings
        )

    def extents(self, start: int = 0, end: int | None = None) -> Iterator[Extent]:
        """Yield coalesced extents of the range."""
        return coalesce(self._extents(start, end))

    def _extents(self, start: int, end: int | None) -> Iterator[Extent]:
        end = self.virtual_size if end is None else min(end, self.virtual_size)
        for index in self._touched(start, end):
            base, part = self._starts[index], self._parts[index]
            low, high = max(start - base, 0), min(end - base, part.size)
            for extent in part.extents(low, high):
                yield dataclasses.replace(extent, start=extent.start + base) if base else extent

    def read_into(self, offset: int, buffer: WriteBuffer) -> None:
        """Fill ``buffer`` from ``offset``."""
        view = memoryview(buffer)
        end = offset + len(view)
        check_disk_range(self._name, self.virtual_size, offset, len(view))
        for index in self._touched(offset, end):
            base, part = self._starts[index], self._parts[index]
            low, high = max(offset, base), min(end, base + part.size)
            part.read_into(low - base, view[low - offset : high - offset])

    def _touched(self, start: int, end: int) -> Iterator[int]:
        if start >= end:
            return
        for index in range(bisect.bisect_right(self._starts, start) - 1, len(self._parts)):
            if self._starts[index] >= end:
                return
            if self._parts[index].size:
                yield index

    def close(self) -> None:
        """Close the extent files that were opened for this disk."""
        for source in self._opened:
            source.close()


def open_vmdk(source: ByteSource, sibling: SiblingOpener | None = None) -> VmdkDisk:
    """Open a VMDK from its sparse file or from its descriptor.

    UnsupportedError for deltas, COWD, seSparse and compressed splits without
    their descriptor; LocatorError when an extent file cannot be opened.
    """
    head = source.read_at(0, min(s.SECTOR, source.size))
    if head.startswith(s.MAGIC):
        return _open_single(source)
    if head.startswith(b"COWD"):
        raise _unsupported(source, "VMFSSPARSE")
    if head.startswith(b"\xbe\xba\xfe\xca"):
        raise _unsupported(source, "SESPARSE")
    if source.size > MAX_BYTES:
        raise LimitError(f"a descriptor of {source.size} bytes", path=source.name)
    if not head.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(b"# disk descriptorfile"):
        raise CorruptError("neither a sparse extent nor a descriptor", path=source.name, offset=0)
    descriptor = parse_descriptor(source.read_at(0, source.size), source.name)
    return _open_described(source, descriptor, sibling)


def _open_single(source: ByteSource) -> VmdkDisk:
    if source.size < s.SECTOR:
        raise TruncatedError("the file ends in its header", path=source.name, offset=source.size)
    part = SparseExtent(source, 0)
    header = part.header
    descriptor = None
    first = s.unpack_header(source.read_at(0, s.SECTOR))
    if first.descriptor_offset and first.descriptor_size:
        size = first.descriptor_size * s.SECTOR
        if size > MAX_BYTES:
            raise LimitError(
                f"a descriptor of {size} bytes", path=source.name, field="descriptorSize"
            )
        at = first.descriptor_offset * s.SECTOR
        descriptor = parse_descriptor(source.read_at(at, size), source.name, at)
        _refuse_delta(source, descriptor)
        declared = sum(line.sectors for line in descriptor.extents)
        if descriptor.extents and declared != header.capacity:
            raise CorruptError(
                f"the descriptor says {declared} sectors, the header {header.capacity}",
                path=source.name,
                field="capacity",
            )
    if not part.compressed and (descriptor is None or not descriptor.extents):
        part.warnings += (
            Finding(
                "KF-406",
                Severity.WARNING,
                "a sparse extent without a descriptor: it may be only a part of a disk",
                source.name,
                "read as a disk of its own; if there is a descriptor, open that",
            ),
        )
    subformat = (descriptor.create_type if descriptor else "") or (
        "streamOptimized" if part.compressed else "monolithicSparse"
    )
    return VmdkDisk(source.name, subformat, [part], (source,), (), descriptor)


def _open_described(
    source: ByteSource, descriptor: VmdkDescriptor, sibling: SiblingOpener | None
) -> VmdkDisk:
    _refuse_delta(source, descriptor)
    if not descriptor.extents:
        raise CorruptError("the descriptor names no extents", path=source.name)
    if sum(line.sectors for line in descriptor.extents) > _MAX_SECTORS:
        raise LimitError("the extents add up to more than 1 PiB", path=source.name)
    files: dict[str, tuple[int, ByteSource]] = {}
    try:
        parts = [_open_part(source, line, files, sibling) for line in descriptor.extents]
    except BaseException:
        for _, opened in files.values():
            opened.close()
        raise
    sources = tuple(opened for _, opened in files.values())
    return VmdkDisk(source.name, descriptor.create_type, parts, sources, sources, descriptor)


def _open_part(
    source: ByteSource,
    line: ExtentLine,
    files: dict[str, tuple[int, ByteSource]],
    sibling: SiblingOpener | None,
) -> SparseExtent | FlatExtent | ZeroExtent:
    size = line.sectors * s.SECTOR
    if line.type == "ZERO":
        return ZeroExtent(size)
    if line.type not in _FLAT | _SPARSE:
        raise _unsupported(source, line.type)
    if line.name not in files:
        if sibling is None:
            raise LocatorError(
                f"the disk's data are in {line.name!r}, which cannot be reached from here",
                path=source.name,
            )
        files[line.name] = (len(files), sibling(line.name))
    number, opened = files[line.name]
    if line.type in _FLAT:
        return FlatExtent(opened, number, line.offset * s.SECTOR, size)
    part = SparseExtent(opened, number)
    if part.size != size:
        raise CorruptError(
            f"the descriptor says {line.sectors} sectors, the extent {part.header.capacity}",
            path=opened.name,
            field="capacity",
        )
    return part


def _unsupported(source: ByteSource, kind: str) -> UnsupportedError:
    what = _KNOWN_UNSUPPORTED.get(kind, f"an extent of type {kind}")
    return UnsupportedError(
        f"{what} is not read yet",
        path=source.name,
        hint="export the machine as OVF on the host, or clone the disk there with vmkfstools -i",
    )


def _refuse_delta(source: ByteSource, descriptor: VmdkDescriptor) -> None:
    if descriptor.has_parent:
        raise UnsupportedError(
            f"a delta on {descriptor.settings.get('parentfilenamehint', 'another disk')!r}",
            path=source.name,
            hint="consolidate the machine's snapshots first",
        )


def _parent(descriptor: VmdkDescriptor | None) -> ParentRef | None:
    if descriptor is None or not descriptor.has_parent:
        return None
    hint = descriptor.settings.get("parentfilenamehint", "")
    return ParentRef(hint, "vmdk", descriptor.settings.get("parentcid", ""))


def _details(
    parts: list[SparseExtent | FlatExtent | ZeroExtent], descriptor: VmdkDescriptor | None
) -> Mapping[str, str | int]:
    details: dict[str, str | int] = {"extents": len(parts)}
    if descriptor is not None:
        for key in ("cid", "ddb.adaptertype", "ddb.virtualhwversion", "ddb.uuid"):
            if key in descriptor.settings:
                details[key] = descriptor.settings[key]
    for part in parts[:1]:
        if isinstance(part, SparseExtent):
            details["version"] = part.header.version
            details["grain_bytes"] = part.header.grain_size * s.SECTOR
    return details
