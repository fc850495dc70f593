"""Write differencing VHD.

Spec: Microsoft "Virtual Hard Disk Image Format Specification" 1.0 (2006). As Windows
does, the path is UTF-16 little endian and the parent's time is left out; its UUID says
which one it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kensho.disks._placing import write_placed
from kensho.disks._sectors import Owned, set_bits
from kensho.disks._structs import vhd as s
from kensho.disks._tables import filled_table, write_table
from kensho.disks.vhd_write import BLOCK, check_size, make_footer
from kensho.model.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kensho.disks.base import ParentRef
    from kensho.storage.base import ByteSink

_NAMES_AT = s.FOOTER_SIZE + s.DYNAMIC_SIZE
_NAME_ROOM = 2048
_TABLE_AT = _NAMES_AT + _NAME_ROOM


class VhdChildWriter:
    """A differencing VHD being written; see ChildWriter for the protocol."""

    __slots__ = ("_bits", "_block", "_footer", "_next", "_owned", "_parent", "_start", "_table", "identity",
                 "sink", "virtual_size")  # fmt: skip

    format = "vhd"
    subformat = "differencing"
    granularity = 4096

    def __init__(
        self, sink: ByteSink, virtual_size: int, parent: ParentRef, identity: bytes | None
    ) -> None:
        self._footer = make_footer(virtual_size, s.DIFFERENCING, identity)
        self.identity = self._footer.uuid.hex()
        self.virtual_size = self._footer.current_size
        self.sink = sink
        self._parent = parent
        self._owned = Owned()
        self._table = filled_table("I", -(-self.virtual_size // BLOCK), s.UNUSED)
        end = _TABLE_AT + -(-len(self._table) * 4 // s.SECTOR) * s.SECTOR
        self._next = -(-(end + s.SECTOR) // 4096) * 4096 - s.SECTOR
        self._block = -1
        self._start = 0
        self._bits = bytearray(s.SECTOR)

    def own(self, ranges: Iterable[tuple[int, int]]) -> None:
        """Say what is this disk's own."""
        self._owned = Owned(ranges)

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
            self._own_until(block * BLOCK)
            self._take(block, within, size)
            places.append((self._start + within, size))
            offset += size
        return places

    def finish(self) -> None:
        """Write the trailing footer, the table and the header, the copy of the footer last."""
        self._own_until(self.virtual_size)
        self._end_block()
        footer = self._footer.pack()
        self.sink.truncate(self._next)
        self.sink.write_at(self._next, footer)
        table = write_table(self._table, big_endian=True)
        self.sink.write_at(_TABLE_AT, table + b"\xff" * (-len(table) % s.SECTOR))
        self.sink.write_at(_NAMES_AT, _path(self._parent.name))
        self.sink.write_at(s.FOOTER_SIZE, _header(self._parent, len(self._table)).pack())
        self.sink.write_at(0, footer)

    def _own_until(self, end: int) -> None:
        for low, high in self._owned.until(end):
            for block in range(low // BLOCK, (high - 1) // BLOCK + 1):
                first = max(low - block * BLOCK, 0)
                self._take(block, first, min(high - block * BLOCK, BLOCK) - first)

    def _take(self, block: int, within: int, size: int) -> None:
        """Make part of a block this disk's own."""
        if block != self._block:
            self._end_block()
            self._table[block] = self._next // s.SECTOR
            self._start = self._next + s.SECTOR
            self._block = block
            self._next += BLOCK + 4096  # keeps the data at multiples of 4 KiB
        set_bits(self._bits, within // s.SECTOR, -(-(within + size) // s.SECTOR), high_first=True)

    def _end_block(self) -> None:
        if self._block >= 0:
            self.sink.write_at(self._start - s.SECTOR, self._bits)
            self._bits = bytearray(s.SECTOR)


def create_vhd_child(
    sink: ByteSink,
    virtual_size: int,
    parent: ParentRef,
    *,
    compression: str = "fast",  # noqa: ARG001 - VHD knows none
    identity: bytes | None = None,
) -> VhdChildWriter:
    """Begin a differencing VHD; UsageError unless ``parent.identity`` is the UUID of a VHD."""
    check_size(virtual_size)
    if parent.format not in {None, "vhd"} or not _is_uuid(parent.identity):
        raise UsageError("the parent of a VHD must be a VHD with a UUID")
    if len(_path(parent.name)) > _NAME_ROOM:
        raise UsageError(f"the parent's name is too long: {parent.name!r}")
    return VhdChildWriter(sink, virtual_size, parent, identity)


def _is_uuid(text: str) -> bool:
    return len(text) == 32 and all(digit in "0123456789abcdef" for digit in text)


def _path(name: str) -> bytes:
    return (".\\" + name.replace("/", "\\")).encode("utf-16-le")


def _header(parent: ParentRef, entries: int) -> s.DynamicHeader:
    # "W2ku" is the absolute path, which the disk will not keep; Windows reads "W2ru" first.
    locator = s.Locator(b"W2ru", _NAME_ROOM, len(_path(parent.name)), 0, _NAMES_AT)
    name = parent.name.rpartition("/")[2][:255].encode("utf-16-be")
    return s.DynamicHeader(
        cookie=s.DYNAMIC_COOKIE,
        data_offset=s.NO_OFFSET,
        table_offset=_TABLE_AT,
        version=0x0001_0000,
        max_entries=entries,
        block_size=BLOCK,
        checksum=0,
        parent_uuid=bytes.fromhex(parent.identity),
        parent_timestamp=0,
        reserved=0,
        parent_name=name,
        parent_locators=locator.pack(),
    )
