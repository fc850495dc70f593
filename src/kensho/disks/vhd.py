"""Read VHD: fixed, dynamic and differencing.

Spec: Microsoft "Virtual Hard Disk Image Format Specification" 1.0 (2006).
The size is the footer's current size, never the geometry, which cannot express
most sizes. Sector bitmaps of dynamic disks are not consulted: no writer leaves a
sector of an existing block undefined, and unwritten ones read as zero either way.
Those of differencing disks have the first sector in the highest bit of a byte.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kensho.disks._blocks import HOLE, BlockMap, read_mapped
from kensho.disks._sectors import split_by_sectors
from kensho.disks._structs import vhd as s
from kensho.disks._tables import read_table, zero_table
from kensho.disks.base import ParentRef
from kensho.disks.vhd_parent import ParentLink, check_link, read_link
from kensho.model.errors import CorruptError, LimitError, TruncatedError, UnsupportedError
from kensho.model.extent import Extent
from kensho.model.finding import Finding, Severity

if TYPE_CHECKING:
    import array
    from collections.abc import Iterator, Mapping

    from kensho.disks.base import DiskReader, SiblingOpener
    from kensho.storage.base import ByteSource, WriteBuffer

_MAX_SIZE = 1 << 42  # twice what the format's addresses reach
_MAX_BLOCK = 1 << 28
_PAGE = 4096  # table entries read at a time


class VhdDisk:
    """A VHD open for reading."""

    __slots__ = ("_link", "_map", "_name", "details", "parent", "parent_names", "sources", "subformat",
                 "virtual_size", "warnings")  # fmt: skip

    format = "vhd"

    def __init__(
        self,
        source: ByteSource,
        footer: s.Footer,
        blocks: BlockMap | None,
        link: ParentLink | None,
        warnings: tuple[Finding, ...],
    ) -> None:
        self._name = source.name
        self._map = blocks
        self.sources = (source,)
        self._link = link
        self.parent_names = link.names if link else ()
        self.parent = ParentRef(link.names[0], "vhd", link.uuid.hex()) if link else None
        self.subformat = "differencing" if link else "dynamic" if blocks else "fixed"
        self.virtual_size = footer.current_size
        self.warnings = warnings
        details: dict[str, str | int] = {
            "creator": footer.creator.decode("latin-1").strip(" \0"),
            "identity": footer.uuid.hex(),
            "timestamp": footer.timestamp,
        }
        if blocks:
            details["block_bytes"] = blocks.block
        self.details: Mapping[str, str | int] = details

    def extents(self, start: int = 0, end: int | None = None) -> Iterator[Extent]:
        """Yield coalesced extents of the range."""
        if self._map is not None and self._link is not None:
            return split_by_sectors(self._map, start, end, s.SECTOR, self._bitmap, high_first=True)
        if self._map is not None:
            return self._map.extents(start, end)
        stop = self.virtual_size if end is None else min(end, self.virtual_size)
        return self.sources[0].extents(start, stop)

    def read_into(self, offset: int, buffer: WriteBuffer) -> None:
        """Fill ``buffer`` from ``offset``."""
        read_mapped(self, self._name, offset, buffer)

    def check_parent(self, below: DiskReader) -> tuple[Finding, ...]:
        """Raise CorruptError unless ``below`` is the parent this one was made from."""
        if self._link is not None:
            check_link(self._link, below, self._name)
        return ()

    def close(self) -> None:
        """Do nothing; the source belongs to the caller."""

    def _bitmap(self, block: int, first: int, count: int) -> bytes | None:
        assert self._map is not None
        place = self._map.locate(block) - bitmap_size(self._map.block) + first // 8
        bits = self.sources[0].read_at(place, (first + count - 1) // 8 - first // 8 + 1)
        return None if bits.count(0xFF) == len(bits) else bits


def bitmap_size(block: int) -> int:
    """Return the bytes a block's bitmap takes up: whole sectors."""
    return -(-(block // s.SECTOR) // (8 * s.SECTOR)) * s.SECTOR


def open_vhd(source: ByteSource, sibling: SiblingOpener | None = None) -> VhdDisk:  # noqa: ARG001
    """Open a VHD alone, without its parent if it is a differencing disk."""
    footer, warnings = _footer(source)
    if footer.disk_type not in {s.FIXED, s.DYNAMIC, s.DIFFERENCING}:
        raise UnsupportedError(f"VHD disk type {footer.disk_type}", path=source.name)
    if footer.current_size > _MAX_SIZE:
        raise LimitError(
            f"{footer.current_size} bytes are more than VHD can address",
            path=source.name,
            field="current size",
        )
    if footer.disk_type != s.FIXED:
        header = _dynamic_header(source, footer)
        link = None
        if footer.disk_type == s.DIFFERENCING:
            link = read_link(source, header, footer.data_offset)
        return VhdDisk(source, footer, _block_map(source, footer, header), link, warnings)
    if footer.current_size > source.size:
        raise TruncatedError(
            f"a fixed disk of {footer.current_size} bytes in a file of {source.size}",
            path=source.name,
        )
    return VhdDisk(source, footer, None, None, warnings)


def _footer(source: ByteSource) -> tuple[s.Footer, tuple[Finding, ...]]:
    """Return the footer from the end or its copy at the start, whichever is sound."""
    size = source.size
    if size < s.FOOTER_SIZE - 1:
        raise TruncatedError("too short for a VHD footer", path=source.name, offset=size)
    last = size // s.SECTOR * s.SECTOR
    places = [size - s.FOOTER_SIZE, 0]
    if size % s.SECTOR == s.SECTOR - 1:  # Virtual PC before 2004 wrote footers of 511 bytes
        places.insert(0, last)
    warnings: tuple[Finding, ...] = ()
    damaged: int | None = None
    for place in places:
        if place < 0:
            continue
        raw = source.read_at(place, min(s.FOOTER_SIZE, size - place)).ljust(s.FOOTER_SIZE, b"\0")
        footer = s.unpack_footer(raw)
        if footer.cookie == s.COOKIE and footer.checksum == s.footer_sum(raw):
            if place == 0 and footer.disk_type == s.FIXED:
                continue  # the first sector of the guest's disk, whatever it looks like
            if place == 0:
                warnings = (_note(source.name, "the footer at the end is missing or damaged"),)
            return footer, warnings
        if footer.cookie == s.COOKIE:
            damaged = place
    if damaged is not None:
        raise CorruptError(
            "footer checksum is wrong", path=source.name, offset=damaged, field="checksum"
        )
    raise CorruptError("no VHD footer", path=source.name, offset=size - s.FOOTER_SIZE)


def _note(subject: str, message: str) -> Finding:
    return Finding(
        "KF-402", Severity.WARNING, message, subject, "used the copy at the start of the file"
    )


def _dynamic_header(source: ByteSource, footer: s.Footer) -> s.DynamicHeader:
    raw = source.read_at(footer.data_offset, s.DYNAMIC_SIZE)
    header = s.unpack_dynamic(raw)

    def corrupt(message: str, field: str) -> CorruptError:
        return CorruptError(message, path=source.name, offset=footer.data_offset, field=field)

    if header.cookie != s.DYNAMIC_COOKIE:
        raise corrupt("not a dynamic disk header", "cookie")
    if header.checksum != s.dynamic_sum(raw):
        raise corrupt("dynamic disk header checksum is wrong", "checksum")
    block = header.block_size
    if not s.SECTOR <= block <= _MAX_BLOCK or block & (block - 1):
        raise corrupt(f"block size {block}", "block size")
    count = -(-footer.current_size // block)
    if header.max_entries < count:
        raise corrupt(f"{header.max_entries} table entries for {count} blocks", "max table entries")
    return header


def _block_map(source: ByteSource, footer: s.Footer, header: s.DynamicHeader) -> BlockMap:
    block = header.block_size
    count = -(-footer.current_size // block)
    table = header.table_offset
    if table + 4 * count > source.size:
        raise TruncatedError(
            "the block allocation table is behind the end of the file",
            path=source.name,
            offset=table,
        )
    bitmap = bitmap_size(block)

    def load(page: int) -> array.array[int] | None:
        first = page * _PAGE
        number = min(_PAGE, count - first)
        at = table + 4 * first
        entries = read_table(source.read_at(at, 4 * number), "I", big_endian=True)
        if entries.count(s.UNUSED) == number:
            return None
        out = zero_table("q", number)
        for i, entry in enumerate(entries):
            if entry == s.UNUSED:
                out[i] = HOLE
                continue
            place = entry * s.SECTOR + bitmap
            length = min(block, footer.current_size - (first + i) * block)
            if place + length > source.size:
                raise TruncatedError(
                    f"block {first + i} should be at {place:#x}, behind the end of the file",
                    path=source.name,
                    offset=at + 4 * i,
                    field="block allocation table",
                )
            out[i] = place
        return out

    return BlockMap(footer.current_size, block, _PAGE, load)
