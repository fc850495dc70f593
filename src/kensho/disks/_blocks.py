"""From a table of block locations to extents and bytes: shared by the block formats."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Protocol

from kensho.model.errors import TruncatedError
from kensho.model.extent import Extent, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from collections.abc import Sequence as Seq

    from kensho.storage.base import ByteSource, WriteBuffer

ZEROS = bytes(1 << 20)

#: Locations below zero; a location of zero and more is a byte offset in the file.
HOLE = -1
ZERO = -2


class Mapped(Protocol):
    """A reader all of whose data lie verbatim in its sources."""

    @property
    def virtual_size(self) -> int: ...
    @property
    def sources(self) -> tuple[ByteSource, ...]: ...
    def extents(self, start: int = 0, end: int | None = None) -> Iterator[Extent]: ...


class BlockMap:
    """Where each block of a disk lies, from a table read in pages as they are needed.

    ``load(page)`` returns the locations of the page's ``per_page`` blocks (the last
    page may be shorter), or None when all of them are holes; it has checked that
    they point into the file. ``verbatim`` says whether data can be copied as they are.
    ``skip(page, end)`` returns the first page from ``page`` on that may hold anything, at
    most ``end``: where millions of tables are empty, not one of them is loaded.
    """

    __slots__ = (
        "_cache",
        "_keep",
        "_load",
        "_lock",
        "_skip",
        "block",
        "file",
        "per_page",
        "size",
        "verbatim",
    )

    def __init__(
        self,
        size: int,
        block: int,
        per_page: int,
        load: Callable[[int], Seq[int] | None],
        *,
        file: int = 0,
        verbatim: bool = True,
        keep: int = 64,
        skip: Callable[[int, int], int] | None = None,
    ) -> None:
        self.size = size
        self.block = block
        self.per_page = per_page
        self.file = file
        self.verbatim = verbatim
        self._load = load
        self._keep = keep
        self._skip = skip
        self._cache: OrderedDict[int, Seq[int] | None] = OrderedDict()
        self._lock = threading.Lock()

    def page(self, number: int) -> Seq[int] | None:
        """Return the locations of one page, from the cache if it is there."""
        with self._lock:
            if number in self._cache:
                self._cache.move_to_end(number)
                return self._cache[number]
        # Loaded without the lock: two threads may read the same page, none waits for another's.
        page = self._load(number)
        with self._lock:
            self._cache[number] = page
            while len(self._cache) > self._keep:
                self._cache.popitem(last=False)
        return page

    def locate(self, block: int) -> int:
        """Return the location of one block."""
        number, within = divmod(block, self.per_page)
        page = self.page(number)
        return HOLE if page is None else page[within]

    def extents(self, start: int = 0, end: int | None = None) -> Iterator[Extent]:
        """Yield coalesced extents of the range."""
        end = self.size if end is None else min(end, self.size)
        begin, kind, at = start, None, -1
        for run_start, run_kind, run_at in self._runs(start, end):
            follows = run_at < 0 if at < 0 else at + run_start - begin == run_at
            if kind is run_kind and follows:
                continue
            if kind is not None:
                yield self._extent(begin, run_start, kind, at)
            begin, kind, at = run_start, run_kind, run_at
        if kind is not None:
            yield self._extent(begin, end, kind, at)

    def _extent(self, start: int, end: int, kind: Kind, at: int) -> Extent:
        return Extent(start, end - start, kind, self.file if at >= 0 else -1, at)

    def _runs(self, start: int, end: int) -> Iterator[tuple[int, Kind, int]]:
        """Yield (start, kind, place) of runs of blocks, those of one page that belong together."""
        block, per_page, verbatim = self.block, self.per_page, self.verbatim
        position = start
        while position < end:
            number, i = divmod(position // block, per_page)
            if self._skip is not None:
                used = self._skip(number, -(-end // (per_page * block)))
                if used > number:
                    yield position, Kind.HOLE, -1
                    position = min(used * per_page * block, end)
                    continue
            page = self.page(number)
            first = number * per_page
            page_end = min((first + per_page) * block, end)
            if page is None:
                yield position, Kind.HOLE, -1
                position = page_end
                continue
            stop = -(-page_end // block) - first
            while i < stop:
                location = page[i]
                begin = max((first + i) * block, position)
                i += 1
                if location >= 0 and verbatim:
                    yield begin, Kind.DATA, location + begin - (first + i - 1) * block
                    location += block
                    while i < stop and page[i] == location:
                        location += block
                        i += 1
                elif location in {HOLE, ZERO}:
                    yield begin, Kind.HOLE if location == HOLE else Kind.ZERO, -1
                    while i < stop and page[i] == location:
                        i += 1
                else:
                    yield begin, Kind.DATA, -1
                    while i < stop and (page[i] < ZERO or (not verbatim and page[i] >= 0)):
                        i += 1
            position = page_end


def read_mapped(reader: Mapped, name: str, offset: int, buffer: WriteBuffer) -> None:
    """Fill ``buffer`` from ``offset`` of the virtual disk along the reader's extents."""
    view = memoryview(buffer)
    check_disk_range(name, reader.virtual_size, offset, len(view))
    for extent in reader.extents(offset, offset + len(view)):
        part = view[extent.start - offset : extent.end - offset]
        if extent.kind is Kind.DATA:
            reader.sources[extent.file].read_into(extent.file_offset, part)
        else:
            fill_zero(part)


def fill_zero(view: memoryview) -> None:
    """Overwrite ``view`` with zeros."""
    for at in range(0, len(view), len(ZEROS)):
        part = view[at : at + len(ZEROS)]
        part[:] = ZEROS[: len(part)]


def check_disk_range(name: str, size: int, offset: int, length: int) -> None:
    """Raise TruncatedError unless the range lies within a disk of ``size`` bytes."""
    if offset < 0 or offset + length > size:
        raise TruncatedError(
            f"{length} bytes at {offset} are not within the disk of {size}",
            path=name,
            hint="the caller asked beyond the virtual size",
        )


def data_runs(buffer: bytearray, length: int, granule: int) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of the runs of granules in ``buffer[:length]`` that hold any data.

    bytearray.startswith compares in place at memory speed and stops at the first
    byte that differs; nothing else in the standard library does both.
    """
    zero = ZEROS[:granule]
    starts_with = buffer.startswith
    begin = -1
    for position in range(0, length, granule):
        if position + granule > length:
            zero = ZEROS[: length - position]
        if starts_with(zero, position):
            if begin >= 0:
                yield begin, position
                begin = -1
        elif begin < 0:
            begin = position
    if begin >= 0:
        yield begin, length
