"""Ranges of disks as one run of bytes: a partition, a volume of LVM with stripes.

Reads go through a cache of the disk's blocks, so that small ones cost little whatever the
format below is.
"""

from __future__ import annotations

import bisect
import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from kensho.disks.base import DiskReader
from kensho.model.errors import CorruptError, TruncatedError
from kensho.storage import BlockCache


class CachedDisk:
    """A disk to be read from in small pieces. The reader stays the caller's.

    ``copied`` tells of one reached through a mirror or below a snapshot: its bytes count elsewhere,
    too, so that a change here alone would tear the two apart. ``twins`` are where they count, if all
    of that is known: disks, and how many bytes further on each. ``below`` is the volume that it is
    the decrypted content of.
    """

    __slots__ = ("_cache", "below", "copied", "name", "reader", "size", "twins")

    def __init__(self, disk: DiskReader, name: str) -> None:
        self.name = name
        self.reader = disk
        self.size = disk.virtual_size
        self.copied = False
        self.below: View | None = None
        self.twins: tuple[tuple[CachedDisk, int], ...] = ()
        self._cache = BlockCache(self.size, disk.read_into)

    def as_copied(self) -> CachedDisk:
        """Return the same disk, marked."""
        marked = copy.copy(self)
        marked.copied = True
        return marked

    def as_one_of(self, twins: tuple[tuple[CachedDisk, int], ...]) -> CachedDisk:
        """Return the same disk as one side of a mirror whose other sides are these."""
        marked = copy.copy(self)
        marked.twins = twins
        marked.copied = self.copied or any(disk.copied for disk, _ in twins)
        return marked

    def read(self, offset: int, length: int) -> bytes:
        """Return exactly ``length`` bytes; TruncatedError when they are not on the disk."""
        if offset < 0 or length < 0 or offset + length > self.size:
            raise TruncatedError(
                f"{length} bytes wanted here, but the disk has only {self.size}",
                path=self.name,
                offset=offset,
            )
        buffer = bytearray(length)
        self._cache.read_into(offset, memoryview(buffer))
        return bytes(buffer)


@dataclass(frozen=True, slots=True)
class Segment:
    """``length`` bytes from ``start`` on, laid over ``legs``: (disk, byte there) for each stripe.

    ``stripe`` is the bytes that lie together on one leg; with one leg it does not matter.
    """

    start: int
    length: int
    legs: tuple[tuple[CachedDisk, int], ...]
    stripe: int = 0


class Readable(Protocol):
    """What file systems are read from: a `View`, or one with changes laid over it."""

    @property
    def name(self) -> str:
        """What messages call it."""

    @property
    def size(self) -> int:
        """Bytes."""

    def read(self, offset: int, length: int) -> bytes:
        """Return exactly ``length`` bytes; TruncatedError when they are not there."""


class View:
    """Bytes of one volume. ``segments`` ascend without gaps; CorruptError when they do not."""

    __slots__ = ("_segments", "_starts", "name", "size")

    def __init__(self, segments: Sequence[Segment], name: str) -> None:
        self.name = name
        self._segments = tuple(segments)
        self._starts = [s.start for s in segments]
        end = 0
        for segment in segments:
            if segment.start != end or segment.length <= 0 or not segment.legs:
                raise CorruptError("the volume has gaps or overlaps", path=name, offset=end)
            end += segment.length
        self.size = end

    def read(self, offset: int, length: int) -> bytes:
        """Return exactly ``length`` bytes; TruncatedError when they are not in the volume."""
        if offset < 0 or length < 0 or offset + length > self.size:
            raise TruncatedError(
                f"{length} bytes wanted here, but the volume has only {self.size}",
                path=self.name,
                offset=offset,
            )
        parts = [disk.read(place, run) for disk, place, run in self.places(offset, length)]
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def places(self, offset: int, length: int) -> Iterator[tuple[CachedDisk, int, int]]:
        """Yield (disk, byte there, bytes) for the range, in order."""
        while length > 0:
            segment = self._segments[bisect.bisect_right(self._starts, offset) - 1]
            within = offset - segment.start
            disk, place, run = _place(segment, within)
            run = min(run, length, segment.length - within)
            yield disk, place, run
            offset += run
            length -= run

    @property
    def copied(self) -> bool:
        """Tell whether some of it counts elsewhere, too: see `CachedDisk`."""
        return any(disk.copied for segment in self._segments for disk, _ in segment.legs)

    @property
    def disks(self) -> frozenset[str]:
        """The names of the disks that it lies on, below LUKS as well."""
        found: set[str] = set()
        for segment in self._segments:
            for disk, _ in segment.legs:
                found |= disk.below.disks if disk.below is not None else {disk.name}
        return frozenset(found)

    def whole(self) -> tuple[CachedDisk, int]:
        """Return the disk that all of it lies on in one piece, and the first byte there."""
        if len(self._segments) != 1 or len(self._segments[0].legs) != 1:
            raise CorruptError("the volume is not in one piece", path=self.name)
        return self._segments[0].legs[0]

    def head(self, length: int) -> bytes:
        """Return the first bytes, fewer when the volume is shorter."""
        return self.read(0, min(length, self.size))


def _place(segment: Segment, within: int) -> tuple[CachedDisk, int, int]:
    """Return the disk, the byte on it, and how many bytes lie together there."""
    if len(segment.legs) == 1:
        disk, start = segment.legs[0]
        return disk, start + within, segment.length - within
    row, into = divmod(within, segment.stripe)
    turn, leg = divmod(row, len(segment.legs))
    disk, start = segment.legs[leg]
    return disk, start + turn * segment.stripe + into, segment.stripe - into


def part_of(disk: CachedDisk, start: int, size: int, name: str) -> View:
    """Return a range of a disk; TruncatedError when it is not all on the disk."""
    if start < 0 or size <= 0 or start + size > disk.size:
        raise TruncatedError(
            f"{size} bytes are said to be here, but the disk has only {disk.size}",
            path=name,
            offset=start,
        )
    return View((Segment(0, size, ((disk, start),)),), name)
