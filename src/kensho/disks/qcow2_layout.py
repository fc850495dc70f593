"""The tables of a QCOW2 being written.

Spec: QEMU docs/interop/qcow2.rst, https://www.qemu.org/docs/master/interop/qcow2.html.
Order in the file: header, L1 table, per 512 MiB of disk its clusters and then
their L2 table, refcount blocks, refcount table. The header is written last.
"""

from __future__ import annotations

import array
import dataclasses
from typing import TYPE_CHECKING

from kensho.disks._sectors import Owned
from kensho.disks._structs import qcow2 as s
from kensho.disks._tables import write_table, zero_table
from kensho.model.errors import LimitError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kensho.disks.base import ParentRef
    from kensho.storage.base import ByteSink

_BITS = 16
CLUSTER = 1 << _BITS
_PER_TABLE = CLUSTER // 8
_PER_BLOCK = CLUSTER // 2  # refcounts of 16 bits
_WIDTH = 62 - (_BITS - 8)  # bits of the offset in a compressed cluster descriptor
_MAX_SIZE = 2 << 50  # an L1 table of 32 MiB
_MAX_NAME = 1023  # as the specification
#: What QEMU calls the formats in the names it records.
_FORMAT_NAMES = {"vhd": "vpc"}


@dataclasses.dataclass(frozen=True, slots=True)
class Kind:
    """What the header says besides sizes: version, compression, parent and data file, if any."""

    version: int = 3
    compression: int = s.ZLIB
    parent: ParentRef | None = None
    data_name: str = ""

    def pack(self, size: int, l1_size: int, refcount_at: int, refcount_clusters: int) -> bytes:
        """Return header, extensions and the parent's name; UsageError if that is too long."""
        length = 112 if self.version >= 3 else s.V2_SIZE
        extensions, name = self._extensions()
        incompatible = s.COMPRESSION_TYPE if self.compression != s.ZLIB else 0
        header = s.Header(
            magic=s.MAGIC,
            version=self.version,
            backing_offset=length + len(extensions) if name else 0,
            backing_size=len(name),
            cluster_bits=_BITS,
            size=size,
            crypt_method=0,
            l1_size=l1_size,
            l1_offset=CLUSTER,
            refcount_offset=refcount_at,
            refcount_clusters=refcount_clusters,
            snapshots=0,
            snapshots_offset=0,
            incompatible=incompatible | (s.EXTERNAL_DATA if self.data_name else 0),
            autoclear=s.AUTOCLEAR_RAW_DATA if self.data_name else 0,
            header_length=length,
            compression_type=self.compression,
        )
        packed = header.pack_v3() if self.version >= 3 else header.pack_v2()
        return packed + extensions + name

    def _extensions(self) -> tuple[bytes, bytes]:
        name = b"" if self.parent is None else self.parent.name.encode()
        data = self.data_name.encode()
        if max(len(name), len(data)) > _MAX_NAME or (self.parent is not None and not name):
            raise UsageError("the name of the parent or data file is too long or empty")
        extensions = b""
        if self.parent is not None and self.parent.format:
            kind = _FORMAT_NAMES.get(self.parent.format, self.parent.format)
            extensions += _extension(s.EXTENSION_BACKING_FORMAT, kind.encode())
        if data:
            extensions += _extension(s.EXTENSION_DATA_FILE, data)
        return extensions + s.EXTENSION.pack(s.EXTENSION_END, 0), name


def _extension(kind: int, text: bytes) -> bytes:
    return s.EXTENSION.pack(kind, len(text)) + text + bytes(-len(text) % 8)


PLAIN = Kind()


