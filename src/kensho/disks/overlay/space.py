"""Which clusters of an overlay's file are free, and the refcounts that say so.

Spec: QEMU docs/interop/qcow2.rst, "Host cluster management". Refcounts have 16 bits.

A cluster gets its refcount of one before anything refers to it and loses it after
nothing does: a crash can leave clusters that nobody uses, never one used twice.
Clusters are taken from the end of the file, and from those given up since it was opened.
"""

from __future__ import annotations

import array
from typing import TYPE_CHECKING

from kensho.disks._structs import qcow2 as s
from kensho.disks._tables import read_table, write_table
from kensho.model.errors import CorruptError, NoSpaceError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kensho.disks.overlay.file import OverlayFile

_AHEAD = 64  # clusters that get their refcount at one time


class Space:
    """Takes and gives up clusters; places are byte offsets in the file.

    Not locked: the overlay calls it with its own lock held.
    """

    __slots__ = ("_bits", "_counted", "_file", "_free", "_next", "_table", "_table_at")

    def __init__(self, file: OverlayFile, header: s.Header) -> None:
        self._file = file
        self._bits = header.cluster_bits
        self._table_at = header.refcount_offset
        length = header.refcount_clusters << self._bits
        if self._table_at % (1 << self._bits) or self._table_at + length > file.size:
            raise CorruptError(
                "the refcount table lies outside the file",
                path=file.name,
                field="refcount_table_offset",
            )
        self._table = read_table(file.read_at(self._table_at, length), "Q", big_endian=True)
        # All up to the end of the file count as used. Those in [_next, _counted) have a
        # refcount and no user, those in _free as well.
        self._next = self._counted = -(-file.size >> self._bits)
        self._free: array.array[int] = array.array("Q")

    def take(self) -> int:
        """Return the place of a cluster for the caller alone; NoSpaceError when there is none."""
        if self._free:
            return self._free.pop() << self._bits
        while self._next == self._counted:
            self._count_ahead()
        self._next += 1
        return self._next - 1 << self._bits

    def give_up(self, places: Iterable[int]) -> None:
        """Take back clusters that nothing on the disk refers to any more."""
        self._free.extend(place >> self._bits for place in places)

    def release(self) -> None:
        """Give all that is unused its refcount of zero, before the file is closed."""
        unused = sorted([*self._free, *range(self._next, self._counted)])
        begin = 0
        for at in range(1, len(unused) + 1):
            if at == len(unused) or unused[at] != unused[at - 1] + 1 or self._starts(unused[at]):
                self._set(unused[begin], at - begin, 0)
                begin = at
        end = self._next
        while unused and unused[-1] >= end - 1:
            end = min(end, unused.pop())
        self._free = array.array("Q")
        self._file.truncate(end << self._bits)
        self._next = self._counted = end

    @property
    def _per_block(self) -> int:
        return 1 << self._bits - 1

    def _starts(self, cluster: int) -> bool:
        return cluster % self._per_block == 0

    def _set(self, first: int, count: int, value: int) -> None:
        """Write the refcounts of clusters that are all in one refcount block."""
        index, within = divmod(first, self._per_block)
        values = write_table(array.array("H", [value]) * count, big_endian=True)
        self._file.write_at(self._block(index) + 2 * within, values)

    def _block(self, index: int) -> int:
        place = self._table[index] & ~0x1FF
        if place % (1 << self._bits) or not 0 < place < self._file.size:
            raise CorruptError(
                f"refcount block {index} at {place:#x} is not in the file",
                path=self._file.name,
                offset=self._table_at + 8 * index,
                field="refcount table",
            )
        return place

    def _count_ahead(self) -> None:
        """Give the next clusters their refcount, as far as they are in one refcount block."""
        index, within = divmod(self._next, self._per_block)
        if index >= len(self._table):
            raise NoSpaceError(
                "the overlay's refcount table is full",
                path=self._file.name,
                hint="make a new overlay on top of this one",
            )
        if self._table[index] == 0:
            self._add_block(index)
            return
        count = min(_AHEAD, self._per_block - within)
        known = self._file.read_at(self._block(index) + 2 * within, 2 * count)
        used = len(known.rstrip(b"\0")) + 1 >> 1
        if used:  # counted behind the end of the file, by whomever: not ours
            self._next = self._counted = self._next + used
            return
        self._file.truncate(self._next + count << self._bits)
        self._set(self._next, count, 1)
        self._counted = self._next + count

    def _add_block(self, index: int) -> None:
        """Make the next cluster the refcount block that counts itself and those behind it."""
        place = self._next << self._bits
        counts = array.array("H", bytes(1 << self._bits))
        counts[self._next % self._per_block] = 1
        self._file.truncate(place + (1 << self._bits))
        self._file.write_at(place, write_table(counts, big_endian=True))
        self._file.sync()
        self._file.write_at(self._table_at + 8 * index, place.to_bytes(8, "big"))
        self._table[index] = place
        self._next = self._counted = self._next + 1
