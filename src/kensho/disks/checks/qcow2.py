"""Check QCOW2: every cluster of the file is used as often as its refcount says.

Spec: QEMU docs/interop/qcow2.rst, "Host cluster management", "Snapshots".
"""

from __future__ import annotations

import array
import struct
from typing import TYPE_CHECKING

from kensho.disks._structs import qcow2 as s
from kensho.disks._tables import read_table
from kensho.disks.checks.common import Fault, Grade

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kensho.disks.base import DiskReader
    from kensho.storage.base import ByteSource

_MOST_CLUSTERS = 1 << 26  # of the file: 128 MiB of counters
_SNAPSHOT = struct.Struct(">QIHHIIQII")
_MAX_SNAPSHOTS = 65536
_MOST_ENTRIES = 1 << 27  # of L1 and L2 tables, each as often as a snapshot has it
_MAX_REFCOUNT_TABLE = 8 << 20  # bytes, as QEMU
_TYPECODES = {3: "B", 4: "H", 5: "I", 6: "Q"}
_PLACE = s.OFFSET_MASK


def check(source: ByteSource, layer: DiskReader) -> Iterator[Fault]:  # noqa: ARG001
    """Yield the faults of a QCOW2 that could be opened."""
    raw = source.read_at(0, min(s.V3_SIZE + 8, source.size))
    header = s.unpack_header(raw)
    clusters = -(-source.size >> header.cluster_bits) + 1
    if clusters > _MOST_CLUSTERS:
        yield Fault(Grade.UNCHECKED, "refcounts: the file is too large", source.name)
        return
    if header.incompatible & s.DIRTY:
        yield Fault(
            Grade.HARMLESS, "not closed cleanly: refcounts may be off", source.name, 72, "dirty"
        )
    walk = _Walk(source, header, clusters)
    yield from walk.tables()
    if walk.left >= 0:  # else not all uses are known
        yield from walk.compare()


