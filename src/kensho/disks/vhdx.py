"""Read VHDX: fixed and dynamic, cleanly closed or not.

Spec: [MS-VHDX] Virtual Hard Disk v2 (VHDX) File Format, sections 2.2 to 2.6.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kensho.disks._blocks import HOLE, ZERO, BlockMap, read_mapped
from kensho.disks._structs import vhdx as s
from kensho.disks._tables import is_zero, read_table, zero_table
from kensho.disks.vhdx_log import replay_log
from kensho.model.errors import CorruptError, LimitError, TruncatedError, UnsupportedError
from kensho.model.finding import Finding, Severity

if TYPE_CHECKING:
    import array
    from collections.abc import Iterator, Mapping

    from kensho.disks.base import SiblingOpener
    from kensho.model.extent import Extent
    from kensho.storage.base import ByteSource, WriteBuffer

_MAX_SIZE = 64 << 40  # section 2.6.2.2
_MAX_REGIONS = 2047
_MAX_ITEMS = 2047


class VhdxDisk:
    """A VHDX open for reading."""

    __slots__ = ("_map", "_name", "details", "sources", "subformat", "warnings")

    format = "vhdx"
    parent = None

    def __init__(
        self,
        source: ByteSource,
        blocks: BlockMap,
        flags: int,
        sector: int,
        warnings: tuple[Finding, ...],
    ) -> None:
        self._name = source.name
        self._map = blocks
        self.sources = (source,)
        self.subformat = "fixed" if flags & s.LEAVE_ALLOCATED else "dynamic"
        self.warnings = warnings
        self.details: Mapping[str, str | int] = {
            "block_bytes": blocks.block,
            "logical_sector_bytes": sector,
        }

    @property
    def virtual_size(self) -> int:
        """Size the guest sees."""
        return self._map.size

    def extents(self, start: int = 0, end: int | None = None) -> Iterator[Extent]:
        """Yield coalesced extents of the range."""
        return self._map.extents(start, end)

    def read_into(self, offset: int, buffer: WriteBuffer) -> None:
        """Fill ``buffer`` from ``offset``."""
        read_mapped(self, self._name, offset, buffer)

    def close(self) -> None:
        """Do nothing; the source belongs to the caller."""


def open_vhdx(source: ByteSource, sibling: SiblingOpener | None = None) -> VhdxDisk:  # noqa: ARG001
    """Open a VHDX; a pending log is replayed in memory. UnsupportedError for differencing disks."""
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
    blocks = _block_map(source, regions[s.BAT_REGION], size, block, sector)
    return VhdxDisk(source, blocks, flags, sector, warnings)


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
            if offset < s.MIB or offset % s.MIB or length % s.MIB:
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
    if flags & s.HAS_PARENT:
        raise UnsupportedError(
            "a differencing disk: most of its data are in another file",
            path=source.name,
            hint="merge the checkpoints in Hyper-V first",
        )
    if not s.MIB <= block <= 256 * s.MIB or block & (block - 1):
        raise CorruptError(f"blocks of {block} bytes", path=source.name, field="BlockSize")
    return block, flags


def _block_map(
    source: ByteSource, region: s.Region, size: int, block: int, sector: int
) -> BlockMap:
    ratio = s.chunk_ratio(block, sector)
    count = -(-size // block)
    if 8 * (count + (count - 1) // ratio) > region.length:
        raise CorruptError(
            f"the block allocation table is too small for {count} blocks",
            path=source.name,
            offset=region.offset,
        )

    def load(chunk: int) -> array.array[int] | None:
        # A chunk's payload entries are followed by one entry for its sector bitmap.
        first = chunk * ratio
        number = min(ratio, count - first)
        at = region.offset + 8 * (first + chunk)
        raw = source.read_at(at, 8 * number)
        if is_zero(raw):
            return None
        out = zero_table("q", number)
        for i, entry in enumerate(read_table(raw, "Q")):
            state = entry & s.STATE_MASK
            place = entry & s.OFFSET_MASK
            if state in {s.NOT_PRESENT, s.UNDEFINED}:
                out[i] = HOLE
            elif state in {s.ZEROED, s.UNMAPPED}:
                out[i] = ZERO
            elif state != s.FULLY_PRESENT or place < s.MIB:
                raise CorruptError(
                    f"block {first + i} has entry {entry:#x}", path=source.name, offset=at + 8 * i
                )
            elif place + min(block, size - (first + i) * block) > source.size:
                raise TruncatedError(
                    f"block {first + i} should be at {place:#x}, behind the end of the file",
                    path=source.name,
                    offset=at + 8 * i,
                    field="block allocation table",
                )
            else:
                out[i] = place
        return out

    return BlockMap(size, block, ratio, load)
