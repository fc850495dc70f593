"""Write VHD: dynamic and fixed.

Spec: Microsoft "Virtual Hard Disk Image Format Specification" 1.0 (2006).
The creator is "win ": for most others QEMU and some Xen tools take the size from
the CHS geometry, which rounds down, and cut off the end of the disk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kensho.disks._identity import identity_time, identity_uuid
from kensho.disks._placing import write_placed
from kensho.disks._structs import vhd as s
from kensho.disks._tables import filled_table, write_table
from kensho.model.errors import LimitError

if TYPE_CHECKING:
    from kensho.storage.base import ByteSink

BLOCK = 2 << 20
_BITMAP = b"\xff" * s.SECTOR  # one bit for each of the 4096 sectors of a block
_MAX_SIZE = 2040 << 30  # the specification's limit
_TABLE_AT = s.FOOTER_SIZE + s.DYNAMIC_SIZE


class VhdDynamicWriter:
    """A dynamic VHD being written; see DiskWriter for the protocol."""

    __slots__ = (
        "_block",
        "_footer",
        "_next",
        "_start",
        "_table",
        "identity",
        "sink",
        "virtual_size",
    )

    format = "vhd"
    subformat = "dynamic"
    granularity = 1 << 16

    def __init__(self, sink: ByteSink, virtual_size: int, identity: bytes | None) -> None:
        self.virtual_size = _round(virtual_size)
        self.sink = sink
        self._footer = make_footer(self.virtual_size, s.DYNAMIC, identity)
        self.identity = self._footer.uuid.hex()
        count = -(-self.virtual_size // BLOCK)
        self._table = filled_table("I", count, s.UNUSED)
        end = _TABLE_AT + -(-count * 4 // s.SECTOR) * s.SECTOR
        # A block's bitmap fills the last sector before a 4 KiB boundary, so that its data can
        # be copied, or shared, by whole file system blocks.
        self._next = -(-(end + s.SECTOR) // 4096) * 4096 - s.SECTOR
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
        """Write the trailing footer, the table and the header, the copy of the footer last."""
        footer = self._footer.pack()
        self.sink.truncate(self._next)
        self.sink.write_at(self._next, footer)
        table = write_table(self._table, big_endian=True)
        self.sink.write_at(_TABLE_AT, table + b"\xff" * (-len(table) % s.SECTOR))
        header = s.DynamicHeader(
            cookie=s.DYNAMIC_COOKIE,
            data_offset=s.NO_OFFSET,
            table_offset=_TABLE_AT,
            version=0x0001_0000,
            max_entries=len(self._table),
            block_size=BLOCK,
            checksum=0,
            parent_uuid=bytes(16),
            parent_timestamp=0,
            reserved=0,
            parent_name=b"",
            parent_locators=b"",
        )
        self.sink.write_at(s.FOOTER_SIZE, header.pack())
        self.sink.write_at(0, footer)

    def _begin_block(self, block: int) -> None:
        self.sink.write_at(self._next, _BITMAP)
        self._table[block] = self._next // s.SECTOR
        self._start = self._next + s.SECTOR
        self._block = block
        self._next += BLOCK + 4096  # keeps the alignment


class VhdFixedWriter:
    """A fixed VHD being written: raw with a footer behind."""

    __slots__ = ("_footer", "identity", "sink", "virtual_size")

    format = "vhd"
    subformat = "fixed"
    granularity = 4096

    def __init__(self, sink: ByteSink, virtual_size: int, identity: bytes | None) -> None:
        self.virtual_size = _round(virtual_size)
        self.sink = sink
        self._footer = make_footer(self.virtual_size, s.FIXED, identity)
        self.identity = self._footer.uuid.hex()
        sink.truncate(self.virtual_size)

    def encode(self, offset: int, data: memoryview) -> tuple[int, memoryview]:
        """Pass the run on as it is."""
        return offset, data

    def commit(self, encoded: tuple[int, memoryview]) -> None:
        """Write the run in its place."""
        write_placed(self, *encoded)

    def place(self, offset: int, length: int) -> list[tuple[int, int]]:
        """Return the run's own offset."""
        return [(offset, length)]

    def finish(self) -> None:
        """Write the footer."""
        self.sink.write_at(self.virtual_size, self._footer.pack())


def create_vhd_dynamic(
    sink: ByteSink,
    virtual_size: int,
    *,
    compression: str = "fast",  # noqa: ARG001 - VHD knows none
    identity: bytes | None = None,
) -> VhdDynamicWriter:
    """Begin a dynamic VHD; the size is rounded up to whole sectors."""
    check_size(virtual_size)
    return VhdDynamicWriter(sink, virtual_size, identity)


def create_vhd_fixed(
    sink: ByteSink,
    virtual_size: int,
    *,
    compression: str = "fast",  # noqa: ARG001
    identity: bytes | None = None,
) -> VhdFixedWriter:
    """Begin a fixed VHD; the size is rounded up to whole sectors (Azure wants whole MiB)."""
    check_size(virtual_size)
    return VhdFixedWriter(sink, virtual_size, identity)


def check_size(virtual_size: int) -> None:
    """Raise LimitError for sizes no VHD can have."""
    if not 0 < virtual_size <= _MAX_SIZE:
        raise LimitError(
            f"a VHD cannot have {virtual_size} bytes", hint="the limit is 2040 GiB; use VHDX"
        )


def _round(size: int) -> int:
    return -(-size // s.SECTOR) * s.SECTOR


def make_footer(virtual_size: int, disk_type: int, identity: bytes | None) -> s.Footer:
    """Return the footer of a new disk; its size is rounded up to whole sectors."""
    size = _round(virtual_size)
    cylinders, heads, sectors = s.geometry(size // s.SECTOR)
    return s.Footer(
        cookie=s.COOKIE,
        features=2,  # a reserved bit that must be set
        version=0x0001_0000,
        data_offset=s.NO_OFFSET if disk_type == s.FIXED else s.FOOTER_SIZE,
        timestamp=identity_time(identity) - s.EPOCH,
        creator=b"win ",
        creator_version=0x000A_0000,
        creator_host=b"Wi2k",
        original_size=size,
        current_size=size,
        cylinders=cylinders,
        heads=heads,
        sectors=sectors,
        disk_type=disk_type,
        checksum=0,
        uuid=identity_uuid(identity, "vhd uuid"),
        saved_state=0,
    )
