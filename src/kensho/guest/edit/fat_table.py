"""The table of a FAT file system in memory: which clusters are free, and how the others follow.

Spec: Microsoft FAT32 File System Specification 1.03 (fatgen103).
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from kensho.guest.edit.scratch import Scratch
from kensho.guest.files.fat_layout import Geometry
from kensho.guest.volumes.view import Readable
from kensho.model.errors import CorruptError, LimitError, NoSpaceError

_MAX_TABLE = 64 << 20
_MASK = {12: 0xFFF, 16: 0xFFFF, 32: 0x0FFF_FFFF}
_COUNT_AT, _NEXT_AT = 488, 492  #: in FSInfo: free clusters, where to look for one
_UNKNOWN = 0xFFFF_FFFF
_REPAIR = "run fsck.fat in the guest, or on a copy of its disk, and try again"


@dataclass(slots=True)
class Table:
    """The entries of all clusters, the first two reserved; CorruptError when the copies differ."""

    geometry: Geometry
    entries: array[int]
    name: str
    _changed: bool = False

    @classmethod
    def read(cls, view: Readable, geometry: Geometry) -> Table:
        """Read the first table, and compare the others with it."""
        size = geometry.table_size
        if size > _MAX_TABLE:
            raise LimitError(f"a FAT of {size} bytes is not edited", path=view.name)
        used = -(-(geometry.clusters + 2) * geometry.bits // 8)
        raw = view.read(geometry.table, size)
        for copy in range(1, geometry.tables):
            if view.read(geometry.table + copy * size, used) != raw[:used]:
                raise CorruptError("its tables differ", path=view.name, hint=_REPAIR)
        entries = _unpacked(raw, geometry)
        if len(entries) < geometry.clusters + 2:
            raise CorruptError("its table is too small", path=view.name, offset=22)
        return cls(geometry, entries, view.name)

    def chain(self, first: int) -> list[int]:
        """Return the clusters from ``first`` on; CorruptError for a chain that is none."""
        mask, clusters = _MASK[self.geometry.bits], self.geometry.clusters
        found: list[int] = []
        cluster = first
        while cluster < mask - 7:  # from there on it is the end
            if not 2 <= cluster < clusters + 2 or len(found) > clusters:
                raise CorruptError("a chain of clusters is broken", path=self.name, hint=_REPAIR)
            found.append(cluster)
            cluster = self.entries[cluster] & mask
        return found

    @property
    def free(self) -> int:
        """How many clusters are free."""
        return sum(1 for _ in self._free())

    def _free(self) -> Iterator[int]:
        mask = _MASK[self.geometry.bits]
        return (n for n in range(2, self.geometry.clusters + 2) if not self.entries[n] & mask)

    def allocate(self, count: int) -> list[int]:
        """Take the lowest free clusters and chain them; NoSpaceError when there are too few."""
        found = [n for n, _ in zip(self._free(), range(count), strict=False)]
        if len(found) < count:
            lacking = (count - len(found)) * self.geometry.cluster
            raise NoSpaceError(
                f"the guest's file system {self.name} is full: {lacking} bytes more are needed",
                hint="make room in the guest",
            )
        self.link(found)
        return found

    def link(self, clusters: Sequence[int]) -> None:
        """Chain clusters, the last one being the end."""
        for cluster, following in zip_longest(clusters, clusters[1:], fillvalue=_UNKNOWN):
            self._set(cluster, following)

    def release(self, first: int) -> None:
        """Free a chain."""
        for cluster in self.chain(first):
            self._set(cluster, 0)

    def _set(self, cluster: int, value: int) -> None:
        mask = _MASK[self.geometry.bits]
        self._changed = True
        self.entries[cluster] = self.entries[cluster] & ~mask & _UNKNOWN | value & mask

    def write(self, scratch: Scratch) -> None:
        """Write all copies of the table, and the counts of FAT32, if anything has changed."""
        if not self._changed:
            return
        self._changed = False
        g = self.geometry
        raw = _packed(self.entries, g, scratch.read(g.table, g.table_size))
        for copy in range(g.tables):
            scratch.write_at(g.table + copy * g.table_size, raw)
        if g.information:
            told = scratch.read(g.information, 512)
            if told[:4] == b"RRaA" and told[484:488] == b"rrAa":
                first = next(self._free(), _UNKNOWN)
                counts = self.free.to_bytes(4, "little") + first.to_bytes(4, "little")
                scratch.write_at(g.information + _COUNT_AT, counts)


def _unpacked(raw: bytes, g: Geometry) -> array[int]:
    if g.bits == 12:
        found = array("I")
        for at in range(0, len(raw), 3):
            both = int.from_bytes(raw[at : at + 3], "little")  # the last may be half of a pair
            found.extend((both & 0xFFF, both >> 12))
        return found
    words = array("H" if g.bits == 16 else "I", raw)
    if sys.byteorder == "big":
        words.byteswap()
    return array("I", words)


def _packed(entries: array[int], g: Geometry, old: bytes) -> bytes:
    """Return the table's bytes; what is behind its last entry stays as in ``old``."""
    if g.bits == 12:
        raw = b"".join(
            (entries[n] | entries[n + 1] << 12).to_bytes(3, "little")
            for n in range(0, len(entries) - 1, 2)
        )
    else:
        words = array("H" if g.bits == 16 else "I", entries)
        if sys.byteorder == "big":
            words.byteswap()
        raw = words.tobytes()
    return raw[: len(old)] + old[len(raw) :]
