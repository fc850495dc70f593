"""Write QCOW2 version 3, plain or compressed with deflate.

Spec: QEMU docs/interop/qcow2.rst, https://www.qemu.org/docs/master/interop/qcow2.html.
Order in the file: header, L1 table, per 512 MiB of disk its clusters and then
their L2 table, refcount blocks, refcount table. The header is written last.
"""

from __future__ import annotations

import array
from typing import TYPE_CHECKING

from kensho.disks._blocks import ZEROS
from kensho.disks._codec import window_4k_compressor
from kensho.disks._placing import write_placed
from kensho.disks._structs import qcow2 as s
from kensho.disks._tables import write_table, zero_table
from kensho.model.errors import LimitError

if TYPE_CHECKING:
    from kensho.storage.base import ByteSink

_BITS = 16
CLUSTER = 1 << _BITS
_PER_TABLE = CLUSTER // 8
_PER_BLOCK = CLUSTER // 2  # refcounts of 16 bits
_WIDTH = 62 - (_BITS - 8)  # bits of the offset in a compressed cluster descriptor
_MAX_SIZE = 2 << 50  # an L1 table of 32 MiB


class Qcow2Layout:
    """Where things go in the file: allocation, L2 tables, refcounts.

    ``counts`` holds one refcount per cluster of the file and is kept only when
    compressed clusters share them; otherwise every cluster is used once.
    """

    __slots__ = ("_counts", "_l1", "_sink", "_size", "_table", "_table_number", "next")

    def __init__(self, sink: ByteSink, size: int, *, shared: bool) -> None:
        self._sink = sink
        self._size = size
        self._l1 = zero_table("Q", -(-size // (CLUSTER * _PER_TABLE)))
        self.next = CLUSTER + _whole(8 * len(self._l1))
        self._counts = array.array("H", [1]) * (self.next // CLUSTER) if shared else None
        self._table = zero_table("Q", _PER_TABLE)
        self._table_number = -1

    def is_in_table(self, cluster: int) -> bool:
        """Return whether the entry of ``cluster`` belongs to the current L2 table."""
        return cluster // _PER_TABLE == self._table_number

    def enter(self, cluster: int) -> None:
        """Make the L2 table of ``cluster`` the current one; the one before goes to the file."""
        if not self.is_in_table(cluster):
            self._end_table()
            self._table_number = cluster // _PER_TABLE

    def add_plain(self, cluster: int) -> int:
        """Give ``cluster`` of the disk a whole cluster of the file; return its offset."""
        place = self._align()
        self._table[cluster % _PER_TABLE] = place | s.COPIED
        self._take(CLUSTER)
        return place

    def add_packed(self, cluster: int, length: int) -> None:
        """Give ``cluster`` of the disk the next ``length`` bytes of the file."""
        sectors = ((self.next + length - 1) >> 9) - (self.next >> 9)
        self._table[cluster % _PER_TABLE] = s.COMPRESSED | sectors << _WIDTH | self.next
        self._take(length)

    def finish(self) -> None:
        """Write the last L2 table, refcounts, L1 table and at last the header."""
        self._end_table()
        self._align()
        refcount_at, clusters = self._write_refcounts()
        self._sink.write_at(CLUSTER, write_table(self._l1, big_endian=True))
        header = s.Header(
            magic=s.MAGIC,
            version=3,
            backing_offset=0,
            backing_size=0,
            cluster_bits=_BITS,
            size=self._size,
            crypt_method=0,
            l1_size=len(self._l1),
            l1_offset=CLUSTER,
            refcount_offset=refcount_at,
            refcount_clusters=clusters,
            snapshots=0,
            snapshots_offset=0,
            header_length=112,
        )
        self._sink.write_at(0, header.pack_v3())

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
        self.next = _whole(self.next)
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
            if needed == blocks and _whole(8 * needed) // CLUSTER == table:
                break
            blocks, table = needed, _whole(8 * needed) // CLUSTER
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


class Qcow2Writer:
    """An uncompressed QCOW2 being written; see PlacingWriter for the protocol."""

    __slots__ = ("_layout", "sink", "virtual_size")

    format = "qcow2"
    subformat = "uncompressed"
    granularity = CLUSTER

    def __init__(self, sink: ByteSink, virtual_size: int) -> None:
        self.virtual_size = -(-virtual_size // 512) * 512
        self.sink = sink
        self._layout = Qcow2Layout(sink, self.virtual_size, shared=False)

    def encode(self, offset: int, data: memoryview) -> tuple[int, memoryview]:
        """Pass the run on as it is."""
        return offset, data

    def commit(self, encoded: tuple[int, memoryview]) -> None:
        """Write the run in its place."""
        write_placed(self, *encoded)

    def place(self, offset: int, length: int) -> list[tuple[int, int]]:
        """Return where at the end of the file the run's clusters go."""
        places: list[tuple[int, int]] = []
        end = offset + length
        for cluster in range(offset // CLUSTER, -(-end // CLUSTER)):
            self._layout.enter(cluster)
            at = self._layout.add_plain(cluster)
            size = min(CLUSTER, end - cluster * CLUSTER)
            if places and places[-1][0] + places[-1][1] == at:
                places[-1] = (places[-1][0], places[-1][1] + size)
            else:
                places.append((at, size))
        return places

    def finish(self) -> None:
        """Write tables and header."""
        self._layout.finish()


class Qcow2CompressedWriter:
    """A QCOW2 of deflated clusters being written; see DiskWriter for the protocol."""

    __slots__ = ("_compress", "_layout", "_sink", "virtual_size")

    format = "qcow2"
    subformat = "compressed"
    granularity = CLUSTER

    def __init__(self, sink: ByteSink, virtual_size: int, compression: str) -> None:
        self.virtual_size = -(-virtual_size // 512) * 512
        self._sink = sink
        self._compress = window_4k_compressor(compression)
        self._layout = Qcow2Layout(sink, self.virtual_size, shared=True)

    def encode(self, offset: int, data: memoryview) -> tuple[int, memoryview, list[bytes | None]]:
        """Deflate each cluster; None stands for one that does not get smaller."""
        packed: list[bytes | None] = []
        for at in range(0, len(data), CLUSTER):
            cluster = data[at : at + CLUSTER]
            if len(cluster) < CLUSTER:
                cluster = memoryview(bytes(cluster) + ZEROS[: CLUSTER - len(cluster)])
            small = bytes(self._compress(cluster))
            packed.append(small if len(small) < CLUSTER - 512 else None)
        return offset, data, packed

    def commit(self, encoded: tuple[int, memoryview, list[bytes | None]]) -> None:
        """Append the run's clusters to the file, neighbours in one write."""
        offset, data, packed = encoded
        layout = self._layout
        ready: list[bytes] = []
        begin = layout.next
        for index, small in enumerate(packed):
            cluster = offset // CLUSTER + index
            if small is None or not layout.is_in_table(cluster):
                self._sink.write_at(begin, b"".join(ready))
                ready = []
                layout.enter(cluster)
            if small is None:
                at = layout.add_plain(cluster)
                self._sink.write_at(at, data[index * CLUSTER : (index + 1) * CLUSTER])
                continue
            if not ready:
                begin = layout.next
            layout.add_packed(cluster, len(small))
            ready.append(small)
        self._sink.write_at(begin, b"".join(ready))

    def finish(self) -> None:
        """Write tables and header."""
        self._layout.finish()


def create_qcow2(
    sink: ByteSink,
    virtual_size: int,
    *,
    compression: str = "fast",  # noqa: ARG001 - this one does not compress
    identity: bytes | None = None,  # noqa: ARG001 - QCOW2 has no identifiers
) -> Qcow2Writer:
    """Begin an uncompressed QCOW2; the size is rounded up to whole sectors."""
    _check(virtual_size)
    return Qcow2Writer(sink, virtual_size)


def create_qcow2_compressed(
    sink: ByteSink,
    virtual_size: int,
    *,
    compression: str = "fast",
    identity: bytes | None = None,  # noqa: ARG001
) -> Qcow2CompressedWriter:
    """Begin a QCOW2 whose clusters are deflated, within the 4 KiB window strict readers need."""
    _check(virtual_size)
    return Qcow2CompressedWriter(sink, virtual_size, compression)


def _check(virtual_size: int) -> None:
    if not 0 < virtual_size <= _MAX_SIZE:
        raise LimitError(f"a QCOW2 cannot have {virtual_size} bytes", hint="the limit is 2 PiB")


def _whole(length: int) -> int:
    return -(-length // CLUSTER) * CLUSTER
