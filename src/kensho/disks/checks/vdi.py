"""Check VDI: header against block map. Structures: see ``_structs/vdi.py``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kensho.disks._structs import vdi as s
from kensho.disks._tables import read_table
from kensho.disks.checks.common import Fault, Grade, used_twice

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kensho.disks.base import DiskReader
    from kensho.storage.base import ByteSource

_PAGE = 1 << 16  # entries


def check(source: ByteSource, layer: DiskReader) -> Iterator[Fault]:
    """Yield the faults of a VDI that could be opened."""
    header = s.unpack_header(source.read_at(0, s.SIZE))
    name = source.name
    map_end = header.blocks_offset + 4 * header.blocks
    if map_end > header.data_offset:
        yield Fault(
            Grade.CORRUPT,
            "the block map reaches into the data",
            name,
            header.data_offset,
            "offData",
        )
    used = highest = 0
    for first in range(0, header.blocks, _PAGE):
        number = min(_PAGE, header.blocks - first)
        at = header.blocks_offset + 4 * first
        present = [e for e in read_table(source.read_at(at, 4 * number), "I") if e < s.ZERO]
        used += len(present)
        highest = max(highest, *present) if present else highest
    if used != header.blocks_allocated:
        yield Fault(
            Grade.HARMLESS if used < header.blocks_allocated else Grade.CORRUPT,
            f"the header counts {header.blocks_allocated} blocks, the map {used}",
            name,
            s.PRE_SIZE,
            "cBlocksAllocated",
        )
    stride = header.block_size + header.block_extra
    end = header.data_offset + (highest + 1 if used else 0) * stride
    if source.size > end + stride:
        yield Fault(Grade.HARMLESS, f"{source.size - end} bytes behind the last block", name, end)
    yield from used_twice(layer, [(0, map_end, "header and block map")])
