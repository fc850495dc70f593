"""Write VHDX: dynamic and fixed, with sectors of 512 (512e) or 4096 bytes (4Kn).

Spec: [MS-VHDX]; see ``vhdx_layout.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kensho.disks._placing import write_placed
from kensho.disks._structs import vhdx as s
from kensho.disks.vhdx_layout import VhdxLayout

if TYPE_CHECKING:
    from kensho.storage.base import ByteSink


class VhdxWriter:
    """A dynamic VHDX being written; see DiskWriter for the protocol."""

    __slots__ = ("_block_now", "_layout", "_start", "block", "identity", "sink", "subformat", "virtual_size")  # fmt: skip

    format = "vhdx"
    granularity = 1 << 16

    def __init__(self, sink: ByteSink, layout: VhdxLayout, subformat: str) -> None:
        self._layout = layout
        self.sink = sink
        self.subformat = subformat
        self.virtual_size = layout.size
        self.block = layout.block
        self.identity = layout.identity
        self._block_now = -1
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
            block, within = divmod(offset, self.block)
            size = min(self.block - within, end - offset)
            if block != self._block_now:
                self._begin_block(block)
            places.append((self._start + within, size))
            offset += size
        return places

    def finish(self) -> None:
        """Write table, metadata, regions and at last the headers."""
        self._layout.finish()

    def _begin_block(self, block: int) -> None:
        self._start = self._layout.allocate(self.block)
        self._layout.set_block(block, self._start, s.FULLY_PRESENT)
        self._block_now = block


class VhdxFixedWriter:
    """A fixed VHDX being written: all blocks are there, in their order."""

    __slots__ = ("_data_at", "_layout", "identity", "sink", "subformat", "virtual_size")

    format = "vhdx"
    granularity = 4096

    def __init__(self, sink: ByteSink, layout: VhdxLayout, subformat: str) -> None:
        self._layout = layout
        self.sink = sink
        self.subformat = subformat
        self.virtual_size = layout.size
        self.identity = layout.identity
        self._data_at = layout.allocate(layout.block * layout.count)
        for block in range(layout.count):
            layout.set_block(block, self._data_at + block * layout.block, s.FULLY_PRESENT)

    def encode(self, offset: int, data: memoryview) -> tuple[int, memoryview]:
        """Pass the run on as it is."""
        return offset, data

    def commit(self, encoded: tuple[int, memoryview]) -> None:
        """Write the run in its place."""
        write_placed(self, *encoded)

    def place(self, offset: int, length: int) -> list[tuple[int, int]]:
        """Return the run's place."""
        return [(self._data_at + offset, length)]

    def finish(self) -> None:
        """Write table, metadata, regions and at last the headers."""
        self._layout.finish()


def create_vhdx(
    sink: ByteSink,
    virtual_size: int,
    *,
    compression: str = "fast",  # noqa: ARG001 - VHDX knows none
    identity: bytes | None = None,
) -> VhdxWriter:
    """Begin a dynamic VHDX with 512-byte sectors, to which the size is rounded up."""
    return VhdxWriter(sink, VhdxLayout(sink, virtual_size, 512, identity), "dynamic")


def create_vhdx_4kn(
    sink: ByteSink,
    virtual_size: int,
    *,
    compression: str = "fast",  # noqa: ARG001
    identity: bytes | None = None,
) -> VhdxWriter:
    """Begin a dynamic VHDX with 4096-byte sectors, to which the size is rounded up."""
    return VhdxWriter(sink, VhdxLayout(sink, virtual_size, 4096, identity), "dynamic-4kn")


def create_vhdx_fixed(
    sink: ByteSink,
    virtual_size: int,
    *,
    compression: str = "fast",  # noqa: ARG001
    identity: bytes | None = None,
) -> VhdxFixedWriter:
    """Begin a fixed VHDX with 512-byte sectors, to which the size is rounded up."""
    layout = VhdxLayout(sink, virtual_size, 512, identity, flags=s.LEAVE_ALLOCATED)
    return VhdxFixedWriter(sink, layout, "fixed")


def create_vhdx_fixed_4kn(
    sink: ByteSink,
    virtual_size: int,
    *,
    compression: str = "fast",  # noqa: ARG001
    identity: bytes | None = None,
) -> VhdxFixedWriter:
    """Begin a fixed VHDX with 4096-byte sectors, to which the size is rounded up."""
    layout = VhdxLayout(sink, virtual_size, 4096, identity, flags=s.LEAVE_ALLOCATED)
    return VhdxFixedWriter(sink, layout, "fixed-4kn")
