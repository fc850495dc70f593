"""The L1 and L2 tables of an overlay, changed in memory and written in a safe order.

Spec: QEMU docs/interop/qcow2.rst, "Cluster mapping".

``commit`` makes data and refcounts durable before the L2 entries that refer to them,
and new L2 tables before the L1 entries that refer to these. Between commits the tables
on the disk are those of the last one: after a crash the overlay is as it was then.
"""

from __future__ import annotations

import array
from collections import OrderedDict
from typing import TYPE_CHECKING

from kensho.disks._structs import qcow2 as s
from kensho.disks._tables import read_table, write_table, zero_table
from kensho.model.errors import CorruptError, UnsupportedError

if TYPE_CHECKING:
    from kensho.disks.overlay.file import OverlayFile
    from kensho.disks.overlay.space import Space

_KEPT = 32  # L2 tables in memory


class Tables:
    """L2 entries by table and index. Not locked: the overlay's lock is held."""

    __slots__ = ("_bits", "_cache", "_dirty", "_dirty_l1", "_dropped", "_file", "_l1", "_l1_at",
                 "_space")  # fmt: skip

    def __init__(self, file: OverlayFile, header: s.Header, space: Space) -> None:
        self._file = file
        self._space = space
        self._bits = header.cluster_bits
        self._l1_at = header.l1_offset
        tables = -(-header.size // (self.per_table << self._bits))
        raw = file.source.read_at(self._l1_at, 8 * tables)
        self._l1 = read_table(raw, "Q", big_endian=True)
        used = [entry & s.OFFSET_MASK for entry in self._l1 if entry]
        if len(set(used)) != len(used):
            raise CorruptError("two L1 entries share a table", path=file.name, offset=self._l1_at)
        self._cache: OrderedDict[int, array.array[int]] = OrderedDict()
        self._dirty: set[int] = set()
        self._dirty_l1: set[int] = set()
        self._dropped: array.array[int] = array.array("Q")

    @property
    def per_table(self) -> int:
        """Entries of one table."""
        return 1 << self._bits - 3

    def table(self, number: int) -> array.array[int] | None:
        """Return an L2 table to read from; None when there is none."""
        if number in self._cache:
            self._cache.move_to_end(number)
            return self._cache[number]
        if not self._l1[number]:
            return None
        at = self._l1[number] & s.OFFSET_MASK
        if at % (1 << self._bits) or at + (1 << self._bits) > self._file.size:
            raise CorruptError(
                f"L2 table at {at:#x} is not in the file",
                path=self._file.name,
                offset=self._l1_at + 8 * number,
                field="L1 entry",
            )
        entries = read_table(self._file.read_at(at, 1 << self._bits), "Q", big_endian=True)
        for index, entry in enumerate(entries):
            if entry:
                self._check(entry, at + 8 * index)
        self._keep(number, entries)
        return entries

    def changeable(self, number: int) -> array.array[int]:
        """Return an L2 table to change, made if there is none; it counts as changed from now on.

        The caller changes it before it calls anything else here, as that may commit.
        """
        entries = self.table(number)
        if entries is None or not self._l1[number] & s.COPIED:
            place = self._space.take()
            entries = zero_table("Q", self.per_table) if entries is None else entries
            self._l1[number] = place | s.COPIED
            self._dirty_l1.add(number)
            self._dirty.add(number)  # before a commit in _keep writes the L1 entry
            self._keep(number, entries)
        self._dirty.add(number)
        return entries

    def drop(self, entry: int) -> None:
        """Give up the cluster of an entry that was just replaced, once the disk says so too."""
        if entry & s.COPIED and entry & s.OFFSET_MASK:
            self._dropped.append(entry & s.OFFSET_MASK)

    def commit(self) -> None:
        """Make everything durable; an error leaves it to the next call."""
        self._file.sync()
        if not self._dirty and not self._dirty_l1:
            return
        for number in sorted(self._dirty):
            raw = write_table(self._cache[number], big_endian=True)
            self._file.write_at(self._l1[number] & s.OFFSET_MASK, raw)
        self._file.sync()
        if self._dirty_l1:
            for number in sorted(self._dirty_l1):
                entry = self._l1[number].to_bytes(8, "big")
                self._file.write_at(self._l1_at + 8 * number, entry)
            self._file.sync()
        self._dirty.clear()
        self._dirty_l1.clear()
        self._space.give_up(self._dropped)
        self._dropped = array.array("Q")

    def _keep(self, number: int, entries: array.array[int]) -> None:
        self._cache[number] = entries
        self._cache.move_to_end(number)
        if len(self._cache) <= _KEPT:
            return
        victim = next((n for n in self._cache if n not in self._dirty and n != number), None)
        if victim is None:
            self.commit()
            victim = next(iter(self._cache))
        del self._cache[victim]

    def _check(self, entry: int, at: int) -> None:
        if entry & s.COMPRESSED:
            raise UnsupportedError(
                "the overlay has compressed clusters",
                path=self._file.name,
                offset=at,
                hint="rewrite it with `qemu-img convert -O qcow2 -B BACKING`",
            )
        place = entry & s.OFFSET_MASK
        if place % (1 << self._bits) or place >= self._file.size:
            raise CorruptError(
                f"a cluster at {place:#x} is not in the file",
                path=self._file.name,
                offset=at,
                field="L2 entry",
            )
