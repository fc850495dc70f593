"""The cells of a hive: bounded reading, allocation and release.

A hive is edited in place: what an edit does not touch stays bit for bit as it was, so that what
kensho does not know of a newer Windows survives.
"""

from __future__ import annotations

import bisect
import struct
from dataclasses import dataclass, field

from kensho.guest.windows.hive._structs import (
    BASE,
    BASE_SIZE,
    BIN_HEADER,
    BIN_MAGIC,
    BIN_STEP,
    BINS_SIZE_AT,
    MAGIC,
    NONE,
)
from kensho.model.errors import CorruptError, LimitError, TruncatedError

MOST = 1 << 30  #: bytes; Windows itself loads no larger system hive
_MOST_FREE = 1 << 18  #: free cells that are known at first; what is behind them stays unused
_MOST_LOOKS = 100_000_000  #: at entries of lists, which a forged hive can share among its keys


@dataclass(slots=True)
class Cells:
    """The bytes of a hive, the base block among them; ``path`` is for messages."""

    data: bytearray
    path: str
    bins: list[int] = field(default_factory=list)  #: where each hive bin begins
    free: list[tuple[int, int]] | None = None  #: sizes and offsets of free cells, sorted
    looks: int = 0  #: at entries of lists, since the hive was opened

    @property
    def size(self) -> int:
        """Return the size of all hive bins, bytes."""
        return int.from_bytes(self.data[BINS_SIZE_AT : BINS_SIZE_AT + 4], "little")

    def corrupt(self, message: str, offset: int) -> CorruptError:
        """Make an error about the cell at ``offset``."""
        return CorruptError(
            message,
            path=self.path,
            offset=BASE_SIZE + offset,
            hint="the hive is damaged; Windows keeps copies in System32\\config\\RegBack",
        )

    def look(self, entries: int, weight: int = 1) -> None:
        """Count entries of a list that are gone through; LimitError when it never ends."""
        self.looks += entries * weight
        if self.looks > _MOST_LOOKS:
            raise LimitError(
                "the hive's lists are longer than any Windows' are", path=self.path,
                hint="the hive is damaged or was forged; look at it where it came from",
            )  # fmt: skip

    def read(self, offset: int) -> bytes:
        """Return the content of an allocated cell. CorruptError when there is none."""
        start, end = self._allocated(offset)
        return bytes(self.data[start:end])  # a view would forbid the hive to grow

    def write(self, offset: int, content: bytes, at: int = 0) -> None:
        """Overwrite bytes of an allocated cell."""
        start, end = self._allocated(offset)
        if start + at + len(content) > end:
            raise self.corrupt("a structure is larger than its cell", offset)
        self.data[start + at : start + at + len(content)] = content

    def _allocated(self, offset: int) -> tuple[int, int]:
        if offset % 8 or not BIN_HEADER.size <= offset <= self.size - 8:
            raise self.corrupt("points outside the hive's cells", min(offset, self.size))
        start = BASE_SIZE + offset
        (size,) = struct.unpack_from("<i", self.data, start)
        if size >= 0:
            raise self.corrupt("a cell in use is marked free", offset)
        if size % 8 or offset - size > self._end_of_bin(offset):
            raise self.corrupt("a cell is larger than its bin", offset)
        return start + 4, start - size

    def _end_of_bin(self, offset: int) -> int:
        index = bisect.bisect_right(self.bins, offset)
        return self.bins[index] if index < len(self.bins) else self.size

    def allocate(self, content: bytes) -> int:
        """Put ``content`` into a cell of its own and return the cell's offset."""
        need = -(-(len(content) + 4) // 8) * 8
        if self.free is None:
            self.free = self._find_free()
        index = bisect.bisect_left(self.free, (need, 0))
        if index == len(self.free):
            self._append_bin(need)
            index = bisect.bisect_left(self.free, (need, 0))
        size, offset = self.free.pop(index)
        if size - need >= 8:
            self._mark(offset + need, size - need)
            bisect.insort(self.free, (size - need, offset + need))
            size = need
        self._mark(offset, -size)
        start = BASE_SIZE + offset + 4
        self.data[start : start + size - 4] = content.ljust(size - 4, b"\0")
        return offset

    def release(self, offset: int) -> None:
        """Give a cell back; one that is not there (``NONE``) is ignored."""
        if offset == NONE:
            return
        start, end = self._allocated(offset)
        size = end - start + 4
        self._mark(offset, size)
        if self.free is not None:
            bisect.insort(self.free, (size, offset))

    def _mark(self, offset: int, size: int) -> None:
        struct.pack_into("<i", self.data, BASE_SIZE + offset, size)

    def _find_free(self) -> list[tuple[int, int]]:
        found: list[tuple[int, int]] = []
        for start in self.bins:
            if len(found) > _MOST_FREE:
                break
            end = self._end_of_bin(start)
            offset = start + BIN_HEADER.size
            while offset < end:
                (size,) = struct.unpack_from("<i", self.data, BASE_SIZE + offset)
                if size == 0 or size % 8 or offset + abs(size) > end:
                    raise self.corrupt("a cell's size leads out of its bin", offset)
                if size > 0:
                    found.append((size, offset))
                offset += abs(size)
        found.sort()
        return found

    def _append_bin(self, need: int) -> None:
        start = self.size
        size = -(-(need + BIN_HEADER.size) // BIN_STEP) * BIN_STEP
        if start + size > MOST:
            raise LimitError("the hive would grow beyond what Windows loads", path=self.path)
        # What follows the last bin is padding without meaning.
        place = BASE_SIZE + start
        grow = place + size - len(self.data)
        if grow > 0:
            self.data.extend(bytes(grow))
        self.data[place : place + size] = bytes(size)
        BIN_HEADER.pack_into(self.data, place, BIN_MAGIC, start, size, 0)
        struct.pack_into("<I", self.data, BINS_SIZE_AT, start + size)
        self.bins.append(start)
        space = size - BIN_HEADER.size
        self._mark(start + BIN_HEADER.size, space)
        assert self.free is not None
        bisect.insort(self.free, (space, start + BIN_HEADER.size))


def take_cells(data: bytearray, path: str) -> Cells:
    """Check base block and bins, and return the cells.

    Raises CorruptError, TruncatedError and LimitError. Checksum and sequence numbers are the
    caller's: a hive that was not closed has them wrong and can be mended (`log`).
    """
    if len(data) < BASE_SIZE:
        raise TruncatedError("is too short for a registry hive", path=path)
    if len(data) > BASE_SIZE + MOST:
        raise LimitError(f"is larger than {MOST} bytes, which no hive is", path=path)
    if data[:4] != MAGIC:
        raise CorruptError("has no registry hive's signature", path=path, offset=0)
    major = BASE.unpack_from(data)[4]
    if major != 1:
        raise CorruptError(f"is a hive of version {major}, and only 1 is known", path=path)
    cells = Cells(data, path)
    size = cells.size
    if size % BIN_STEP or size == 0:
        raise CorruptError(f"says that its bins have {size} bytes", path=path, offset=BINS_SIZE_AT)
    if BASE_SIZE + size > len(data):
        raise TruncatedError(
            f"ends after {len(data)} bytes and has {BASE_SIZE + size} by its header", path=path
        )
    cells.bins = _bins(data, size, path)
    return cells


def _bins(data: bytearray, size: int, path: str) -> list[int]:
    bins, offset = [], 0
    while offset < size:
        magic, stated, length, _ = BIN_HEADER.unpack_from(data, BASE_SIZE + offset)
        if magic != BIN_MAGIC or stated != offset:
            raise CorruptError(
                "a hive bin is not where it belongs", path=path, offset=BASE_SIZE + offset
            )
        if length % BIN_STEP or length == 0 or offset + length > size:
            raise CorruptError(
                f"a hive bin has {length} bytes", path=path, offset=BASE_SIZE + offset
            )
        bins.append(offset)
        offset += length
    return bins