class Qcow2Layout:
    """Where things go in the file: allocation, L2 tables, refcounts.

    ``size`` is rounded up to sectors. Refcounts are counted only when ``shared``, as
    compressed clusters do; otherwise every cluster is used once. The ``owned`` clusters
    never added are zero and hide the parent's.
    """

    __slots__ = (
        "_counts",
        "_l1",
        "_sink",
        "_table",
        "_table_number",
        "kind",
        "next",
        "owned",
        "size",
    )

    def __init__(
        self, sink: ByteSink, virtual_size: int, kind: Kind = PLAIN, *, shared: bool = False
    ) -> None:
        if not 0 < virtual_size <= _MAX_SIZE:
            raise LimitError(f"a QCOW2 cannot have {virtual_size} bytes", hint="the limit is 2 PiB")
        self.size = -(-virtual_size // 512) * 512
        self.owned = Owned()
        self._sink = sink
        self.kind = kind
        self._l1 = zero_table("Q", -(-self.size // (CLUSTER * _PER_TABLE)))
        self.next = CLUSTER + whole_clusters(8 * len(self._l1))
        self._counts = array.array("H", [1]) * (self.next // CLUSTER) if shared else None
        self._table = zero_table("Q", _PER_TABLE)
        self._table_number = -1

    def is_in_table(self, cluster: int) -> bool:
        """Return whether the entry of ``cluster`` belongs to the current L2 table."""
        return cluster // _PER_TABLE == self._table_number

    def enter(self, cluster: int) -> None:
        """Make the L2 table of ``cluster`` the current one; the one before goes to the file."""
        if not self.is_in_table(cluster):
            self._hide(cluster // _PER_TABLE * _PER_TABLE * CLUSTER)
            self._switch(cluster)

    def by_table(self, offset: int, length: int) -> Iterator[tuple[int, int]]:
        """Yield (first, count) of the clusters of a run, each time after entering their table."""
        first, end = offset // CLUSTER, -(-(offset + length) // CLUSTER)
        while first < end:
            stop = min((first // _PER_TABLE + 1) * _PER_TABLE, end)
            self.enter(first)
            yield first, stop - first
            first = stop

    def add_plain(self, cluster: int, count: int = 1) -> int:
        """Give clusters of the disk, all of one table, whole ones of the file; return the offset."""
        place = self._align()
        self._set(cluster, count, place)
        self._take(count * CLUSTER)
        return place

    def add_external(self, cluster: int, count: int = 1) -> None:
        """Give clusters of the disk, all of one table, the same ones of the data file."""
        self._set(cluster, count, cluster * CLUSTER)

    def _set(self, cluster: int, count: int, place: int) -> None:
        first = place | s.COPIED
        entries = array.array("Q", range(first, first + count * CLUSTER, CLUSTER))
        self._table[cluster % _PER_TABLE : cluster % _PER_TABLE + count] = entries

    def add_packed(self, cluster: int, length: int) -> None:
        """Give ``cluster`` of the disk the next ``length`` bytes of the file."""
        sectors = ((self.next + length - 1) >> 9) - (self.next >> 9)
        self._table[cluster % _PER_TABLE] = s.COMPRESSED | sectors << _WIDTH | self.next
        self._take(length)

    def finish(self) -> None:
        """Write the last L2 table, refcounts, L1 table and at last the header."""
        self._hide(self.size)
        self._end_table()
        self._align()
        refcount_at, clusters = self._write_refcounts()
        self._sink.write_at(CLUSTER, write_table(self._l1, big_endian=True))
        self._sink.write_at(0, self.kind.pack(self.size, len(self._l1), refcount_at, clusters))

    def _switch(self, cluster: int) -> None:
        if not self.is_in_table(cluster):
            self._end_table()
            self._table_number = cluster // _PER_TABLE

    def _hide(self, end: int) -> None:
        """Make what is owned before ``end`` and was not added read as zero."""
        for low, high in self.owned.until(end):
            for cluster in range(low // CLUSTER, -(-high // CLUSTER)):
                self._switch(cluster)
                if self._table[cluster % _PER_TABLE]:
                    continue
                if self.kind.version >= 3:
                    self._table[cluster % _PER_TABLE] = s.L2_ZERO
                else:  # which knows no other way to hide the parent
                    self._sink.truncate(self.add_plain(cluster) + CLUSTER)

    def _end_table(self) -> None:
        if self._table_number < 0:
            return
        place = self._align()
        self._sink.write_at(place, write_table(self._table, big_endian=True))
        self._take(CLUSTER)
        self._l1[self._table_number] = place | s.COPIED
        self._table = zero_table("Q", _PER_TABLE)
        self._table_number = -1

    def _align(self) -> int:
        self.next = whole_clusters(self.next)
        return self.next

    def _take(self, length: int) -> None:
        """Count the clusters that the next ``length`` bytes lie in as used once more."""
        start, self.next = self.next, self.next + length
        if self._counts is not None:
            for cluster in range(start // CLUSTER, (self.next - 1) // CLUSTER + 1):
                if cluster < len(self._counts):
                    self._counts[cluster] += 1
                else:
                    self._counts.append(1)

    def _write_refcounts(self) -> tuple[int, int]:
        """Append refcount blocks and table, which count themselves; return table place and size."""
        used = self.next // CLUSTER
        blocks = table = 0
        while True:
            total = used + blocks + table
            needed = -(-total // _PER_BLOCK)
            if needed == blocks and whole_clusters(8 * needed) // CLUSTER == table:
                break
            blocks, table = needed, whole_clusters(8 * needed) // CLUSTER
        first = self.next
        table_at = first + blocks * CLUSTER
        self._sink.truncate(table_at + table * CLUSTER)
        for block in range(blocks):
            low, high = block * _PER_BLOCK, min((block + 1) * _PER_BLOCK, total)
            counts = array.array("H", [1]) * (high - low)
            if self._counts is not None:
                known = self._counts[low:high]
                counts[: len(known)] = known
            self._sink.write_at(first + block * CLUSTER, write_table(counts, big_endian=True))
        places = array.array("Q", [first + block * CLUSTER for block in range(blocks)])
        self._sink.write_at(table_at, write_table(places, big_endian=True))
        return table_at, table


def whole_clusters(length: int) -> int:
    """Return ``length`` rounded up to whole clusters."""
    return -(-length // CLUSTER) * CLUSTER
