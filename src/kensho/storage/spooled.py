"""What is packed in a file that can only be unpacked from the front, with random access.

The beginning stays in memory: what a file is, and what it says about itself, costs no more. Who
asks for more gets the whole, unpacked once into a nameless temporary file (in ``TMPDIR``), which
is gone when the source is closed or the process ends.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from kensho.model.errors import LimitError, NoSpaceError
from kensho.model.units import GIB, MIB
from kensho.storage.reading import all_data, check_range, read_new

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kensho.model.extent import Extent
    from kensho.storage.base import ByteSource, WriteBuffer

#: Returns the next bytes that come out, at most so many and about; none at the end.
Unpack: TypeAlias = Callable[[int], bytes]

_STEP = MIB
_HEAD = 4 * MIB  # the most that is kept in memory
_LOOK = 256 * MIB  # how often free space is looked at
_LEAVE = GIB // 4  # free space that is left to others


class SpooledSource:
    """What ``begin`` unpacks from ``packed``; at most ``limit`` bytes.

    LimitError when there are more, NoSpaceError when the temporary folder cannot hold them, and
    what ``begin`` raises, each when the bytes are asked for. Closing closes ``packed``.
    """

    __slots__ = ("_begin", "_fd", "_head", "_limit", "_lock", "_packed", "_size", "_unpack", "name")

    def __init__(
        self, packed: ByteSource, begin: Callable[[ByteSource], Unpack], limit: int, name: str
    ) -> None:
        self.name = name
        self._packed = packed
        self._begin = begin
        self._limit = limit
        self._lock = threading.RLock()
        self._unpack: Unpack | None = begin(packed)
        self._head = bytearray()
        self._fd = -1
        self._size = -1

    @property
    def size(self) -> int:
        """Length in bytes; asking for it unpacks everything."""
        with self._lock:
            self._spool()
            return self._size

    @property
    def stamp(self) -> str:
        """What changes when the packed file does, for places that say so."""
        return getattr(self._packed, "stamp", "")

    def bound(self, limit: int) -> None:
        """Allow ``limit`` bytes, what the beginning says that there are, however small they pack.

        A disk of one pattern packs ten thousand times; free space is looked at on the way.
        """
        self._limit = limit

    def peek(self, length: int) -> bytes:
        """Return the first bytes, fewer when there are fewer; at most 4 MiB stay in memory."""
        with self._lock:
            while self._unpack is not None and len(self._head) < min(length, _HEAD):
                part = self._unpack(_STEP)
                if not part:
                    self._unpack = None
                self._head += part
            return bytes(self._head[:length])

    def read_at(self, offset: int, length: int) -> bytes:
        """Return exactly ``length`` bytes from ``offset``; TruncatedError if they are not there."""
        if offset >= 0 and length >= 0 and offset + length <= _HEAD:
            head = self.peek(offset + length)
            if len(head) == offset + length:
                return head[offset:]
        return read_new(self, offset, length)

    def read_into(self, offset: int, buffer: WriteBuffer) -> None:
        """Fill ``buffer`` from ``offset``; TruncatedError if the source ends first."""
        view = memoryview(buffer).cast("B")
        check_range(self.name, self.size, offset, len(view))
        done = 0
        while done < len(view):
            got = os.preadv(self._fd, [view[done:]], offset + done)
            if got == 0:
                raise OSError("a temporary file lost its end")
            done += got

    def extents(self, start: int = 0, end: int | None = None) -> Iterator[Extent]:
        """Return the whole range as one DATA extent."""
        return all_data(self.size, start, end)

    def kernel_file(self) -> tuple[int, int] | None:
        """Return the temporary file."""
        return (self._fd, 0) if self.size >= 0 else None

    def close(self) -> None:
        """Give the temporary file back and close the packed one; closing twice is allowed."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        self._packed.close()

    def _spool(self) -> None:
        """Unpack everything, unless that was done."""
        if self._size >= 0:
            return
        unpack = self._begin(self._packed)
        folder = tempfile.gettempdir()
        fd, path = tempfile.mkstemp(prefix="kensho-", dir=folder)
        try:
            Path(path).unlink()
            done = looked = 0
            while part := unpack(_STEP):
                if done >= looked:
                    self._demand_room(folder, self._limit - done)
                    looked = done + _LOOK
                done += self._write(fd, part, done, folder)
                self._check_limit(done)
        except BaseException:
            os.close(fd)
            raise
        self._fd, self._size = fd, done

    def _write(self, fd: int, part: bytes, offset: int, folder: str) -> int:
        view = memoryview(part)
        done = 0
        while done < len(view):
            try:
                done += os.pwrite(fd, view[done:], offset + done)
            except OSError as error:
                raise self._no_room(folder, error.strerror or "") from None
        return done

    def _check_limit(self, done: int) -> None:
        if done > self._limit:
            raise LimitError(
                f"unpacks to more than {self._limit} bytes",
                path=self.name,
                hint="a small file that unpacks without end is an attack; if this one is sound,"
                " unpack it yourself and name the result",
            )

    def _demand_room(self, folder: str, most: int) -> None:
        """NoSpaceError unless there is room for ``most`` more bytes, or for long enough."""
        if shutil.disk_usage(folder).free < min(most, _LOOK + _LEAVE):
            raise self._no_room(folder, "too little is free")

    def _no_room(self, folder: str, why: str) -> NoSpaceError:
        return NoSpaceError(
            f"cannot be unpacked in {folder}: {why}",
            path=self.name,
            hint="set TMPDIR to a folder with room for all of it, or unpack it yourself",
        )
