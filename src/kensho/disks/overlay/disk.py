"""A QCOW2 overlay that can be read and written at random, on top of any open disk.

Spec: QEMU docs/interop/qcow2.rst, https://www.qemu.org/docs/master/interop/qcow2.html.

Bytes that were never written come from the disk below. A cluster of which only a part
is written is completed from there first. What was written before the last ``flush``
survives a crash of the program or the machine; what came after may be gone, and may
leave clusters that nobody uses, which ``qemu-img check -r leaks`` frees.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from kensho.disks._blocks import ZEROS, check_disk_range, fill_zero
from kensho.disks._structs import qcow2 as s
from kensho.disks.overlay.space import Space
from kensho.disks.overlay.tables import Tables
from kensho.model.extent import Extent, Kind, coalesce

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kensho.disks.base import DiskReader, ParentRef
    from kensho.disks.overlay.file import OverlayFile
    from kensho.model.finding import Finding
    from kensho.storage.base import ByteSource, ReadBuffer, WriteBuffer

_AT_ONCE = 1 << 20  # bytes written or zeroed with the lock held


class OverlayDisk:
    """An overlay and the disk below it; fits ``DiskReader`` and can be written."""

    __slots__ = ("_below", "_bits", "_file", "_lock", "_open", "_space", "_tables", "details",
                 "parent", "virtual_size", "warnings")  # fmt: skip

    format = "qcow2"
    subformat = "overlay"
    #: Clusters move as they are written: nothing lies anywhere for good.
    sources: tuple[ByteSource, ...] = ()

    def __init__(
        self, file: OverlayFile, header: s.Header, parent: ParentRef | None, below: DiskReader
    ) -> None:
        self._file = file
        self._below = below
        self._bits = header.cluster_bits
        self._lock = threading.Lock()
        self._open = True
        self._space = Space(file, header)
        self._tables = Tables(file, header, self._space)
        self.virtual_size = header.size
        self.parent = parent
        self.details: Mapping[str, str | int] = {"cluster_bytes": 1 << self._bits}
        self.warnings: tuple[Finding, ...] = below.warnings

    # -- reading ------------------------------------------------------------------------------

    def extents(self, start: int = 0, end: int | None = None) -> Iterator[Extent]:
        """Yield coalesced extents of the range, holes filled from the disk below."""
        end = self.virtual_size if end is None else min(end, self.virtual_size)
        return coalesce(self._all_extents(start, end))

    def read_into(self, offset: int, buffer: WriteBuffer) -> None:
        """Fill ``buffer`` from ``offset``."""
        view = memoryview(buffer)
        check_disk_range(self._file.name, self.virtual_size, offset, len(view))
        below = []
        with self._lock:
            for start, length, entry in self._runs(offset, offset + len(view)):
                part = view[start - offset : start - offset + length]
                if entry & s.L2_ZERO:
                    fill_zero(part)
                elif entry:
                    at = (entry & s.OFFSET_MASK) + start % (1 << self._bits)
                    self._file.read_into(at, part)
                else:
                    below.append((start, part))
        # Without the lock: the disk below does not change, and unpacking it takes time.
        for start, part in below:
            self._read_below(start, part)

    def _read_below(self, offset: int, view: memoryview) -> None:
        inside = max(0, min(self._below.virtual_size - offset, len(view)))
        if inside:
            self._below.read_into(offset, view[:inside])
        fill_zero(view[inside:])

    def _all_extents(self, start: int, end: int) -> Iterator[Extent]:
        for own in coalesce(self._own_extents(start, end)):
            if own.kind is not Kind.HOLE:
                yield own
                continue
            seen = min(max(self._below.virtual_size, own.start), own.end)
            if seen > own.start:
                for part in self._below.extents(own.start, seen):
                    yield Extent(part.start, part.length, part.kind)
            if seen < own.end:  # the disk below is shorter
                yield Extent(seen, own.end - seen, Kind.HOLE)

    def _own_extents(self, start: int, end: int) -> Iterator[Extent]:
        step = self._tables.per_table << self._bits
        while start < end:
            stop = min(start // step * step + step, end)
            with self._lock:
                runs = list(self._runs(start, stop))
            for at, length, entry in runs:
                kind = Kind.HOLE if not entry else Kind.ZERO if entry & s.L2_ZERO else Kind.DATA
                yield Extent(at, length, kind)
            start = stop

    def _runs(self, start: int, end: int) -> Iterator[tuple[int, int, int]]:
        """Yield (start, length, L2 entry) of the range; where there is no table in one go."""
        size, per_table = 1 << self._bits, self._tables.per_table
        while start < end:
            number, index = divmod(start >> self._bits, per_table)
            table = self._tables.table(number)
            stop = (number + 1) * per_table << self._bits if table is None else 0
            stop = min(stop or (start // size + 1) * size, end)
            yield start, stop - start, 0 if table is None else table[index]
            start = stop

    # -- writing ------------------------------------------------------------------------------

    def write_at(self, offset: int, data: ReadBuffer) -> None:
        """Write ``data``; NoSpaceError when there is no room for it."""
        view = memoryview(data)
        check_disk_range(self._file.name, self.virtual_size, offset, len(view))
        for at in range(0, len(view), _AT_ONCE):
            with self._lock:
                self._write(offset + at, view[at : at + _AT_ONCE])

    def zero(self, offset: int, length: int) -> None:
        """Make the range read as zero; whole clusters give up their room."""
        check_disk_range(self._file.name, self.virtual_size, offset, length)
        end = offset + length
        first, last = self._whole(offset, end)
        if first >= last:
            self._zero_part(offset, end)
            return
        self._zero_part(offset, first)
        self._zero_clusters(first, last)
        self._zero_part(last, end)

    def discard(self, offset: int, length: int) -> None:
        """Give up the whole clusters of the range; they read as zero, the rest is kept."""
        check_disk_range(self._file.name, self.virtual_size, offset, length)
        first, last = self._whole(offset, offset + length)
        if first < last:
            self._zero_clusters(first, last)

    def flush(self) -> None:
        """Make all that was written durable."""
        with self._lock:
            if self._open:
                self._tables.commit()

    def close(self) -> None:
        """Flush, give back unused room and close the file, but not the disk below.

        Closing twice is allowed. The errors are those of writing.
        """
        with self._lock:
            if not self._open:
                return
            self._open = False
            try:
                self._tables.commit()
                self._space.release()
                self._file.sync()
            finally:
                self._file.close()

    def _write(self, offset: int, view: memoryview) -> None:
        """Write at most ``_AT_ONCE`` bytes: first the bytes, then the entries of new clusters."""
        size = 1 << self._bits
        fresh: list[tuple[int, int]] = []
        places: list[tuple[int, memoryview]] = []
        try:
            for start, length, entry in self._by_cluster(offset, offset + len(view)):
                part = view[start - offset : start - offset + length]
                if entry & s.COPIED and not entry & s.L2_ZERO:
                    places.append(((entry & s.OFFSET_MASK) + start % size, part))
                    continue
                place = self._space.take()
                fresh.append((start >> self._bits, place))
                places.append(
                    (place, part if length == size else self._completed(start, part, entry))
                )
            for at, parts in _joined(places):
                self._file.write_parts(at, parts)
            while fresh:
                cluster, place = fresh[-1]
                self._enter(cluster, place | s.COPIED)
                fresh.pop()
        finally:
            self._space.give_up(place for _, place in fresh)

    def _by_cluster(self, start: int, end: int) -> Iterator[tuple[int, int, int]]:
        size = 1 << self._bits
        for run, length, entry in self._runs(start, end):
            at = run
            while at < run + length:
                stop = min((at // size + 1) * size, run + length)
                yield at, stop - at, entry
                at = stop

    def _completed(self, start: int, part: memoryview, entry: int) -> memoryview:
        """Return a whole cluster: ``part`` at its place, the rest as it was."""
        size = 1 << self._bits
        base = start // size * size
        cluster = memoryview(bytearray(size))
        inside = min(size, self.virtual_size - base)
        if entry & s.OFFSET_MASK and not entry & s.L2_ZERO:  # shared: its refcount is not one
            self._file.read_into(entry & s.OFFSET_MASK, cluster)
        elif not entry & s.L2_ZERO:
            self._read_below(base, cluster[:inside])
        cluster[start - base : start - base + len(part)] = part
        return cluster

    def _enter(self, cluster: int, entry: int) -> None:
        number, index = divmod(cluster, self._tables.per_table)
        table = self._tables.changeable(number)
        before, table[index] = table[index], entry
        self._tables.drop(before)

    def _whole(self, start: int, end: int) -> tuple[int, int]:
        """Return the range of whole clusters within; the disk's last one may be short."""
        size = 1 << self._bits
        last = end if end == self.virtual_size else end // size * size
        return -(-start // size) * size, last

    def _zero_part(self, start: int, end: int) -> None:
        """Write zeros over a part of a cluster, unless it reads as zero anyway."""
        if start < end and any(e.kind is Kind.DATA for e in self.extents(start, end)):
            for at in range(start, end, len(ZEROS)):
                self.write_at(at, ZEROS[: end - at])

    def _zero_clusters(self, start: int, end: int) -> None:
        per_table = self._tables.per_table
        first, last = start >> self._bits, -(-end >> self._bits)
        for low in range(first // per_table * per_table, last, per_table):
            number = low // per_table
            begin, stop = max(first, low), min(last, low + per_table)
            empty = not self._has_below(begin << self._bits, stop << self._bits)
            with self._lock:
                if empty and self._tables.table(number) is None:
                    continue  # zero already, and no table is needed to say so
                table = self._tables.changeable(number)
                for index in range(begin - low, stop - low):
                    before, table[index] = table[index], s.L2_ZERO
                    self._tables.drop(before)

    def _has_below(self, start: int, end: int) -> bool:
        end = min(end, self._below.virtual_size)
        return start < end and any(e.kind is Kind.DATA for e in self._below.extents(start, end))


def _joined(places: list[tuple[int, memoryview]]) -> Iterator[tuple[int, list[memoryview]]]:
    """Yield ``places`` with those that follow each other in the file as one."""
    begin, end, parts = 0, -1, list[memoryview]()
    for at, data in places:
        if at != end:
            if parts:
                yield begin, parts
            begin, end, parts = at, at, []
        parts.append(data)
        end += len(data)
    if parts:
        yield begin, parts
