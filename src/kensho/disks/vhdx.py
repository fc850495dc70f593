"""Read VHDX: fixed, dynamic and differencing, cleanly closed or not.

Spec: [MS-VHDX] Virtual Hard Disk v2 (VHDX) File Format, sections 2.2 to 2.6.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from kensho.disks._blocks import check_disk_range, fill_zero
from kensho.disks._file_holes import without_file_holes
from kensho.disks._sectors import split_by_sectors
from kensho.disks._structs import vhdx as s
from kensho.disks.base import ParentRef
from kensho.disks.vhdx_bat import BlockTable
from kensho.disks.vhdx_log import replay_log
from kensho.disks.vhdx_parent import ParentLink, check_link, read_link
from kensho.model.errors import CorruptError, LimitError, TruncatedError, UnsupportedError
from kensho.model.extent import Kind
from kensho.model.finding import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kensho.disks.base import DiskReader, SiblingOpener
    from kensho.model.extent import Extent
    from kensho.storage.base import ByteSource, WriteBuffer

_MAX_SIZE = 64 << 40  # section 2.6.2.2
_MAX_REGIONS = 2047
_MAX_ITEMS = 2047


class VhdxDisk:
    """A VHDX open for reading."""

    __slots__ = ("_bat", "_link", "_map", "_name", "_sector", "details", "parent", "parent_names", "sources", "subformat",
                 "warnings")  # fmt: skip

    format = "vhdx"

    def __init__(
        self,
        source: ByteSource,
        table: BlockTable,
        link: ParentLink | None,
        identity: str,
        warnings: tuple[Finding, ...],
    ) -> None:
        self._name = source.name
        self._bat = table
        self._map = table.blocks()
        self._sector = table.sector
        self._link = link
        self.sources = (source,)
        self.parent_names = link.names if link else ()
        self.parent = ParentRef(link.names[0], "vhdx", link.guids[0]) if link else None
        kind = "differencing" if link else "fixed" if table.flags & s.LEAVE_ALLOCATED else "dynamic"
        self.subformat = kind + ("-4kn" if table.sector == 4096 else "")
        self.warnings = warnings
        self.details: Mapping[str, str | int] = {
            "block_bytes": table.block,
            "logical_sector_bytes": table.sector,
            "identity": identity,
        }

    @property
    def virtual_size(self) -> int:
        """Size the guest sees."""
        return self._map.size

    def extents(self, start: int = 0, end: int | None = None) -> Iterator[Extent]:
        """Yield coalesced extents of the range."""
        return without_file_holes(self._allocated(start, end), self.sources[0])

    def read_into(self, offset: int, buffer: WriteBuffer) -> None:
        """Fill ``buffer`` from ``offset``."""
        view = memoryview(buffer)
        check_disk_range(self._name, self.virtual_size, offset, len(view))
        for extent in self._allocated(offset, offset + len(view)):
            part = view[extent.start - offset : extent.end - offset]
            if extent.kind is Kind.DATA:
                self.sources[0].read_into(extent.file_offset, part)
            else:
                fill_zero(part)

    def _allocated(self, start: int, end: int | None) -> Iterator[Extent]:
        if self._link is None:
            return self._map.extents(start, end)
        bits = self._bat.bitmap
        return split_by_sectors(self._map, start, end, self._sector, bits, high_first=False)

    def check_parent(self, below: DiskReader) -> tuple[Finding, ...]:
        """Raise CorruptError unless ``below`` is the parent this one was made from."""
        if self._link is not None:
            check_link(self._link, below, self._sector, self._name)
        return ()

    def close(self) -> None:
        """Do nothing; the source belongs to the caller."""


def open_vhdx(source: ByteSource, sibling: SiblingOpener | None = None) -> VhdxDisk:  # noqa: ARG001
    """Open a VHDX alone, without its parent; a pending log is replayed in memory."""
    if source.read_at(0, 8) != s.FILE_ID:
        raise CorruptError("no VHDX file identifier", path=source.name, offset=0)
    header = _header(source)
    warnings: tuple[Finding, ...] = ()
    if any(header.log_guid):
        source = replay_log(source, header)
        finding = Finding(
            "KF-403",
            Severity.WARNING,
            "the disk was not closed cleanly",
            source.name,
            "its log was replayed in memory; the file itself was left as it is",
        )
        warnings = (finding,)
    regions = _regions(source)
    items = _metadata(source, regions[s.METADATA_REGION])
    block, flags = _block_size(source, items)
    sector = _number(source, items, s.LOGICAL_SECTOR, 4, "LogicalSectorSize")
    if sector not in {512, 4096}:
        raise CorruptError(f"logical sectors of {sector} bytes", path=source.name)
    size = _number(source, items, s.DISK_SIZE, 8, "VirtualDiskSize")
    if size > _MAX_SIZE:
        raise LimitError(f"a disk of {size} bytes", path=source.name, field="VirtualDiskSize")
    if size == 0 or size % sector:
        raise CorruptError(f"a disk of {size} bytes", path=source.name, field="VirtualDiskSize")
    link = None
    if flags & s.HAS_PARENT:
        link = read_link(items.get(s.PARENT_LOCATOR, b""), source.name)
    table = BlockTable(source, regions[s.BAT_REGION], size, block, sector, flags)
    identity = str(uuid.UUID(bytes_le=header.data_write_guid))
    return VhdxDisk(source, table, link, identity, warnings)


def _header(source: ByteSource) -> s.Header:
    best: s.Header | None = None
    for place in s.HEADER_PLACES:
        raw = source.read_at(place, s.PAGE)
        header = s.Header(*s.HEADER.unpack_from(raw))
        good = header.signature == b"head" and s.checksum_good(raw)
        if good and (best is None or header.sequence > best.sequence):
            best = header
    if best is None:
        raise CorruptError("both headers are damaged", path=source.name, offset=s.HEADER_PLACES[0])
    if best.version != 1 or (any(best.log_guid) and best.log_version != 0):
        raise UnsupportedError(
            f"VHDX version {best.version}, log version {best.log_version}", path=source.name
        )
    return best


def _regions(source: ByteSource) -> dict[bytes, s.Region]:
    for place in s.REGION_PLACES:
        raw = source.read_at(place, s.KIB64)
        signature, _, count, _ = s.REGION_HEADER.unpack_from(raw)
        if signature == b"regi" and count <= _MAX_REGIONS and s.checksum_good(raw):
            break
    else:
        raise CorruptError(
            "both region tables are damaged", path=source.name, offset=s.REGION_PLACES[0]
        )
    regions: dict[bytes, s.Region] = {}
    for number in range(count):
        at = s.REGION_HEADER.size + number * s.REGION_ENTRY.size
        guid, offset, length, required = s.REGION_ENTRY.unpack_from(raw, at)
        if guid in {s.BAT_REGION, s.METADATA_REGION}:
            if guid in regions:
                raise CorruptError("a region is listed twice", path=source.name, offset=place + at)
            if offset + length > source.size:
                raise TruncatedError(
                    "a region is behind the end of the file", path=source.name, offset=place + at
                )
            if offset < s.MIB or offset % s.MIB or not length or length % s.MIB:
                raise CorruptError("a region is not aligned", path=source.name, offset=place + at)
            regions[guid] = s.Region(guid, offset, length, required=bool(required & 1))
        elif required & 1:
            raise UnsupportedError(
                f"unknown region {guid.hex()} is required", path=source.name, offset=place + at
            )
    if len(regions) != 2:
        raise CorruptError("block table or metadata region is missing", path=source.name)
    return regions


def _metadata(source: ByteSource, region: s.Region) -> dict[bytes, bytes]:
    """Return the known items by their GUID."""
    raw = source.read_at(region.offset, min(s.KIB64, region.length))
    signature, count = s.METADATA_HEADER.unpack_from(raw)
    if signature != b"metadata" or count > _MAX_ITEMS:
        raise CorruptError("no metadata table", path=source.name, offset=region.offset)
    items: dict[bytes, bytes] = {}
    for number in range(count):
        at = s.METADATA_HEADER.size + number * s.METADATA_ENTRY.size
        guid, offset, length, flags = s.METADATA_ENTRY.unpack_from(raw, at)
        if guid not in s.KNOWN_ITEMS:
            if flags & s.ITEM_REQUIRED:
                raise UnsupportedError(
                    f"unknown metadata {guid.hex()} is required",
                    path=source.name,
                    offset=region.offset + at,
                )
            continue
        if guid in items or length > s.MIB or offset + length > region.length:
            raise CorruptError(
                "a metadata item is repeated or out of bounds",
                path=source.name,
                offset=region.offset + at,
            )
        items[guid] = source.read_at(region.offset + offset, length)
    return items


def _number(
    source: ByteSource, items: dict[bytes, bytes], guid: bytes, length: int, what: str
) -> int:
    raw = items.get(guid, b"")
    if len(raw) != length:
        raise CorruptError("missing or of a wrong size", path=source.name, field=what)
    return int.from_bytes(raw, "little")


def _block_size(source: ByteSource, items: dict[bytes, bytes]) -> tuple[int, int]:
    both = _number(source, items, s.FILE_PARAMETERS, 8, "FileParameters")
    block, flags = both & 0xFFFF_FFFF, both >> 32
    if not s.MIB <= block <= 256 * s.MIB or block & (block - 1):
        raise CorruptError(f"blocks of {block} bytes", path=source.name, field="BlockSize")
    return block, flags