class _Walk:
    """Counts uses of the clusters of the file, and remembers what was marked as used once."""

    def __init__(self, source: ByteSource, header: s.Header, clusters: int) -> None:
        self.source = source
        self.header = header
        self.cluster = 1 << header.cluster_bits
        self.used = array.array("H", bytes(2 * clusters))
        self.copied = bytearray(clusters)  # 1: an entry says so, 2: an entry does not
        self.left = _MOST_ENTRIES
        self.wide = 2 if header.incompatible & s.EXTENDED_L2 else 1
        self.external = bool(header.incompatible & s.EXTERNAL_DATA)

    def fault(self, grade: Grade, message: str, offset: int, field: str = "") -> Fault:
        return Fault(grade, message, self.source.name, offset, field)

    def tables(self) -> Iterator[Fault]:
        """Walk everything the header leads to."""
        header = self.header
        yield from self.use(0, self.cluster, "the header", 0)
        size = header.refcount_clusters * self.cluster
        yield from self.use(header.refcount_offset, size, "the refcount table", 48)
        for at, place in self.refcount_blocks():
            yield from self.use(place, self.cluster, "a refcount block", at)
        yield from self.l1(header.l1_offset, header.l1_size, "the L1 table", 40, active=True)
        yield from self.snapshots()

    def use(self, start: int, length: int, what: str, at: int) -> Iterator[Fault]:
        """Count a use; ``at`` is where the file says so."""
        bits, used = self.header.cluster_bits, self.used
        for number in range(start >> bits, (start + length - 1 >> bits) + 1 if length else 0):
            if number >= len(used):
                yield self.fault(Grade.CORRUPT, f"{what} is behind the end of the file", at)
                return
            if used[number] < 0xFFFF:
                used[number] += 1

    def refcount_blocks(self) -> Iterator[tuple[int, int]]:
        """Yield (where the entry is, offset of the block) of those that are there."""
        at = self.header.refcount_offset
        size = min(self.header.refcount_clusters * self.cluster, max(0, self.source.size - at))
        size = min(size, _MAX_REFCOUNT_TABLE)
        table = read_table(self.source.read_at(at, size // 8 * 8), "Q", big_endian=True)
        for i, entry in enumerate(table):
            if entry & ~0x1FF:
                yield at + 8 * i, entry & ~0x1FF

    def l1(self, offset: int, entries: int, what: str, at: int, *, active: bool) -> Iterator[Fault]:
        yield from self.use(offset, 8 * entries, what, at)
        self.left -= entries  # many snapshots may share one large table
        if offset + 8 * entries > self.source.size or self.left < 0:
            return
        table = read_table(self.source.read_at(offset, 8 * entries), "Q", big_endian=True)
        for i, entry in enumerate(table):
            place = entry & _PLACE
            if place == 0 or self.left < 0:
                continue
            yield from self.use(place, self.cluster, "an L2 table", offset + 8 * i)
            if active:
                self.note(place, entry)
            if place % self.cluster or place + self.cluster > self.source.size:
                yield self.fault(
                    Grade.CORRUPT, f"L2 table at {place:#x}", offset + 8 * i, "L1 entry"
                )
                continue
            yield from self.l2(place, active=active)

    def l2(self, offset: int, *, active: bool) -> Iterator[Fault]:
        self.left -= self.cluster // 8
        if self.left < 0:
            yield self.fault(Grade.UNCHECKED, "more tables than can be looked at", offset)
            return
        raw = self.source.read_at(offset, self.cluster)
        entries = read_table(raw, "Q", big_endian=True)[:: self.wide]
        width = 62 - (self.header.cluster_bits - 8)
        for i, entry in enumerate(entries):
            if entry == 0:
                continue
            at = offset + 8 * self.wide * i
            if entry & s.COMPRESSED:
                place = entry & ((1 << width) - 1)
                sectors = ((entry & (s.COMPRESSED - 1)) >> width) + 1
                length = min(sectors * 512 - place % 512, self.source.size - place)
                yield from self.use(place, max(length, 1), "a compressed cluster", at)
                if entry & s.COPIED:
                    yield self.fault(Grade.CORRUPT, "compressed and marked as copied", at)
                continue
            place = entry & _PLACE
            if place == 0 or self.external:
                continue
            if place % self.cluster:
                yield self.fault(Grade.CORRUPT, f"cluster at {place:#x} is not aligned", at)
                continue
            yield from self.use(place, self.cluster, "a cluster", at)
            if active:
                self.note(place, entry)

    def note(self, place: int, entry: int) -> None:
        number = place >> self.header.cluster_bits
        if number < len(self.copied):
            self.copied[number] |= 1 if entry & s.COPIED else 2

    def snapshots(self) -> Iterator[Fault]:
        at = start = self.header.snapshots_offset
        for _ in range(min(self.header.snapshots, _MAX_SNAPSHOTS)):
            if at + _SNAPSHOT.size > self.source.size:
                yield self.fault(Grade.CORRUPT, "the snapshot table is cut off", at)
                break
            fields = _SNAPSHOT.unpack(self.source.read_at(at, _SNAPSHOT.size))
            yield from self.l1(fields[0], min(fields[1], 1 << 22), "a snapshot's L1 table", at,
                               active=False)  # fmt: skip
            if self.left < 0:
                yield self.fault(Grade.UNCHECKED, "more tables than can be looked at", at)
                return
            size = _SNAPSHOT.size + fields[8] + fields[2] + fields[3]
            at += -(-size // 8) * 8
        yield from self.use(start, at - start, "the snapshot table", 60)

    def compare(self) -> Iterator[Fault]:
        """Compare what was counted with the refcounts in the file."""
        order = self.header.refcount_order
        if not 0 <= order <= 6:
            yield self.fault(Grade.CORRUPT, f"refcounts of 2^{order} bits", 96, "refcount_order")
            return
        has_bitmaps = bool(self.header.autoclear & 1)
        per_block = self.cluster * 8 >> order
        known = bytearray(len(self.used))
        table_at = self.header.refcount_offset
        for at, place in self.refcount_blocks():
            if place % self.cluster or place + self.cluster > self.source.size:
                yield self.fault(Grade.CORRUPT, f"refcount block at {place:#x}", at)
                continue
            first = (at - table_at) // 8 * per_block
            if first >= len(self.used):
                yield self.fault(
                    Grade.HARMLESS, "refcounts for clusters behind the end of the file", at
                )
                continue
            for i, count in enumerate(_counts(self.source.read_at(place, self.cluster), order)):
                number = first + i
                if number >= len(self.used):
                    break
                known[number] = 1
                yield from self.one(number, count, place + (i << order) // 8, has_bitmaps)
        for number, used in enumerate(self.used):
            if used and not known[number]:
                message = f"cluster {number:#x} is used and has no refcount"
                yield self.fault(self.wrong, message, number * self.cluster)

    @property
    def wrong(self) -> Grade:
        """How bad a refcount that is too low is: with lazy refcounts it is to be expected."""
        return Grade.HARMLESS if self.header.incompatible & s.DIRTY else Grade.CORRUPT

    def one(self, number: int, count: int, at: int, has_bitmaps: bool) -> Iterator[Fault]:  # noqa: FBT001
        used = self.used[number]
        if count < used:
            message = f"cluster {number:#x} is used {used} times, its refcount is {count}"
            yield self.fault(self.wrong, message, at, "refcount")
        elif count > used and used < 0xFFFF and not has_bitmaps:
            message = f"cluster {number:#x} is leaked: used {used} times, refcount {count}"
            yield self.fault(Grade.HARMLESS, message, at, "refcount")
        if self.copied[number] & 1 and count != 1:
            message = f"cluster {number:#x} is marked as used once, its refcount is {count}"
            yield self.fault(self.wrong, message, at, "QCOW_OFLAG_COPIED")
        elif self.copied[number] & 2 and count == 1:
            message = f"cluster {number:#x} is used once and not marked so"
            yield self.fault(Grade.HARMLESS, message, at, "QCOW_OFLAG_COPIED")


def _counts(raw: bytes, order: int) -> Iterator[int] | array.array[int]:
    if order >= 3:
        return read_table(raw, _TYPECODES[order], big_endian=True)
    width = 1 << order
    mask = (1 << width) - 1
    return (byte >> shift & mask for byte in raw for shift in range(0, 8, width))
