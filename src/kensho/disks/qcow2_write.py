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


class Qcow2Writer:
    """A QCOW2 being written; see DiskWriter for the protocol.

    ``_counts`` holds one refcount per cluster of the file and is kept only when
    compressed clusters share them; otherwise every cluster is used once.
    """

    __slots__ = ("_compress", "_counts", "_l1", "_next", "_sink", "_table", "_table_number",
                 "subformat", "virtual_size")  # fmt: skip

    format = "qcow2"
    granularity = CLUSTER

    def __init__(self, sink: ByteSink, virtual_size: int, compression: str | None) -> None:
        self.virtual_size = -(-virtual_size // 512) * 512
        self.subformat = "compressed" if compression else "uncompressed"
        self._sink = sink
        self._compress = window_4k_compressor(compression) if compression else None
        self._l1 = zero_table("Q", -(-self.virtual_size // (CLUSTER * _PER_TABLE)))
        self._next = CLUSTER + _whole(8 * len(self._l1))
        self._counts = array.array("H", [1]) * (self._next // CLUSTER) if compression else None
        self._table = zero_table("Q", _PER_TABLE)
        self._table_number = -1

    def encode(self, offset: int, data: memoryview) -> tuple[int, memoryview, list[bytes | None]]:
        """Deflate each cluster; None stands for one that does not get smaller."""
        if self._compress is None:
            return offset, data, []
        packed: list[bytes | None] = []
        for at in range(0, len(data), CLUSTER):
            cluster = data[at : at + CLUSTER]
            if len(cluster) < CLUSTER:
                cluster = memoryview(bytes(cluster) + ZEROS[: CLUSTER - len(cluster)])
            small = bytes(self._compress(cluster))
            packed.append(small if len(small) < CLUSTER - 512 else None)
        return offset, data, packed

    def commit(self, encoded: tuple[int, memoryview, list[bytes | None]]) -> None:
        """Append the run's clusters to the file."""
        offset, data, packed = encoded
        if packed:
            self._commit_compressed(offset, data, packed)
            return
        first = offset // CLUSTER
        start = -1
        for number in range(first, first + -(-len(data) // CLUSTER)):
            self._enter_table(number // _PER_TABLE)
            if start < 0:
                start = self._next
            self._table[number % _PER_TABLE] = self._next | s.COPIED
            self._next += CLUSTER
            if (number + 1) % _PER_TABLE == 0 or (number + 1) * CLUSTER >= offset + len(data):
                done = (number + 1) * CLUSTER - offset
                self._sink.write_at(start, data[:done])
                data = data[done:]
                offset += done
                start = -1

    def _commit_compressed(self, offset: int, data: memoryview, packed: list[bytes | None]) -> None:
        ready: list[bytes] = []
        begin = self._next
        for index, small in enumerate(packed):
            number = offset // CLUSTER + index
            if small is None or number // _PER_TABLE != self._table_number:
                self._sink.write_at(begin, b"".join(ready))
                ready = []
                self._enter_table(number // _PER_TABLE)
                begin = self._next
            if small is None:
                place = self._align()
                self._sink.write_at(place, data[index * CLUSTER : (index + 1) * CLUSTER])
                self._table[number % _PER_TABLE] = place | s.COPIED
                self._take(CLUSTER)
                begin = self._next
                continue
            end = self._next + len(small)
            sectors = ((end - 1) >> 9) - (self._next >> 9)
            self._table[number % _PER_TABLE] = s.COMPRESSED | sectors << _WIDTH | self._next
            self._take(len(small))
            ready.append(small)
        self._sink.write_at(begin, b"".join(ready))

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
            size=self.virtual_size,
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

    def _enter_table(self, number: int) -> None:
        if number != self._table_number:
            self._end_table()
            self._table_number = number

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
        self._next = _whole(self._next)
        return self._next

    def _take(self, length: int) -> None:
        """Count the clusters that the next ``length`` bytes lie in as used once more."""
        start, self._next = self._next, self._next + length
        if self._counts is not None:
            for cluster in range(start // CLUSTER, (self._next - 1) // CLUSTER + 1):
                if cluster < len(self._counts):
                    self._counts[cluster] += 1
                else:
                    self._counts.append(1)

    def _write_refcounts(self) -> tuple[int, int]:
        """Append refcount blocks and table, which count themselves; return table place and size."""
        used = self._next // CLUSTER
        blocks = table = 0
        while True:
            total = used + blocks + table
            needed = -(-total // _PER_BLOCK)
            if needed == blocks and _whole(8 * needed) // CLUSTER == table:
                break
            blocks, table = needed, _whole(8 * needed) // CLUSTER
        first = self._next
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


def create_qcow2(
    sink: ByteSink,
    virtual_size: int,
    *,
    compression: str = "fast",  # noqa: ARG001 - this one does not compress
    identity: bytes | None = None,  # noqa: ARG001 - QCOW2 has no identifiers
) -> Qcow2Writer:
    """Begin an uncompressed QCOW2; the size is rounded up to whole sectors."""
    _check(virtual_size)
    return Qcow2Writer(sink, virtual_size, None)


def create_qcow2_compressed(
    sink: ByteSink,
    virtual_size: int,
    *,
    compression: str = "fast",
    identity: bytes | None = None,  # noqa: ARG001
) -> Qcow2Writer:
    """Begin a QCOW2 whose clusters are deflated, within the 4 KiB window strict readers need."""
    _check(virtual_size)
    return Qcow2Writer(sink, virtual_size, compression)


def _check(virtual_size: int) -> None:
    if not 0 < virtual_size <= _MAX_SIZE:
        raise LimitError(f"a QCOW2 cannot have {virtual_size} bytes", hint="the limit is 2 PiB")


def _whole(length: int) -> int:
    return -(-length // CLUSTER) * CLUSTER
