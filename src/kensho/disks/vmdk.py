"""VMDK: one file or a text descriptor naming several, read as one disk.

Spec: VMware Virtual Disk Format 5.0 (VMware Technical Note). Sparse extents are in
``vmdk_sparse`` and ``vmdk_esx``, the text in ``vmdk_descriptor``. A delta shows itself
alone; ``chain`` lays it over its parent.
"""

from __future__ import annotations

import bisect
import dataclasses
from typing import TYPE_CHECKING, TypeAlias

from kensho.disks._blocks import check_disk_range
from kensho.disks._structs import vmdk as s
from kensho.disks._windows_names import moved_names
from kensho.disks.base import ParentRef
from kensho.disks.vmdk_descriptor import (
    MAX_BYTES,
    VmdkDescriptor,
    parse_descriptor,
    refuse_encrypted,
)
from kensho.disks.vmdk_esx import EsxExtent, open_cowd, open_sesparse
from kensho.disks.vmdk_flat import FlatExtent, ZeroExtent
from kensho.disks.vmdk_sparse import SparseExtent
from kensho.model.errors import (
    CorruptError,
    LimitError,
    LocatorError,
    TruncatedError,
    UnsupportedError,
)
from kensho.model.extent import coalesce
from kensho.model.finding import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kensho.disks.base import DiskReader, SiblingOpener
    from kensho.disks.vmdk_descriptor import ExtentLine
    from kensho.model.extent import Extent
    from kensho.storage.base import ByteSource, ReadBuffer, WriteBuffer

_FLAT = {"FLAT", "VMFS"}
_SPARSE = {"SPARSE"}
_ESX = {"VMFSSPARSE": open_cowd, "SESPARSE": open_sesparse}
_KNOWN_UNSUPPORTED = {
    "VMFSRDM": "a raw device mapping",
    "VMFSRAW": "a raw device mapping",
}
_DEVICES = ("/dev/", "\\\\.\\")  #: where Workstation's raw disks have their data
_SESPARSE = s.SESPARSE_MAGIC.to_bytes(8, "little")
_MAX_SECTORS = 1 << 41


_Part: TypeAlias = SparseExtent | FlatExtent | EsxExtent | ZeroExtent


