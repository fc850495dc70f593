"""Write differencing VHDX. Spec: [MS-VHDX] sections 2.4, 2.5 and 2.6.2.6."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from kensho.disks._placing import write_placed
from kensho.disks._sectors import Owned, set_bits
from kensho.disks._structs import vhdx as s
from kensho.disks.vhdx_layout import VhdxLayout
from kensho.disks.vhdx_parent import pack_link
from kensho.model.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kensho.disks.base import ParentRef
    from kensho.storage.base import ByteSink


class VhdxChildWriter:
    """A differencing VHDX being written; see ChildWriter for the protocol."""

    __slots__ = ("_bitmaps", "_bits", "_block", "_layout", "_owned", "_start", "identity", "sink", "subformat",
                 "virtual_size")  # fmt: skip

    format = "vhdx"
    granularity = 4096

    def __init__(self, sink: ByteSink, layout: VhdxLayout, subformat: str) -> None:
        self._layout = layout
        self.sink = sink
        self.subformat = subformat
        self.virtual_size = layout.size
        self.identity = layout.identity
        self._owned = Owned()
        self._bitmaps: dict[int, int] = {}
        self._block = -1
        self._start = 0  # of the current block in the file, if it has a place yet
        self._bits = bytearray()

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
        size = self._layout.block
        end = offset + length
        while offset < end:
            block, within = divmod(offset, size)
            part = min(size - within, end - offset)
            self._own_until(block * size)
            self._take(block, within, part)
            if not self._start:
                self._start = self._layout.allocate(size)
            places.append((self._start + within, part))
            offset += part
        return places

    def finish(self) -> None:
        """Write table, metadata, regions and at last the headers."""
        self._own_until(self.virtual_size)
        self._end_block()
        self._layout.finish()

    def _own_until(self, end: int) -> None:
        size = self._layout.block
        for low, high in self._owned.until(end):
            for block in range(low // size, (high - 1) // size + 1):
                first = max(low - block * size, 0)
                self._take(block, first, min(high - block * size, size) - first)

    def _take(self, block: int, within: int, size: int) -> None:
        """Make part of a block this disk's own."""
        sector = self._layout.sector
        if block != self._block:
            self._end_block()
            self._block, self._start = block, 0
            self._bits = bytearray(self._layout.block // sector // 8)
        set_bits(self._bits, within // sector, -(-(within + size) // sector), high_first=False)

    def _end_block(self) -> None:
        layout, block = self._layout, self._block
        if block < 0:
            return
        sectors = min(layout.block, layout.size - block * layout.block) // layout.sector
        if int.from_bytes(self._bits, "little") == (1 << sectors) - 1:
            state = s.FULLY_PRESENT if self._start else s.ZEROED
            layout.set_block(block, self._start, state)
            return
        if not self._start:
            self._start = layout.allocate(layout.block)
        layout.set_block(block, self._start, s.PARTIALLY_PRESENT)
        chunk, within = divmod(block, layout.ratio)
        if chunk not in self._bitmaps:
            self._bitmaps[chunk] = layout.allocate(s.MIB)
            layout.set_bitmap(chunk, self._bitmaps[chunk])
        self.sink.write_at(self._bitmaps[chunk] + within * len(self._bits), self._bits)


def create_vhdx_child(
    sink: ByteSink,
    virtual_size: int,
    parent: ParentRef,
    *,
    compression: str = "fast",  # noqa: ARG001 - VHDX knows none
    identity: bytes | None = None,
) -> VhdxChildWriter:
    """Begin a differencing VHDX with 512-byte sectors, as its parent must have too.

    UsageError unless ``parent.identity`` is the DataWriteGuid of a VHDX.
    """
    layout = _layout(sink, virtual_size, 512, parent, identity)
    return VhdxChildWriter(sink, layout, "differencing")


def create_vhdx_child_4kn(
    sink: ByteSink,
    virtual_size: int,
    parent: ParentRef,
    *,
    compression: str = "fast",  # noqa: ARG001
    identity: bytes | None = None,
) -> VhdxChildWriter:
    """Begin a differencing VHDX with 4096-byte sectors, as its parent must have too."""
    layout = _layout(sink, virtual_size, 4096, parent, identity)
    return VhdxChildWriter(sink, layout, "differencing-4kn")


def _layout(
    sink: ByteSink, virtual_size: int, sector: int, parent: ParentRef, identity: bytes | None
) -> VhdxLayout:
    try:
        guid = str(uuid.UUID(parent.identity))
    except ValueError:
        guid = ""
    if parent.format not in {None, "vhdx"} or not guid:
        raise UsageError("the parent of a VHDX must be a VHDX with a DataWriteGuid")
    locator = pack_link(parent.name, guid)
    return VhdxLayout(sink, virtual_size, sector, identity, flags=s.HAS_PARENT, locator=locator)
