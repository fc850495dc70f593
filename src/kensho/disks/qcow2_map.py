"""Where the clusters of a QCOW2 are: L1 and L2 tables, extended ones too.

Spec: QEMU docs/interop/qcow2.rst, sections "Cluster mapping" and "Extended L2 Entries".
"""

from __future__ import annotations

import array
import dataclasses
from typing import TYPE_CHECKING

from kensho.disks._blocks import HOLE, ZERO, BlockMap
from kensho.disks._structs import qcow2 as s
from kensho.disks._tables import read_table, zero_table
from kensho.model.errors import CorruptError, TruncatedError

if TYPE_CHECKING:
    from kensho.disks.qcow2_header import Qcow2Header
    from kensho.storage.base import ByteSource

#: Locations of compressed clusters are kept as this minus their descriptor of 62 bits.
COMPRESSED = -3

_SUBCLUSTERS = 32


@dataclasses.dataclass(frozen=True, slots=True)
class Active:
    """The state of the disk to show: the current one or a snapshot."""

    size: int
    l1_offset: int
    l1_size: int


def compressed_place(descriptor: int, cluster_bits: int) -> tuple[int, int]:
    """Return (offset, upper bound of the length) of a compressed cluster."""
    width = 62 - (cluster_bits - 8)
    place = descriptor & ((1 << width) - 1)
    sectors = (descriptor >> width) + 1
    return place, sectors * 512 - place % 512


def cluster_map(
    source: ByteSource, info: Qcow2Header, active: Active, data: ByteSource | None
) -> BlockMap:
    """Return the map of clusters, or of subclusters when there are any.

    ``data`` is the external data file, in which all clusters are then.
    """
    bits = info.header.cluster_bits
    tables = -(-active.size // ((1 << bits) * info.per_table))
    l1 = read_table(source.read_at(active.l1_offset, 8 * tables), "Q", big_endian=True)
    used = [entry & s.OFFSET_MASK for entry in l1 if entry & s.OFFSET_MASK]
    if len(set(used)) != len(used):
        raise CorruptError(
            "two L1 entries share a table", path=source.name, offset=active.l1_offset
        )
    loader = _Loader(source, info, active, data, l1)
    file = 0 if data is None else 1
    if info.entry_size == 16:
        per_page, block = info.per_table * _SUBCLUSTERS, (1 << bits) // _SUBCLUSTERS
        return BlockMap(active.size, block, per_page, loader.load_extended, file=file, keep=8)
    return BlockMap(active.size, 1 << bits, info.per_table, loader.load, file=file)


class _Loader:
    """Reads L2 tables; ``load`` by clusters, ``load_extended`` by subclusters."""

    __slots__ = ("_active", "_bits", "_cluster", "_data", "_external", "_info", "_l1", "_source", "_zero_flag")  # fmt: skip

    def __init__(
        self,
        source: ByteSource,
        info: Qcow2Header,
        active: Active,
        data: ByteSource | None,
        l1: array.array[int],
    ) -> None:
        self._source = source
        self._info = info
        self._active = active
        self._data = data or source
        self._external = data is not None
        self._l1 = l1
        self._bits = info.header.cluster_bits
        self._cluster = 1 << self._bits
        self._zero_flag = s.L2_ZERO if info.header.version >= 3 else 0

    def load(self, number: int) -> array.array[int] | None:
        """Return the locations of a table's clusters."""
        found = self._table(number)
        if found is None:
            return None
        table, entries = found
        first = number * self._info.per_table
        out = zero_table("q", len(entries))
        for i, entry in enumerate(entries):
            out[i] = self._located(entry, first + i, table + 8 * i) if entry else HOLE
        return out

    def load_extended(self, number: int) -> array.array[int] | None:
        """Return the locations of a table's subclusters."""
        found = self._table(number)
        if found is None:
            return None
        table, entries = found
        first = number * self._info.per_table
        out: array.array[int] = array.array("q", [HOLE]) * (len(entries) // 2 * _SUBCLUSTERS)
        for i in range(0, len(entries), 2):
            if entries[i] or entries[i + 1]:
                at = i // 2 * _SUBCLUSTERS
                out[at : at + _SUBCLUSTERS] = self._subclusters(
                    entries[i], entries[i + 1], first + i // 2, table + 8 * i
                )
        return out

    def _table(self, number: int) -> tuple[int, array.array[int]] | None:
        """Return a table's place and its numbers of 64 bits, None if it is not there."""
        table = self._l1[number] & s.OFFSET_MASK
        if table == 0:
            return None
        if table % self._cluster:
            raise CorruptError(
                f"L2 table at {table:#x} is not aligned",
                path=self._source.name,
                offset=self._active.l1_offset + 8 * number,
                field="L1 entry",
            )
        per_table = self._info.per_table
        count = min(per_table, -(-self._active.size // self._cluster) - number * per_table)
        raw = self._source.read_at(table, self._info.entry_size * count)
        return table, read_table(raw, "Q", big_endian=True)

    def _subclusters(self, entry: int, bitmap: int, cluster: int, at: int) -> array.array[int]:
        if entry & s.COMPRESSED:
            place = self._located(entry, cluster, at)
            return array.array("q", [place]) * _SUBCLUSTERS
        there, zero = bitmap & 0xFFFF_FFFF, bitmap >> 32
        if there & zero:
            raise self._bad(f"cluster {cluster} has subclusters both stored and zero", at)
        place, size = 0, self._cluster // _SUBCLUSTERS
        if there:
            # The file may end with the last subcluster that was written.
            place = self._located(entry & ~s.L2_ZERO, cluster, at, there.bit_length() * size)
            if place < 0:
                raise self._bad(f"cluster {cluster} has subclusters, but no place", at)
        return array.array(
            "q",
            [
                place + i * size if there >> i & 1 else ZERO if zero >> i & 1 else HOLE
                for i in range(_SUBCLUSTERS)
            ],
        )

    def _located(self, entry: int, cluster: int, at: int, length: int | None = None) -> int:
        """Return where the cluster is; ``length`` bytes of it, all by default, must be there."""
        if entry & s.COMPRESSED:
            descriptor = entry & (s.COMPRESSED - 1)
            place, _ = compressed_place(descriptor, self._bits)
            if self._external or not self._cluster <= place < self._source.size:
                raise self._outside(f"compressed cluster {cluster}", place, at)
            return COMPRESSED - descriptor
        if entry & self._zero_flag:
            return ZERO
        place = entry & s.OFFSET_MASK
        if place == 0 and not (self._external and entry & s.COPIED):
            return HOLE
        if place % self._cluster:
            raise self._bad(f"cluster {cluster} at {place:#x} is not aligned", at)
        needed = min(length or self._cluster, self._active.size - cluster * self._cluster)
        if place + needed > self._data.size:
            raise self._outside(f"cluster {cluster}", place, at)
        return place

    def _bad(self, message: str, at: int) -> CorruptError:
        return CorruptError(message, path=self._source.name, offset=at, field="L2 entry")

    def _outside(self, what: str, place: int, at: int) -> TruncatedError:
        return TruncatedError(
            f"{what} should be at {place:#x}, outside {self._data.name}",
            path=self._source.name,
            offset=at,
            field="L2 entry",
        )
