"""Write dynamic VDI. Source: see ``_structs/vdi.py``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kensho.disks._identity import identity_uuid
from kensho.disks._placing import write_placed
from kensho.disks._structs import vdi as s
from kensho.disks._tables import write_table, zero_table
from kensho.model.errors import LimitError

if TYPE_CHECKING:
    from kensho.storage.base import ByteSink

BLOCK = 1 << 20  # the only size VirtualBox makes and QEMU reads
_MAP_AT = 512
_MAX_SIZE = 512 << 40


class VdiWriter:
    """A dynamic VDI being written; see DiskWriter for the protocol."""

    __slots__ = (
        "_allocated",
        "_block",
        "_data_at",
        "_identity",
        "_map",
        "_start",
        "sink",
        "virtual_size",
    )

    format = "vdi"
    subformat = "dynamic"
    granularity = 1 << 16

    def __init__(self, sink: ByteSink, virtual_size: int, identity: bytes | None) -> None:
        self.virtual_size = -(-virtual_size // s.SECTOR) * s.SECTOR
        self.sink = sink
        self._identity = identity
        count = -(-self.virtual_size // BLOCK)
        self._map = zero_table("I", count)
        for number in range(count):
            self._map[number] = s.FREE
        self._data_at = -(-(_MAP_AT + 4 * count) // BLOCK) * BLOCK
        self._allocated = 0
        self._block = -1
        self._start = 0

    def encode(self, offset: int, data: memoryview) -> tuple[int, memoryview]:
        """Pass the run on as it is."""
        return offset, data

    def commit(self, encoded: tuple[int, memoryview]) -> None:
        """Write the run in its place."""
        write_placed(self, *encoded)

    def place(self, offset: int, length: int) -> list[tuple[int, int]]:
        """Return where in its blocks the run goes; blocks are made as they are first needed."""
        places = []
        end = offset + length
        while offset < end:
            block, within = divmod(offset, BLOCK)
            size = min(BLOCK - within, end - offset)
            if block != self._block:
                self._begin_block(block)
            places.append((self._start + within, size))
            offset += size
        return places

    def finish(self) -> None:
        """Write the block map and then the header, which makes it a disk."""
        self.sink.truncate(self._data_at + self._allocated * BLOCK)
        self.sink.write_at(_MAP_AT, write_table(self._map))
        header = s.Header(
            size=s.HEADER_SIZE,
            image_type=s.DYNAMIC,
            flags=0,
            comment=b"",
            blocks_offset=_MAP_AT,
            data_offset=self._data_at,
            cylinders=0,
            heads=0,
            sectors=0,
            sector_size=s.SECTOR,
            unused=0,
            disk_size=self.virtual_size,
            block_size=BLOCK,
            block_extra=0,
            blocks=len(self._map),
            blocks_allocated=self._allocated,
            uuid_create=identity_uuid(self._identity, "vdi create"),
            uuid_modify=identity_uuid(self._identity, "vdi modify"),
            uuid_link=bytes(16),
            uuid_parent=bytes(16),
        )
        self.sink.write_at(0, header.pack())

    def _begin_block(self, block: int) -> None:
        self._map[block] = self._allocated
        self._block = block
        self._start = self._data_at + self._allocated * BLOCK
        self._allocated += 1


def create_vdi(
    sink: ByteSink,
    virtual_size: int,
    *,
    compression: str = "fast",  # noqa: ARG001 - VDI knows none
    identity: bytes | None = None,
) -> VdiWriter:
    """Begin a dynamic VDI; the size is rounded up to whole sectors."""
    if not 0 < virtual_size <= _MAX_SIZE:
        raise LimitError(f"a VDI cannot have {virtual_size} bytes", hint="the limit is 512 TiB")
    return VdiWriter(sink, virtual_size, identity)
