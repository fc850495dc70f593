"""Read VDI: dynamic and fixed.

Source: see ``_structs/vdi.py``. Version 1.1 headers; those of 2005 (version 0) are
refused, as no VirtualBox since 1.1 writes them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kensho.disks._blocks import HOLE, ZERO, BlockMap, read_mapped
from kensho.disks._structs import vdi as s
from kensho.disks._tables import read_table, zero_table
from kensho.model.errors import CorruptError, LimitError, TruncatedError, UnsupportedError

if TYPE_CHECKING:
    import array
    from collections.abc import Iterator, Mapping

    from kensho.disks.base import SiblingOpener
    from kensho.model.extent import Extent
    from kensho.model.finding import Finding
    from kensho.storage.base import ByteSource, WriteBuffer

_MAX_SIZE = 1 << 50
_MAX_BLOCK = 1 << 28
_PAGE = 4096  # block map entries read at a time


class VdiDisk:
    """A VDI open for reading."""

    __slots__ = ("_map", "_name", "details", "sources", "subformat")

    format = "vdi"
    parent = None
    warnings: tuple[Finding, ...] = ()

    def __init__(self, source: ByteSource, header: s.Header, blocks: BlockMap) -> None:
        self._name = source.name
        self._map = blocks
        self.sources = (source,)
        self.subformat = "fixed" if header.image_type == s.FIXED else "dynamic"
        self.details: Mapping[str, str | int] = {
            "block_bytes": header.block_size,
            "blocks_allocated": header.blocks_allocated,
            "uuid": header.uuid_create.hex(),
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


def open_vdi(source: ByteSource, sibling: SiblingOpener | None = None) -> VdiDisk:  # noqa: ARG001
    """Open a VDI; UnsupportedError for differencing and undo images."""
    raw = source.read_at(0, s.SIZE)
    signature, version = s.unpack_pre(raw)
    if signature != s.SIGNATURE:
        raise CorruptError("no VDI signature", path=source.name, offset=64, field="signature")
    if version >> 16 != 1:
        raise UnsupportedError(f"VDI version {version:#x}", path=source.name, field="version")
    header = s.unpack_header(raw)
    _check(source, header)
    return VdiDisk(source, header, _block_map(source, header))


def _check(source: ByteSource, header: s.Header) -> None:
    def corrupt(message: str, field: str) -> CorruptError:
        return CorruptError(message, path=source.name, offset=s.PRE_SIZE, field=field)

    if header.image_type in {s.DIFF, s.UNDO} or any(header.uuid_parent):
        raise UnsupportedError(
            "a differencing image: most of its data are in another file",
            path=source.name,
            hint="clone the disk in VirtualBox, which merges its snapshots",
        )
    if header.image_type not in {s.DYNAMIC, s.FIXED}:
        raise corrupt(f"image type {header.image_type}", "type")
    if header.disk_size > _MAX_SIZE:
        raise LimitError(f"a disk of {header.disk_size} bytes", path=source.name, field="cbDisk")
    block = header.block_size
    if not s.SECTOR <= block <= _MAX_BLOCK or block & (block - 1):
        raise corrupt(f"block size {block}", "cbBlock")
    if header.block_extra > _MAX_BLOCK:
        raise corrupt(f"{header.block_extra} extra bytes per block", "cbBlockExtra")
    if header.blocks < -(-header.disk_size // block):
        raise corrupt(f"{header.blocks} blocks do not hold {header.disk_size} bytes", "cBlocks")
    if header.blocks_offset < s.PRE_SIZE or header.blocks_offset + 4 * header.blocks > source.size:
        raise TruncatedError(
            "the block map is behind the end of the file",
            path=source.name,
            offset=header.blocks_offset,
        )


def _block_map(source: ByteSource, header: s.Header) -> BlockMap:
    block, size = header.block_size, header.disk_size
    stride = block + header.block_extra
    count = -(-size // block)

    def load(page: int) -> array.array[int] | None:
        first = page * _PAGE
        number = min(_PAGE, count - first)
        at = header.blocks_offset + 4 * first
        entries = read_table(source.read_at(at, 4 * number), "I")
        if entries.count(s.FREE) == number:
            return None
        out = zero_table("q", number)
        for i, entry in enumerate(entries):
            if entry >= s.ZERO:
                out[i] = HOLE if entry == s.FREE else ZERO
                continue
            place = header.data_offset + entry * stride + header.block_extra
            if place + min(block, size - (first + i) * block) > source.size:
                raise TruncatedError(
                    f"block {first + i} should be at {place:#x}, behind the end of the file",
                    path=source.name,
                    offset=at + 4 * i,
                    field="block map",
                )
            out[i] = place
        return out

    return BlockMap(size, block, _PAGE, load)
