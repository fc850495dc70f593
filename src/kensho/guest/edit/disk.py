"""A disk with patches of its volumes laid over it: what an adapted machine starts from."""

from __future__ import annotations

import bisect
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from kensho.disks.base import DiskReader
from kensho.disks.through import ThroughDisk
from kensho.model.extent import Extent, Kind, coalesce
from kensho.storage.base import WriteBuffer


@dataclass(frozen=True, slots=True)
class Piece:
    """``length`` bytes of a disk from ``start`` on that are those of a file at ``at``."""

    start: int
    length: int
    file: Path
    at: int


class PatchedDisk(ThroughDisk):
    """A `DiskReader` over another: pieces count where there are any. That stays the caller's."""

    def __init__(self, below: DiskReader, pieces: Sequence[Piece]) -> None:
        super().__init__(below)
        self._pieces = sorted(pieces, key=lambda piece: piece.start)
        self._starts = [piece.start for piece in self._pieces]
        self._files = {
            file: os.open(file, os.O_RDONLY | os.O_CLOEXEC) for file in {p.file for p in pieces}
        }

    def extents(self, start: int = 0, end: int | None = None) -> Iterator[Extent]:
        """Yield what the range holds; patched bytes lie nowhere verbatim."""
        end = self.virtual_size if end is None else min(end, self.virtual_size)
        return coalesce(self._extents(start, end))

    def _extents(self, start: int, end: int) -> Iterator[Extent]:
        for piece in self._within(start, end):
            if start < piece.start:
                yield from self._below.extents(start, piece.start)
            stop = min(end, piece.start + piece.length)
            start = max(start, piece.start)
            yield Extent(start, stop - start, Kind.DATA)
            start = stop
        if start < end:
            yield from self._below.extents(start, end)

    def read_into(self, offset: int, buffer: WriteBuffer) -> None:
        """Fill ``buffer`` from ``offset`` on, pieces over what is below."""
        view = memoryview(buffer)
        self._below.read_into(offset, view)
        end = offset + len(view)
        for piece in self._within(offset, end):
            low, high = max(offset, piece.start), min(end, piece.start + piece.length)
            data = os.pread(self._files[piece.file], high - low, piece.at + low - piece.start)
            view[low - offset : high - offset] = data

    def _within(self, start: int, end: int) -> Iterator[Piece]:
        index = max(0, bisect.bisect_right(self._starts, start) - 1)
        for piece in self._pieces[index:]:
            if piece.start >= end:
                return
            if piece.start + piece.length > start:
                yield piece

    def close(self) -> None:
        """Close the files of the pieces."""
        for descriptor in self._files.values():
            os.close(descriptor)
        self._files = {}
