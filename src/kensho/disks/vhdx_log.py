"""Replay a VHDX log in memory, so that a disk not shut down cleanly can be read.

Spec: [MS-VHDX] section 2.3. The file is never changed: replayed writes lie over
the source like a sheet of paper.
"""

from __future__ import annotations

import bisect
import dataclasses
import heapq
from typing import TYPE_CHECKING

from kensho.disks._blocks import fill_zero
from kensho.disks._structs import vhdx as s
from kensho.model.errors import CorruptError, LimitError, TruncatedError
from kensho.model.extent import Extent
from kensho.storage.reading import all_data, check_range, read_new

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kensho.storage.base import ByteSource, WriteBuffer

_MAX_LOG = 64 << 20
_MAX_WRITES = 1 << 18
_MAX_PASSES = 8  # entries do not overlap, but stale ones may be overwritten in part


@dataclasses.dataclass(frozen=True, slots=True)
class _Write:
    offset: int
    length: int
    data: bytes | None  # None: zeros


@dataclasses.dataclass(frozen=True, slots=True)
class _Entry:
    at: int
    length: int
    tail: int
    sequence: int
    flushed_size: int
    last_size: int
    writes: tuple[_Write, ...]


class OverlaySource:
    """A ByteSource that shows ``source`` as it is after some writes."""

    __slots__ = ("_pieces", "_source", "_starts", "name", "size")

    def __init__(self, source: ByteSource, writes: tuple[_Write, ...], size: int) -> None:
        self._source = source
        self._pieces = _visible(writes)
        self._starts = [start for start, _, _ in self._pieces]
        self.name = source.name
        self.size = size

    def read_at(self, offset: int, length: int) -> bytes:
        """Return exactly ``length`` bytes from ``offset``; TruncatedError if they are not there."""
        return read_new(self, offset, length)

    def read_into(self, offset: int, buffer: WriteBuffer) -> None:
        """Fill ``buffer`` from ``offset``: the file's bytes, then what was written over them."""
        view = memoryview(buffer)
        end = offset + len(view)
        check_range(self.name, self.size, offset, len(view))
        inside = max(0, min(end, self._source.size) - offset)
        if inside:
            self._source.read_into(offset, view[:inside])
        fill_zero(view[inside:])
        first = max(bisect.bisect_right(self._starts, offset) - 1, 0)
        for number in range(first, len(self._pieces)):
            start, stop, write = self._pieces[number]
            if start >= end:
                return
            low, high = max(offset, start), min(end, stop)
            if low >= high:
                continue
            part = view[low - offset : high - offset]
            if write.data is None:
                fill_zero(part)
            else:
                part[:] = write.data[low - write.offset : high - write.offset]

    def extents(self, start: int = 0, end: int | None = None) -> Iterator[Extent]:
        """Return the range as one DATA extent."""
        return all_data(self.size, start, end)

    def kernel_file(self) -> None:
        """Return None: the kernel does not know about the writes."""
        return

    def close(self) -> None:
        """Do nothing; the source below belongs to whoever opened it."""


def _visible(writes: tuple[_Write, ...]) -> list[tuple[int, int, _Write]]:
    """Return what of ``writes`` is seen after all of them, as ascending (start, end, write)."""
    order = sorted(range(len(writes)), key=lambda n: writes[n].offset)
    open_writes: list[tuple[int, int]] = []  # (-number, end): the last one hides the others
    pieces: list[tuple[int, int, _Write]] = []
    at = taken = 0
    while taken < len(order) or open_writes:
        if not open_writes:
            at = max(at, writes[order[taken]].offset)
        while taken < len(order) and writes[order[taken]].offset <= at:
            number = order[taken]
            heapq.heappush(open_writes, (-number, writes[number].offset + writes[number].length))
            taken += 1
        while open_writes and open_writes[0][1] <= at:
            heapq.heappop(open_writes)
        if not open_writes:
            continue
        number, stop = -open_writes[0][0], open_writes[0][1]
        if taken < len(order):
            stop = min(stop, writes[order[taken]].offset)
        if pieces and pieces[-1][1] == at and pieces[-1][2] is writes[number]:
            at = pieces.pop()[0]
        pieces.append((at, stop, writes[number]))
        at = stop
    return pieces


