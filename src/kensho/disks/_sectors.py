"""Bitmaps that say which sectors of a block are the disk's own and which its parent's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kensho.model.extent import Extent, Kind, coalesce

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from kensho.disks._blocks import BlockMap

# One byte of the bitmap as eight bytes of 0 and 1, so that bytes.find can look for runs.
_LOW_FIRST = [bytes(byte >> bit & 1 for bit in range(8)) for byte in range(256)]
_HIGH_FIRST = [spread[::-1] for spread in _LOW_FIRST]


def runs(bits: bytes, skip: int, count: int, *, high_first: bool) -> Iterator[tuple[int, int, int]]:
    """Yield (first, end, 0 or 1) for the ``count`` bits after the first ``skip``; the runs alternate."""
    table = _HIGH_FIRST if high_first else _LOW_FIRST
    flat = b"".join([table[byte] for byte in bits])
    at, end = skip, skip + count
    while at < end:
        value = flat[at]
        stop = flat.find(b"\0" if value else b"\1", at, end)
        stop = end if stop < 0 else stop
        yield at - skip, stop - skip, value
        at = stop


def set_bits(bits: bytearray, low: int, high: int, *, high_first: bool) -> None:
    """Set the bits ``low`` to ``high`` - 1."""
    whole, end = -(-low // 8), high // 8
    if whole < end:
        bits[whole:end] = b"\xff" * (end - whole)
    edges = [*range(low, min(8 * whole, high)), *range(max(8 * end, low), high)]
    for bit in edges:
        bits[bit // 8] |= 0x80 >> bit % 8 if high_first else 1 << bit % 8


def split_by_sectors(
    blocks: BlockMap,
    start: int,
    end: int | None,
    sector: int,
    load: Callable[[int, int, int], bytes | None],
    *,
    high_first: bool,
) -> Iterator[Extent]:
    """Yield the extents of ``blocks`` with the sectors that are the parent's as holes.

    ``load(block, first, count)`` returns the bytes of the block's bitmap in which the
    bits of its sectors ``first`` and the ``count - 1`` that follow lie, None if all
    are its own.
    """
    return coalesce(_split(blocks, start, end, sector, load, high_first=high_first))


def _split(
    blocks: BlockMap,
    start: int,
    end: int | None,
    sector: int,
    load: Callable[[int, int, int], bytes | None],
    *,
    high_first: bool,
) -> Iterator[Extent]:
    for extent in blocks.extents(start, end):
        if extent.kind is not Kind.DATA:
            yield extent
            continue
        at = extent.start
        while at < extent.end:
            block = at // blocks.block
            base = block * blocks.block
            stop = min(base + blocks.block, extent.end)
            first, last = (at - base) // sector, -(-(stop - base) // sector)
            place = extent.file_offset + at - extent.start
            bits = load(block, first, last - first)
            if bits is None:
                yield Extent(at, stop - at, Kind.DATA, extent.file, place)
                at = stop
                continue
            for low, high, own in runs(bits, first % 8, last - first, high_first=high_first):
                begin = max(at, base + (first + low) * sector)
                finish = min(stop, base + (first + high) * sector)
                if own:
                    yield Extent(begin, finish - begin, Kind.DATA, extent.file, place + begin - at)
                else:
                    yield Extent(begin, finish - begin, Kind.HOLE)
            at = stop


class Owned:
    """Ranges a child disk answers for, taken in ascending order as its writer moves on."""

    __slots__ = ("_rest", "_source")

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        self._source = iter(ranges)
        self._rest: tuple[int, int] | None = None

    def until(self, end: int) -> Iterator[tuple[int, int]]:
        """Yield the (start, end) that lie before ``end``; what is cut off comes with the next call."""
        while True:
            current = self._rest or next(self._source, None)
            self._rest = None
            if current is None:
                return
            low, high = current
            if low >= end:
                self._rest = current
                return
            if high > end:
                self._rest = (end, high)
                yield low, end
                return
            yield low, high
