"""Several sources one after the other as one: the chunks of a split file."""

from __future__ import annotations

import bisect
import dataclasses
import threading
from collections import OrderedDict
from contextlib import contextmanager
from itertools import accumulate
from typing import TYPE_CHECKING

from kensho.model.errors import CorruptError
from kensho.storage.reading import check_range, read_new

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from kensho.model.extent import Extent
    from kensho.storage.base import ByteSource, WriteBuffer

_MOST_OPEN = 64  #: there may be thousands of chunks, and fewer files that may be open


class JoinedSource:
    """Parts of ``sizes`` bytes each as one source; ``open_part`` opens one by its number.

    Parts are opened when they are read and closed when others are. CorruptError when a part has
    another size by then.
    """

    __slots__ = ("_parts", "_sizes", "_starts", "name", "size")

    def __init__(
        self, sizes: Sequence[int], open_part: Callable[[int], ByteSource], name: str
    ) -> None:
        self._sizes = tuple(sizes)
        self._starts = [0, *accumulate(sizes)]
        self._parts = _Parts(open_part)
        self.name = name
        self.size = self._starts[-1]

    def read_at(self, offset: int, length: int) -> bytes:
        """Return exactly ``length`` bytes from ``offset``; TruncatedError if they are not there."""
        return read_new(self, offset, length)

    def read_into(self, offset: int, buffer: WriteBuffer) -> None:
        """Fill ``buffer`` from ``offset``; TruncatedError if the parts end first."""
        view = memoryview(buffer).cast("B")
        check_range(self.name, self.size, offset, len(view))
        for number, low, high in self._touched(offset, offset + len(view)):
            with self._part(number) as part:
                start = self._starts[number]
                part.read_into(low - start, view[low - offset : high - offset])

    def extents(self, start: int = 0, end: int | None = None) -> Iterator[Extent]:
        """Yield DATA and HOLE extents of the range, as the parts know them."""
        end = self.size if end is None else min(end, self.size)
        for number, low, high in self._touched(start, end):
            base = self._starts[number]
            with self._part(number) as part:
                for extent in part.extents(low - base, high - base):
                    at = extent.file_offset + base if extent.file >= 0 else -1
                    yield dataclasses.replace(extent, start=extent.start + base, file_offset=at)

    def kernel_file(self) -> None:
        """Return None: it is more than one file."""
        return

    def close(self) -> None:
        """Close all parts; closing twice is allowed."""
        self._parts.close()

    @contextmanager
    def _part(self, number: int) -> Iterator[ByteSource]:
        with self._parts.held(number) as part:
            if part.size != self._sizes[number]:
                raise CorruptError(
                    f"has {part.size} bytes now, not {self._sizes[number]}", path=part.name
                )
            yield part

    def _touched(self, start: int, end: int) -> Iterator[tuple[int, int, int]]:
        """Yield (number of the part, start and end within the whole) of all the range touches."""
        number = bisect.bisect_right(self._starts, start) - 1
        while start < end:
            high = min(end, self._starts[number + 1])
            if start < high:
                yield number, start, high
                start = high
            number += 1


@dataclasses.dataclass(slots=True)
class _Open:
    source: ByteSource
    users: int = 0


class _Parts:
    """The parts that are open, for any thread; none is closed while somebody reads it."""

    __slots__ = ("_lock", "_open", "_open_part")

    def __init__(self, open_part: Callable[[int], ByteSource]) -> None:
        self._open_part = open_part
        self._open: OrderedDict[int, _Open] = OrderedDict()
        self._lock = threading.Lock()

    @contextmanager
    def held(self, number: int) -> Iterator[ByteSource]:
        with self._lock:
            entry = self._open.get(number)
            if entry is None:
                entry = self._open[number] = _Open(self._open_part(number))
            self._open.move_to_end(number)
            entry.users += 1
        try:
            yield entry.source
        finally:
            with self._lock:
                entry.users -= 1
                self._shrink()

    def _shrink(self) -> None:
        idle = [number for number, entry in self._open.items() if not entry.users]
        for number in idle[: max(0, len(self._open) - _MOST_OPEN)]:
            self._open.pop(number).source.close()

    def close(self) -> None:
        with self._lock:
            while self._open:
                self._open.popitem()[1].source.close()
