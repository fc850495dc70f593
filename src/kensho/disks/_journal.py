"""What of an unfinished disk is safe on the storage: a file of checkpoints beside it.

The file begins with a line of JSON that says of what conversion it is. Then come
checkpoints: a head (magic, number of runs, CRC-32 of them) and the runs of the disk,
pairs of unsigned 64-bit (offset, length) little endian, that became durable since the
one before. A checkpoint is written after the data it speaks of was synced; one that
is torn or damaged ends the journal.
"""

from __future__ import annotations

import array
import fcntl
import hashlib
import json
import os
import struct
import zlib
from typing import TYPE_CHECKING

from kensho.disks._tables import read_table, write_table
from kensho.model.errors import LocatorError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_HEAD = struct.Struct("<8sQI")
_MAGIC = b"KNSHCKPT"
_MAX_TITLE = 4096
_MAX_RUNS = 1 << 20  # per checkpoint; more are written as several


class Journal:
    """The open journal of one disk; holds a lock so that no other run touches the disk.

    UsageError when another run holds it, LocatorError when it cannot be made. ``has_runs`` tells whether a journal of this
    very ``key`` with at least one checkpoint was there.
    """

    __slots__ = ("_end", "_fd", "_first", "_runs", "has_runs", "path")

    def __init__(self, path: Path, key: bytes) -> None:
        self.path = path
        self._runs = array.array("Q")
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            self._fd = os.open(path, flags, 0o666)
        except OSError as error:
            raise LocatorError(
                f"cannot be created: {error.strerror}",
                path=path,
                hint="name a place that can be written to",
            ) from None
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            mine = os.fstat(self._fd).st_nlink > 0  # else its owner removed it just now
        except BlockingIOError:
            mine = False
        if not mine:
            os.close(self._fd)
            raise UsageError(
                "another run is working on this disk", path=path, hint="wait for it to end"
            )
        title = _title(key)
        self._first = self._end = len(title)
        self.has_runs = os.pread(self._fd, len(title), 0) == title and any(True for _ in self)
        if not self.has_runs:
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, title, 0)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Yield the (offset, length) of all runs that are safe, ascending."""
        self._end = self._first
        while (block := _read_block(self._fd, self._end)) is not None:
            yield from zip(block[::2], block[1::2], strict=True)
            self._end += _HEAD.size + 8 * len(block)

    def restart(self) -> None:
        """Forget all checkpoints."""
        os.ftruncate(self._fd, self._first)
        self._end = self._first
        self.has_runs = False

    def add(self, offset: int, length: int) -> None:
        """Note a run for the next checkpoint; neighbours become one."""
        runs = self._runs
        if runs and runs[-2] + runs[-1] == offset:
            runs[-1] += length
        else:
            runs.extend((offset, length))

    def checkpoint(self) -> None:
        """Make the runs noted count; their data are durable already."""
        while self._runs:
            body = write_table(self._runs[: 2 * _MAX_RUNS])
            head = _HEAD.pack(_MAGIC, len(body) // 16, zlib.crc32(body))
            os.pwrite(self._fd, head + body, self._end)
            self._end += len(head) + len(body)
            del self._runs[: 2 * _MAX_RUNS]
        os.ftruncate(self._fd, self._end)  # what a torn checkpoint left
        os.fsync(self._fd)
        self.has_runs = True

    def close(self) -> None:
        """Let go of the journal; the file stays."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def remove(self) -> None:
        """Delete the file and let go of it."""
        self.path.unlink(missing_ok=True)
        self.close()


def _title(key: bytes) -> bytes:
    digest = hashlib.sha256(key).hexdigest()
    return json.dumps({"kensho": "journal of an unfinished disk", "key": digest}).encode() + b"\n"


def has_checkpoint(path: Path) -> bool:
    """Return whether the file is a journal, of whatever conversion, with a checkpoint."""
    try:
        with path.open("rb") as file:
            title = file.readline(_MAX_TITLE)
            return title.endswith(b"\n") and _read_block(file.fileno(), len(title)) is not None
    except OSError:
        return False


def _read_block(fd: int, at: int) -> array.array[int] | None:
    head = os.pread(fd, _HEAD.size, at)
    if len(head) < _HEAD.size:
        return None
    magic, count, checksum = _HEAD.unpack(head)
    if magic != _MAGIC or not 0 < count <= _MAX_RUNS:
        return None
    body = os.pread(fd, 16 * count, at + _HEAD.size)
    if len(body) < 16 * count or zlib.crc32(body) != checksum:
        return None
    return read_table(body, "Q")