def replay_log(source: ByteSource, header: s.Header) -> OverlaySource:
    """Return ``source`` with its log applied.

    CorruptError when the header demands a replay but the log holds nothing to
    replay, or the file is shorter than the log says it was.
    """
    if header.log_length > _MAX_LOG:
        raise LimitError(f"a log of {header.log_length} bytes", path=source.name)
    if header.log_offset % s.MIB or not header.log_length or header.log_length % s.MIB:
        raise CorruptError("log is not aligned", path=source.name, field="LogOffset")
    log = source.read_at(header.log_offset, header.log_length)
    active = _active_sequence(log, header.log_guid, source.name)
    if not active:
        raise CorruptError(
            "the disk was not closed cleanly and its log holds no valid entry",
            path=source.name,
            offset=header.log_offset,
            hint="attach the disk once in Hyper-V, which repairs it, and detach it again",
        )
    head = active[-1]
    if head.flushed_size > source.size:
        raise TruncatedError(
            f"the log says the file had {head.flushed_size} bytes", path=source.name
        )
    writes = tuple(write for entry in active for write in entry.writes)
    end = max((w.offset + w.length for w in writes), default=0)
    if max(end, head.last_size) > source.size + (1 << 40):
        raise LimitError("the log writes far behind the end of the file", path=source.name)
    return OverlaySource(source, writes, max(source.size, end, head.last_size))


def _active_sequence(log: bytes, guid: bytes, path: str) -> list[_Entry]:
    """Return the valid run of entries with the highest sequence number, from its tail on."""
    entries = {}
    budget = _MAX_PASSES * len(log)
    for at in range(0, len(log), s.PAGE):
        signature, _, length, *_, log_guid, _, _ = s.LOG_ENTRY.unpack_from(log, at)
        if signature != b"loge" or log_guid != guid:
            continue
        budget -= min(length, len(log))
        if budget < 0:
            raise LimitError("the log's entries overlap each other", path=path, field="EntryLength")
        if entry := _entry(log, at, guid):
            entries[at] = entry
    best: list[_Entry] = []
    seen: set[int] = set()
    for start in entries:
        if start in seen:  # the end of a longer run, which is as good
            continue
        chain: list[_Entry] = []
        at = start
        total = 0
        while (entry := entries.get(at)) is not None:
            if chain and entry.sequence != chain[-1].sequence + 1:
                break
            chain.append(entry)
            seen.add(at)
            total += entry.length
            at = (at + entry.length) % len(log)
            if total >= len(log):
                break
        places = [entry.at for entry in chain]
        if chain[-1].tail not in places:
            continue  # its tail was overwritten: not a whole sequence
        if not best or chain[-1].sequence > best[-1].sequence:
            best = chain[places.index(chain[-1].tail) :]
    return best


def _entry(log: bytes, at: int, guid: bytes) -> _Entry | None:
    fields = s.LOG_ENTRY.unpack_from(log, at)
    _, _, length, tail, sequence, count, _, log_guid, flushed, last = fields
    if log_guid != guid or length < s.PAGE or length % s.PAGE or length > len(log) or sequence == 0:
        return None
    raw = log[at : at + length] + log[: max(0, at + length - len(log))]  # the log is a ring
    head = s.LOG_ENTRY.size + count * s.DESCRIPTOR_SIZE
    if count > _MAX_WRITES or head > length or not s.checksum_good(raw):
        return None
    sectors = -(-head // s.PAGE) * s.PAGE
    writes = []
    for number in range(count):
        place = s.LOG_ENTRY.size + number * s.DESCRIPTOR_SIZE
        kind = raw[place : place + 4]
        if kind == b"zero":
            _, size, offset, written = s.LOG_ZERO.unpack_from(raw, place)
            write = _Write(offset, size, None)
        elif kind == b"desc":
            _, trailing, leading, offset, written = s.LOG_DATA.unpack_from(raw, place)
            sector = raw[sectors : sectors + s.PAGE]
            sectors += s.PAGE
            number_here = sector[4:8] + sector[-4:]
            high, low = number_here[:4], number_here[4:]
            if sector[:4] != b"data" or low + high != sequence.to_bytes(8, "little"):
                return None
            write = _Write(offset, s.PAGE, leading + sector[8:-4] + trailing)
        else:
            return None
        if written != sequence or write.offset % s.PAGE or write.length % s.PAGE:
            return None
        writes.append(write)
    return _Entry(at, length, tail, sequence, flushed, last, tuple(writes))
