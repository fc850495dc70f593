"""Write VDI: dynamic, fixed and differencing. Source: see ``_structs/vdi.py``.

The block map of a dynamic disk goes to the file in pages as they are left behind: that
of 64 TiB has 256 MiB.
"""

from __future__ import annotations

import array
import uuid
from typing import TYPE_CHECKING

from kensho.disks._identity import identity_uuid
from kensho.disks._placing import write_placed
from kensho.disks._sectors import Owned
from kensho.disks._structs import vdi as s
from kensho.disks._tables import filled_table, write_table
from kensho.model.errors import LimitError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kensho.disks.base import ParentRef
    from kensho.storage.base import ByteSink

BLOCK = 1 << 20  # the only size VirtualBox makes and QEMU reads
_MAP_AT = 512
_PAGE = 1 << 18  # entries of the block map written at a time
_MAX_SIZE = 512 << 40
_NO_UUID = bytes(16)


class VdiLayout:
    """The header and block map of a new VDI; the size is rounded up to sectors."""

    __slots__ = ("_identity", "_page", "_page_number", "_sink", "_uuids", "allocated", "count", "data_at", "identity",
                 "size")  # fmt: skip

    def __init__(self, sink: ByteSink, virtual_size: int, identity: bytes | None) -> None:
        if not 0 < virtual_size <= _MAX_SIZE:
            raise LimitError(f"a VDI cannot have {virtual_size} bytes", hint="the limit is 512 TiB")
        self._sink = sink
        self.size = -(-virtual_size // s.SECTOR) * s.SECTOR
        self.count = -(-self.size // BLOCK)
        self.data_at = -(-(_MAP_AT + 4 * self.count) // BLOCK) * BLOCK
        self.allocated = 0
        self._uuids = (identity_uuid(identity, "vdi create"), identity_uuid(identity, "vdi modify"))
        self.identity = f"{self._uuids[0].hex()}:{self._uuids[1].hex()}"
        self._page_number = 0
        self._page = self._free_page()

    def place(self, block: int) -> int:
        """Give ``block`` the next place in the file; return its offset. Ascending."""
        self.enter(block, self.allocated)
        self.allocated += 1
        return self.data_at + (self.allocated - 1) * BLOCK

    def place_all(self) -> None:
        """Give every block its place, in their order."""
        while (first := self._page_number * _PAGE) < self.count:
            self._page = array.array("I", range(first, min(first + _PAGE, self.count)))
            self._write_page()
        self.allocated = self.count

    def enter(self, block: int, entry: int) -> None:
        """Put ``entry`` into the map."""
        while block // _PAGE > self._page_number:
            self._write_page()
        self._page[block % _PAGE] = entry

    def finish(self, image_type: int, parent: tuple[bytes, bytes] = (_NO_UUID, _NO_UUID)) -> None:
        """Write what is left of the map and then the header, which makes it a disk."""
        while self._page_number * _PAGE < self.count:
            self._write_page()
        self._sink.truncate(self.data_at + self.allocated * BLOCK)
        header = s.Header(
            size=s.HEADER_SIZE,
            image_type=image_type,
            flags=0,
            comment=b"",
            blocks_offset=_MAP_AT,
            data_offset=self.data_at,
            cylinders=0,
            heads=0,
            sectors=0,
            sector_size=s.SECTOR,
            unused=0,
            disk_size=self.size,
            block_size=BLOCK,
            block_extra=0,
            blocks=self.count,
            blocks_allocated=self.allocated,
            uuid_create=self._uuids[0],
            uuid_modify=self._uuids[1],
            uuid_parent=parent[0],
            uuid_parent_modify=parent[1],
        )
        self._sink.write_at(0, header.pack())

    def _free_page(self) -> array.array[int]:
        left = max(self.count - self._page_number * _PAGE, 0)
        return filled_table("I", min(_PAGE, left), s.FREE)

    def _write_page(self) -> None:
        self._sink.write_at(_MAP_AT + 4 * _PAGE * self._page_number, write_table(self._page))
        self._page_number += 1
        self._page = self._free_page()


class VdiWriter:
    """A dynamic VDI being written; see DiskWriter for the protocol."""

    __slots__ = ("_block", "_layout", "_start", "identity", "sink", "virtual_size")

    format = "vdi"
    subformat = "dynamic"
    granularity = 1 << 16

    def __init__(self, sink: ByteSink, layout: VdiLayout) -> None:
        self._layout = layout
        self.virtual_size = layout.size
        self.identity = layout.identity
        self.sink = sink
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
                self._start = self._layout.place(block)
                self._block = block
            places.append((self._start + within, size))
            offset += size
        return places

    def finish(self) -> None:
        """Write the block map and the header."""
        self._layout.finish(s.DYNAMIC)


class VdiFixedWriter:
    """A fixed VDI being written: all blocks are there, in their order."""

    __slots__ = ("_layout", "identity", "sink", "virtual_size")

    format = "vdi"
    subformat = "fixed"
    granularity = 4096

    def __init__(self, sink: ByteSink, layout: VdiLayout) -> None:
        self._layout = layout
        self.virtual_size = layout.size
        self.identity = layout.identity
        self.sink = sink

    def encode(self, offset: int, data: memoryview) -> tuple[int, memoryview]:
        """Pass the run on as it is."""
        return offset, data

    def commit(self, encoded: tuple[int, memoryview]) -> None:
        """Write the run in its place."""
        write_placed(self, *encoded)

    def place(self, offset: int, length: int) -> list[tuple[int, int]]:
        """Return the run's place."""
        return [(self._layout.data_at + offset, length)]

    def finish(self) -> None:
        """Write the block map and the header."""
        self._layout.place_all()
        self._layout.finish(s.FIXED)


class VdiChildWriter:
    """A differencing VDI being written, whole blocks only; see ChildWriter for the protocol."""

    __slots__ = ("_block", "_layout", "_owned", "_parent", "identity", "sink", "virtual_size")

    format = "vdi"
    subformat = "differencing"
    granularity = BLOCK

    def __init__(self, sink: ByteSink, layout: VdiLayout, parent: tuple[bytes, bytes]) -> None:
        self._layout = layout
        self._parent = parent
        self.virtual_size = layout.size
        self.identity = layout.identity
        self.sink = sink
        self._owned = Owned()
        self._block = -1  # the last one with a place

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
        """Return the places of the run's blocks."""
        places = []
        end = offset + length
        while offset < end:
            block = offset // BLOCK
            self._hide(offset)
            size = min(BLOCK, end - offset)
            places.append((self._layout.place(block), size))
            self._block = block
            offset += size
        return places

    def finish(self) -> None:
        """Write the block map and the header."""
        self._hide(self.virtual_size)
        self._layout.finish(s.DIFF, self._parent)

    def _hide(self, end: int) -> None:
        """Make what is owned before ``end`` and has no place read as zero."""
        for low, high in self._owned.until(end):
            for block in range(low // BLOCK, -(-high // BLOCK)):
                if block > self._block:
                    self._layout.enter(block, s.ZERO)


def uuid_for(identity: bytes) -> str:
    """Return the UUID a VDI made with ``identity`` gets; one that is a parent is called after it."""
    return str(uuid.UUID(bytes_le=identity_uuid(identity, "vdi create")))


def create_vdi(
    sink: ByteSink,
    virtual_size: int,
    *,
    compression: str = "fast",  # noqa: ARG001 - VDI knows none
    identity: bytes | None = None,
) -> VdiWriter:
    """Begin a dynamic VDI; the size is rounded up to whole sectors."""
    return VdiWriter(sink, VdiLayout(sink, virtual_size, identity))


def create_vdi_fixed(
    sink: ByteSink,
    virtual_size: int,
    *,
    compression: str = "fast",  # noqa: ARG001
    identity: bytes | None = None,
) -> VdiFixedWriter:
    """Begin a fixed VDI; the size is rounded up to whole sectors."""
    return VdiFixedWriter(sink, VdiLayout(sink, virtual_size, identity))


def create_vdi_child(
    sink: ByteSink,
    virtual_size: int,
    parent: ParentRef,
    *,
    compression: str = "fast",  # noqa: ARG001
    identity: bytes | None = None,
) -> VdiChildWriter:
    """Begin a differencing VDI; UsageError unless ``parent.identity`` is that of a VDI.

    It does not record ``parent.name``: readers look for ``{UUID}.vdi``, and VirtualBox
    for the file its settings know.
    """
    try:
        own, _, modified = parent.identity.partition(":")
        link = (bytes.fromhex(own), bytes.fromhex(modified))
    except ValueError:
        link = (b"", b"")
    if parent.format not in {None, "vdi"} or [len(part) for part in link] != [16, 16]:
        raise UsageError("the parent of a VDI must be a VDI with its UUIDs")
    return VdiChildWriter(sink, VdiLayout(sink, virtual_size, identity), link)