class VmdkDisk:
    """A VMDK open for reading: its extents one after the other, without its parent."""

    __slots__ = ("_descriptor", "_findings", "_name", "_opened", "_parts", "_starts", "details",
                 "parent", "parent_names", "sources", "subformat", "virtual_size")  # fmt: skip

    format = "vmdk"

    def __init__(
        self,
        name: str,
        subformat: str,
        parts: list[_Part],
        sources: tuple[ByteSource, ...],
        opened: tuple[ByteSource, ...],
        descriptor: VmdkDescriptor | None,
        findings: tuple[Finding, ...] = (),
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
        self._descriptor = descriptor
        self._findings = findings
        self.parent = _parent(descriptor)
        self.parent_names = () if self.parent is None else _names_of(self.parent.name, name)
        self.details = _details(parts, descriptor)

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """What was odd so far; damaged tables show when they are read."""
        own = (f for part in self._parts if isinstance(part, SparseExtent) for f in part.warnings)
        return (*self._findings, *own)

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

    @property
    def packing(self) -> tuple[str, int] | None:
        """Codec and bytes per grain of a disk that is one compressed extent."""
        part = self._parts[0] if len(self._parts) == 1 else None
        if isinstance(part, SparseExtent) and part.compressed and not self.parent:
            return "zlib", part.header.grain_size * s.SECTOR
        return None

    def packed(self, start: int, end: int) -> Iterator[tuple[int, ReadBuffer]]:
        """Yield (start, zlib stream) of the grains in the range."""
        part = self._parts[0]
        assert isinstance(part, SparseExtent)
        yield from sorted(part.packed(start, end))  # disks may have them in any order

    def unpack(self, start: int, data: ReadBuffer) -> tuple[ReadBuffer, int]:
        """Return a grain's content and how many bytes that took: all."""
        part = self._parts[0]
        assert isinstance(part, SparseExtent)
        return part.unpack(start, data), len(data)

    def check_parent(self, below: DiskReader) -> tuple[Finding, ...]:
        """Raise CorruptError unless ``below`` has the content id this delta was made over."""
        wanted = "" if self.parent is None else self.parent.identity
        found = str(below.details.get("cid", "")) if below.format == "vmdk" else "none"
        if _number(wanted) != _number(found):
            raise CorruptError(
                f"was made over content {wanted}, but {below.sources[0].name} now has {found}",
                path=self._name,
                field="parentCID",
                hint="the parent was changed after the snapshot: find the one it was made over",
            )
        return ()

    def close(self) -> None:
        """Close the extent files that were opened for this disk."""
        for source in self._opened:
            source.close()


def open_vmdk(source: ByteSource, sibling: SiblingOpener | None = None) -> VmdkDisk:
    """Open a VMDK from its sparse file or from its descriptor.

    UnsupportedError for raw device mappings and for an ESX delta without its
    descriptor; LocatorError when an extent file cannot be opened.
    """
    head = source.read_at(0, min(s.SECTOR, source.size))
    if head.startswith(s.MAGIC):
        return _open_single(source)
    if head.startswith((s.COWD_MAGIC, _SESPARSE)):
        raise UnsupportedError(
            "the data of an ESX delta, without the descriptor that names its parent",
            path=source.name,
            hint="open the small .vmdk file beside it",
        )
    if source.size > MAX_BYTES:
        raise LimitError(f"a descriptor of {source.size} bytes", path=source.name)
    if not head.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(b"# disk descriptorfile"):
        raise CorruptError("neither a sparse extent nor a descriptor", path=source.name, offset=0)
    descriptor = parse_descriptor(source.read_at(0, source.size), source.name)
    refuse_encrypted(descriptor, source.name)
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
        refuse_encrypted(descriptor, source.name)
        declared = sum(line.sectors for line in descriptor.extents)
        if descriptor.extents and declared != header.capacity:
            raise CorruptError(
                f"the descriptor says {declared} sectors, the header {header.capacity}",
                path=source.name,
                field="capacity",
            )
    findings: tuple[Finding, ...] = ()
    if not part.compressed and (descriptor is None or not descriptor.extents):
        findings = (
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
    return VmdkDisk(source.name, subformat, [part], (source,), (), descriptor, findings)


def _open_described(
    source: ByteSource, descriptor: VmdkDescriptor, sibling: SiblingOpener | None
) -> VmdkDisk:
    if not descriptor.extents:
        raise CorruptError("the descriptor names no extents", path=source.name)
    if sum(line.sectors for line in descriptor.extents) > _MAX_SECTORS:
        raise LimitError("the extents add up to more than 1 PiB", path=source.name)
    files: dict[str, tuple[int, ByteSource]] = {}
    try:
        parts = [_open_part(source, line, files, sibling) for line in descriptor.extents]
        opened = tuple(file for _, file in files.values())
        return VmdkDisk(source.name, descriptor.create_type, parts, opened, opened, descriptor)
    except BaseException:
        for _, file in files.values():
            file.close()
        raise


def _open_part(
    source: ByteSource,
    line: ExtentLine,
    files: dict[str, tuple[int, ByteSource]],
    sibling: SiblingOpener | None,
) -> _Part:
    size = line.sectors * s.SECTOR
    if line.type == "ZERO":
        return ZeroExtent(size)
    if line.type not in _FLAT | _SPARSE | set(_ESX):
        raise _unsupported(source, line.type)
    if line.name.startswith(_DEVICES):
        raise UnsupportedError(
            f"a physical disk of its host, {line.name}",
            path=source.name,
            hint="make an image of it on the host, or convert the disk itself there",
        )
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
    part = _ESX.get(line.type, SparseExtent)(opened, number)
    if part.size != size:
        raise CorruptError(
            f"the descriptor says {line.sectors} sectors, the extent {part.capacity}",
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


def _parent(descriptor: VmdkDescriptor | None) -> ParentRef | None:
    if descriptor is None or not descriptor.has_parent:
        return None
    hint = descriptor.settings.get("parentfilenamehint", "")
    return ParentRef(hint, "vmdk", descriptor.settings.get("parentcid", ""))


def _names_of(hint: str, path: str) -> tuple[str, ...]:
    if names := moved_names([hint]):
        return names
    raise CorruptError("a delta that does not name its parent", path=path, field="parentCID")


def _number(cid: str) -> int | str:
    try:
        return int(cid, 16)
    except ValueError:
        return cid


def _details(parts: list[_Part], descriptor: VmdkDescriptor | None) -> Mapping[str, str | int]:
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
