"""Write vmfsSparse VMDK: a delta as ESX keeps snapshots on VMFS 5, in ``NAME-delta.vmdk``.

Spec: VMware Virtual Disk Format 1.1, "ESX Server Sparse Extents" (COWD). Order in the data:
header, grain directory, then each grain table in front of its grains. Grains have one
sector, so nothing has to be completed from the parent. There are no zeroed grains: what hides
the parent's data with nothing has room in the file, as a hole.
"""

from __future__ import annotations

import array
from typing import TYPE_CHECKING

from kensho.disks._placing import write_placed
from kensho.disks._sectors import Owned
from kensho.disks._structs import vmdk as s
from kensho.disks._tables import write_table, zero_table
from kensho.disks.vmdk_child import demand_parent
from kensho.disks.vmdk_descriptor import make_descriptor, new_content_id
from kensho.disks.vmdk_split import stem_of
from kensho.model.errors import LimitError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kensho.disks.base import ParentRef, SiblingSink
    from kensho.storage.base import ByteSink

_MAX_SIZE = (2 << 40) - s.SECTOR  # sectors are counted in 32 bits
_TABLE = s.COWD_ENTRIES * s.SECTOR  # bytes of the disk one table is about
_TABLE_SECTORS = s.COWD_ENTRIES * 4 // s.SECTOR
_DIRECTORY_AT = s.COWD_SIZE // s.SECTOR
_ALIGNED = 8  # sectors: data begin at 4 KiB, so that file systems can share them


class VmfsSparseWriter:
    """A vmfsSparse delta being written; see ChildWriter for the protocol."""

    __slots__ = ("_directory", "_main", "_next", "_owned", "_table", "_table_at", "_table_number", "_text",
                 "identity", "sink", "virtual_size")  # fmt: skip

    format = "vmdk"
    subformat = "vmfsSparse"
    granularity = 4096

    def __init__(
        self, main: ByteSink, data: ByteSink, virtual_size: int, text: bytes, cid: str
    ) -> None:
        self._main = main
        self._text = text
        self.sink = data
        self.virtual_size = virtual_size
        self.identity = cid
        self._owned = Owned()
        self._directory = zero_table("I", -(-virtual_size // _TABLE))
        end = _DIRECTORY_AT + -(-4 * len(self._directory) // s.SECTOR)
        self._next = -(-end // _ALIGNED) * _ALIGNED
        self._table = zero_table("I", s.COWD_ENTRIES)
        self._table_at = 0
        self._table_number = -1

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
        """Return the places of the run at the end of the file, one for each table it touches."""
        self._own_until(offset)
        for _ in self._owned.until(offset + length):
            pass  # it is, by having a place
        return self._take(offset, offset + length)

    def finish(self) -> None:
        """Write the last table, the directory and the header, then the descriptor."""
        self._own_until(self.virtual_size)
        self._end_table()
        self.sink.truncate(self._next * s.SECTOR)
        self.sink.write_at(_DIRECTORY_AT * s.SECTOR, write_table(self._directory))
        header = s.CowdHeader(
            magic=s.COWD_MAGIC,
            version=1,
            flags=s.COWD_FLAGS,
            capacity=self.virtual_size // s.SECTOR,
            grain_size=1,
            gd_offset=_DIRECTORY_AT,
            gd_entries=len(self._directory),
            free_sector=self._next,
        )
        self.sink.write_at(0, header.pack())
        self._main.write_at(0, self._text)

    def _own_until(self, end: int) -> None:
        for low, high in self._owned.until(end):
            self._take(low, high)

    def _take(self, start: int, end: int) -> list[tuple[int, int]]:
        """Make a range this disk's own; return where it goes."""
        places = []
        while start < end:
            number, within = divmod(start, _TABLE)
            stop = min((number + 1) * _TABLE, end)
            if number != self._table_number:
                self._begin_table(number)
            first = within // s.SECTOR
            count = -(-(stop - start) // s.SECTOR)
            if self._next + count > 0xFFFF_FFFF:
                raise LimitError("a vmfsSparse VMDK cannot be larger than 2 TiB")
            self._table[first : first + count] = array.array(
                "I", range(self._next, self._next + count)
            )
            places.append((self._next * s.SECTOR, stop - start))
            self._next += count
            start = stop
        return places

    def _begin_table(self, number: int) -> None:
        self._end_table()
        self._next = -(-self._next // _ALIGNED) * _ALIGNED
        self._directory[number] = self._table_at = self._next
        self._table_number = number
        self._next += _TABLE_SECTORS

    def _end_table(self) -> None:
        if self._table_number >= 0:
            self.sink.write_at(self._table_at * s.SECTOR, write_table(self._table))
            self._table = zero_table("I", s.COWD_ENTRIES)


def create_vmfs_sparse(
    sink: ByteSink,
    virtual_size: int,
    parent: ParentRef,
    sibling_sink: SiblingSink,
    name: str,
    *,
    identity: bytes | None = None,
) -> VmfsSparseWriter:
    """Begin a vmfsSparse delta; UsageError unless ``parent.identity`` is the content id of a VMDK."""
    if not 0 < virtual_size <= _MAX_SIZE:
        raise LimitError(
            f"a vmfsSparse VMDK cannot have {virtual_size} bytes", hint="the limit is 2 TiB"
        )
    demand_parent(parent)
    sectors = -(-virtual_size // s.SECTOR)
    data = f"{stem_of(name)}-delta.vmdk"
    cid = new_content_id(identity)
    line = f'RW {sectors} VMFSSPARSE "{data}"'
    text = make_descriptor(sectors, "vmfsSparse", cid, identity, [line], parent)
    return VmfsSparseWriter(sink, sibling_sink(data), sectors * s.SECTOR, text, cid)
