"""The block allocation table of a VHDX and its sector bitmaps.

Spec: [MS-VHDX] sections 2.4 and 2.5. The entries of a chunk's payload blocks are
followed by one entry for the bitmap of all their sectors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kensho.disks._blocks import HOLE, ZERO, BlockMap
from kensho.disks._structs import vhdx as s
from kensho.disks._tables import is_zero, read_table, zero_table
from kensho.model.errors import CorruptError, TruncatedError

if TYPE_CHECKING:
    import array

    from kensho.storage.base import ByteSource


class BlockTable:
    """Where blocks and, in a differencing disk, their sectors are."""

    __slots__ = ("_count", "_has_parent", "_ratio", "_region", "_source", "block", "flags", "sector", "size")  # fmt: skip

    def __init__(
        self,
        source: ByteSource,
        region: s.Region,
        size: int,
        block: int,
        sector: int,
        flags: int,
    ) -> None:
        self._source = source
        self._region = region
        self.size = size
        self.block = block
        self.sector = sector
        self.flags = flags
        self._has_parent = bool(flags & s.HAS_PARENT)
        self._ratio = s.chunk_ratio(block, sector)
        self._count = -(-size // block)
        chunks = -(-self._count // self._ratio)
        entries = chunks * (self._ratio + 1) if self._has_parent else self._count + chunks - 1
        if 8 * entries > region.length:
            raise CorruptError(
                f"the block allocation table is too small for {self._count} blocks",
                path=source.name,
                offset=region.offset,
            )

    def blocks(self) -> BlockMap:
        """Return the map of whole blocks."""
        return BlockMap(self.size, self.block, self._ratio, self._load)

    def bitmap(self, block: int, first: int, count: int) -> bytes | None:
        """Return the bits of the block's ``count`` sectors from ``first``, None if all are here."""
        chunk, within = divmod(block, self._ratio)
        at = self._region.offset + 8 * (block + chunk)
        if self._entry(at) & s.STATE_MASK == s.FULLY_PRESENT:
            return None
        entry = self._entry(self._region.offset + 8 * ((chunk + 1) * (self._ratio + 1) - 1))
        place = entry & s.OFFSET_MASK
        if entry & s.STATE_MASK != s.FULLY_PRESENT or place < s.MIB:
            raise CorruptError(
                f"block {block} is there in part, but its sector bitmap is not",
                path=self._source.name,
                offset=at,
                field="block allocation table",
            )
        start = place + (within * (self.block // self.sector) + first) // 8
        bits = self._source.read_at(start, (first + count - 1) // 8 - first // 8 + 1)
        return None if bits.count(0xFF) == len(bits) else bits

    def _entry(self, at: int) -> int:
        return int.from_bytes(self._source.read_at(at, 8), "little")

    def _load(self, chunk: int) -> array.array[int] | None:
        first = chunk * self._ratio
        number = min(self._ratio, self._count - first)
        at = self._region.offset + 8 * (first + chunk)
        raw = self._source.read_at(at, 8 * number)
        if is_zero(raw):
            return None
        out = zero_table("q", number)
        for i, entry in enumerate(read_table(raw, "Q")):
            out[i] = self._location(entry, first + i, at + 8 * i)
        return out

    def _location(self, entry: int, block: int, at: int) -> int:
        state, place = entry & s.STATE_MASK, entry & s.OFFSET_MASK
        if state == s.NOT_PRESENT:
            return HOLE
        if state == s.UNDEFINED:
            return ZERO if self._has_parent else HOLE  # anything goes, but not the parent's data
        if state in {s.ZEROED, s.UNMAPPED}:
            return ZERO
        partial = state == s.PARTIALLY_PRESENT and self._has_parent
        if not (state == s.FULLY_PRESENT or partial) or place < s.MIB:
            raise CorruptError(
                f"block {block} has entry {entry:#x}", path=self._source.name, offset=at
            )
        if place + min(self.block, self.size - block * self.block) > self._source.size:
            raise TruncatedError(
                f"block {block} should be at {place:#x}, behind the end of the file",
                path=self._source.name,
                offset=at,
                field="block allocation table",
            )
        return place
