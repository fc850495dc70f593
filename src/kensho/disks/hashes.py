"""The block hashes of a disk that was written: a file beside it, for the next update.

docs/integrity.md describes the file: a line of text; records of 40 bytes, the index of a
leaf that is not all zero (unsigned 64 bits, little endian) and its digest
(``kensho.disks.content``), ascending; facts about the disk as JSON; the length of those
(32 bits) and the BLAKE3 of all that comes before it.
"""

from __future__ import annotations

import bisect
import struct
from typing import TYPE_CHECKING, Self

import msgspec

from kensho.disks.content import LEAF
from kensho.model.errors import CorruptError
from kensho.storage.atomic import PendingFile, partial_path
from kensho.storage.file import FileSource

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

#: (format, subformat) of disks that can be changed in place, and so have use for hashes.
CHANGEABLE = {
    ("raw", "sparse"),
    ("vhd", "fixed"),
    ("vhdx", "fixed"),
    ("vhdx", "fixed-4kn"),
    ("vdi", "fixed"),
    ("qcow2", "uncompressed"),
}

CHANGEABLE_NAMES = "raw, fixed VHD, VHDX and VDI, and uncompressed QCOW2"

_HEAD = b"kensho block hashes 1\n"
_RECORD = struct.Struct("<Q32s")
_END = struct.Struct("<I32s")
_MAX_FACTS = 1 << 16
_CHUNK = _RECORD.size << 14


class Facts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which disk the hashes are of: how it was written, its root, and its file at that time.

    ``inode`` and ``modified`` (ns) tell without reading whether the file was changed since.
    """

    format: str
    subformat: str
    virtual_size: int
    root: str
    file_size: int
    inode: int
    modified: int


def facts_of(path: Path, format_: str, subformat: str, virtual_size: int, root: str) -> Facts:
    """Return the facts about a disk whose file, complete and closed, is at ``path``."""
    status = path.stat()
    return Facts(
        format=format_,
        subformat=subformat,
        virtual_size=virtual_size,
        root=root,
        file_size=status.st_size,
        inode=status.st_ino,
        modified=status.st_mtime_ns,
    )


def hashes_path(disk: Path) -> Path:
    """Return where the block hashes of a disk are kept."""
    return disk.with_name(f"{disk.name}.kensho-hashes")


def forget_hashes(disk: Path) -> None:
    """Remove the block hashes of a disk that is another one now."""
    for path in (hashes_path(disk), partial_path(hashes_path(disk))):
        path.unlink(missing_ok=True)


class HashLog:
    """Writes the block hashes of ``disk``; they appear with ``commit`` or not at all."""

    __slots__ = ("_buffer", "_digest", "_pending")

    def __init__(self, disk: Path) -> None:
        from blake3 import blake3

        self._pending = PendingFile(hashes_path(disk))
        self._digest = blake3()
        self._buffer = bytearray(_HEAD)

    def add(self, leaves: Iterable[tuple[int, bytes]]) -> None:
        """Append (index, digest) pairs, ascending."""
        for index, digest in leaves:
            self._buffer += _RECORD.pack(index, digest)
        if len(self._buffer) >= _CHUNK:
            self._write()

    def commit(self, facts: Facts) -> None:
        """Put the file in place, durably."""
        about = msgspec.json.encode(facts)
        self._buffer += about
        self._write()
        self._pending.sink.append(_END.pack(len(about), self._digest.digest()))
        self._pending.commit()

    def discard(self) -> None:
        """Remove what was written; without effect after ``commit``."""
        self._pending.discard()

    def _write(self) -> None:
        self._digest.update(bytes(self._buffer))
        self._pending.sink.append(self._buffer)
        self._buffer.clear()


class HashFile:
    """Block hashes open for reading, their checksum verified; from any thread.

    LocatorError when the file is not there, CorruptError when it is damaged.
    """

    __slots__ = ("_count", "_source", "facts")

    def __init__(self, path: Path) -> None:
        self._source = FileSource(path)
        try:
            self.facts = self._read_facts()
        except BaseException:
            self._source.close()
            raise

    def leaves(self, start: int, end: int) -> list[tuple[int, bytes]]:
        """Return (index, digest) of the leaves within bytes ``start`` to ``end`` of the disk."""
        low = bisect.bisect_left(range(self._count), start // LEAF, key=self._index)
        most = min(-(-end // LEAF) - start // LEAF, self._count - low)
        return [(index, digest) for index, digest in self._records(low, most) if index * LEAF < end]

    def spans(self, window: int) -> Iterator[tuple[int, int]]:
        """Yield (start, end) of what is not all zero, within windows of ``window`` bytes."""
        size = self.facts.virtual_size
        begin = end = 0
        per_chunk = _CHUNK // _RECORD.size
        for first in range(0, self._count, per_chunk):
            for index, _ in self._records(first, min(per_chunk, self._count - first)):
                low = index * LEAF
                if low < end or low >= size:
                    raise self._corrupt("leaves out of order")
                if low > end or low % window == 0 or begin == end:
                    if begin < end:
                        yield begin, end
                    begin = low
                end = min(low + LEAF, size)
        if begin < end:
            yield begin, end

    def close(self) -> None:
        """Close the file; closing twice is allowed."""
        self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _read_facts(self) -> Facts:
        from blake3 import blake3

        size = self._source.size
        if size < len(_HEAD) + _END.size or self._source.read_at(0, len(_HEAD)) != _HEAD:
            raise self._corrupt("these are no block hashes")
        length, checksum = _END.unpack(self._source.read_at(size - _END.size, _END.size))
        records = size - _END.size - length - len(_HEAD)
        if length > _MAX_FACTS or records < 0 or records % _RECORD.size:
            raise self._corrupt("the block hashes are damaged")
        self._count = records // _RECORD.size
        digest = blake3()
        for at in range(0, size - _END.size, 1 << 20):
            digest.update(self._source.read_at(at, min(1 << 20, size - _END.size - at)))
        if digest.digest() != checksum:
            raise self._corrupt("the block hashes are damaged")
        try:
            return msgspec.json.decode(
                self._source.read_at(size - _END.size - length, length), type=Facts
            )
        except msgspec.MsgspecError as error:
            raise self._corrupt(f"the block hashes say nothing useful: {error}") from None

    def _records(self, first: int, count: int) -> Iterator[tuple[int, bytes]]:
        at = len(_HEAD) + first * _RECORD.size
        return _RECORD.iter_unpack(self._source.read_at(at, count * _RECORD.size))

    def _index(self, number: int) -> int:
        raw = self._source.read_at(len(_HEAD) + number * _RECORD.size, 8)
        return int.from_bytes(raw, "little")

    def _corrupt(self, message: str) -> CorruptError:
        return CorruptError(
            message,
            path=self._source.name,
            hint="write the disk anew with --overwrite --hash",
        )


def is_unchanged(path: Path, facts: Facts) -> bool:
    """Return whether the file at ``path`` is the one the hashes were made of, never written since."""
    status = path.stat()
    return (status.st_size, status.st_ino, status.st_mtime_ns) == (
        facts.file_size,
        facts.inode,
        facts.modified,
    )
