"""A volume that can be written to: what is written goes to a sparse file, the volume is only read."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from kensho.disks.base import ParentRef
from kensho.guest.edit.patch import Patch
from kensho.guest.volumes.view import View
from kensho.model.extent import Extent, Kind
from kensho.model.finding import Finding
from kensho.storage import ByteSource
from kensho.storage.base import ReadBuffer, WriteBuffer

_GRAIN = 4096
_ZEROS = bytes(1 << 20)


def write_whole(descriptor: int, data: ReadBuffer, offset: int) -> None:
    """Write all of ``data``; OSError when there is no room: Linux writes a part, and says so the next time."""
    view = memoryview(data)
    done = 0
    while done < len(view):
        done += os.pwrite(descriptor, view[done:], offset + done)


class Scratch:
    """A `WritableDisk` over a volume, and a `Readable` of what it holds then.

    ``image`` is made, as large as the volume, with the same offsets.
    """

    format = "raw"
    subformat = ""
    details: Mapping[str, str | int] = {}
    parent: ParentRef | None = None
    warnings: tuple[Finding, ...] = ()
    sources: tuple[ByteSource, ...] = ()

    def __init__(self, view: View, image: Path) -> None:
        self._view = view
        self._image = image
        self._file = os.open(image, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
        self._written: set[int] = set()  #: grains that count in the file
        self._lock = threading.Lock()
        self.virtual_size = self.size = view.size
        self.name = view.name
        os.ftruncate(self._file, view.size)

    def extents(self, start: int = 0, end: int | None = None) -> Iterator[Extent]:
        """Yield that all of the range is data."""
        end = self.virtual_size if end is None else min(end, self.virtual_size)
        if start < end:
            yield Extent(start, end - start, Kind.DATA)

    def read_into(self, offset: int, buffer: WriteBuffer) -> None:
        """Fill ``buffer`` from ``offset`` on, what was written over what the volume holds."""
        view = memoryview(buffer)
        with self._lock:
            for start, length, ours in self._runs(offset, len(view)):
                read = self._own if ours else self._view.read
                view[start - offset : start - offset + length] = read(start, length)

    def read(self, offset: int, length: int) -> bytes:
        """Return exactly ``length`` bytes; TruncatedError when they are not in the volume."""
        if offset < 0 or length < 0 or offset + length > self.size:
            return self._view.read(offset, length)
        buffer = bytearray(length)
        self.read_into(offset, buffer)
        return bytes(buffer)

    def write_at(self, offset: int, data: ReadBuffer) -> None:
        """Write ``data``; OSError when there is no room for it."""
        view = memoryview(data)
        with self._lock:
            self._take_edges(offset, len(view))
            write_whole(self._file, view, offset)
            self._mark(offset, len(view))

    def zero(self, offset: int, length: int) -> None:
        """Make the range read as zero."""
        for at in range(offset, offset + length, len(_ZEROS)):
            self.write_at(at, memoryview(_ZEROS)[: min(len(_ZEROS), offset + length - at)])

    def discard(self, offset: int, length: int) -> None:
        """Keep what lies in the range: what is given up need not change."""

    def flush(self) -> None:
        """Do nothing: the file is read by this process alone."""

    def close(self) -> None:
        """Close the file, which stays; closing twice is allowed."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def patch(self) -> Patch:
        """Return what is not as it was on the volume, also when this is closed."""
        runs: list[tuple[int, int]] = []
        with self._image.open("rb") as file:
            for grain in sorted(self._written):
                start = grain * _GRAIN
                length = min(_GRAIN, self.virtual_size - start)
                if os.pread(file.fileno(), length, start) == self._view.read(start, length):
                    continue
                if runs and sum(runs[-1]) == start:
                    runs[-1] = (runs[-1][0], runs[-1][1] + length)
                else:
                    runs.append((start, length))
        return Patch(self._view, self._image, tuple(runs))

    def _own(self, offset: int, length: int) -> bytes:
        return os.pread(self._file, length, offset)

    def _runs(self, offset: int, length: int) -> Iterator[tuple[int, int, bool]]:
        """Yield (start, bytes, whether they are in the file) of a range, neighbours merged."""
        start, end = offset, offset + length
        while start < end:
            ours = start // _GRAIN in self._written
            stop = start
            while stop < end and (stop // _GRAIN in self._written) is ours:
                stop = (stop // _GRAIN + 1) * _GRAIN
            yield start, min(stop, end) - start, ours
            start = stop

    def _take_edges(self, offset: int, length: int) -> None:
        """Put the grains that a write covers in part into the file first."""
        for place in {offset, offset + length}:
            grain = place // _GRAIN
            if place % _GRAIN and place < self.virtual_size and grain not in self._written:
                start = grain * _GRAIN
                old = self._view.read(start, min(_GRAIN, self.virtual_size - start))
                write_whole(self._file, old, start)

    def _mark(self, offset: int, length: int) -> None:
        if length:
            self._written.update(range(offset // _GRAIN, (offset + length - 1) // _GRAIN + 1))
