"""The first member of a tar archive, sparse or not, as a source of its own.

Source: GNU tar manual, "Basic Tar Format" (oldgnu_header: ``sp`` at 386, ``isextended`` at 482,
``realsize`` at 483) and "Old GNU Format" of sparse files. Google Cloud's own guide makes its images
with ``tar --format=oldgnu -Sczf``, so its disks may be stored like that.
"""

from __future__ import annotations

import bisect
from typing import TYPE_CHECKING

from kensho.model.errors import CorruptError, LimitError, TruncatedError, UnsupportedError
from kensho.model.extent import Extent, Kind
from kensho.storage.reading import check_range, read_new
from kensho.storage.tar import BLOCK, checksum
from kensho.storage.window import WindowSource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kensho.storage.base import ByteSource, WriteBuffer

_ENTRY = 24
_IN_HEADER, _IN_BLOCK = 4, 21
_MOST_PIECES = 1_000_000


class SparseSource:
    """Pieces of ``source`` with zeros between them; closing it leaves ``source`` open.

    ``pieces`` are (start, length, offset in ``source``), ascending and apart.
    """

    __slots__ = ("_pieces", "_source", "_starts", "name", "size")

    def __init__(
        self, source: ByteSource, pieces: list[tuple[int, int, int]], size: int, name: str
    ) -> None:
        self._source = source
        self._pieces = pieces
        self._starts = [start for start, _, _ in pieces]
        self.name = name
        self.size = size

    def read_at(self, offset: int, length: int) -> bytes:
        """Return exactly ``length`` bytes from ``offset``; TruncatedError if they are not there."""
        return read_new(self, offset, length)

    def read_into(self, offset: int, buffer: WriteBuffer) -> None:
        """Fill ``buffer`` from ``offset``; TruncatedError if the source ends first."""
        view = memoryview(buffer).cast("B")
        check_range(self.name, self.size, offset, len(view))
        for extent in self.extents(offset, offset + len(view)):
            part = view[extent.start - offset : extent.start - offset + extent.length]
            if extent.kind is Kind.DATA:
                self._source.read_into(self._below(extent.start), part)
            else:
                part[:] = bytes(len(part))

    def extents(self, start: int = 0, end: int | None = None) -> Iterator[Extent]:
        """Yield DATA for the pieces and HOLE between them; where they lie is not told."""
        end = self.size if end is None else min(end, self.size)
        at = start
        first = max(bisect.bisect_right(self._starts, start) - 1, 0)
        for place, length, _ in self._pieces[first:]:
            begin, stop = max(place, at), min(place + length, end)
            if begin >= stop:
                if place >= end:
                    break
                continue
            if begin > at:
                yield Extent(at, begin - at, Kind.HOLE)
            yield Extent(begin, stop - begin, Kind.DATA, 0, begin)
            at = stop
        if at < end:
            yield Extent(at, end - at, Kind.HOLE)

    def kernel_file(self) -> None:
        """Return None: no file has these bytes in one piece."""
        return

    def close(self) -> None:
        """Do nothing; the source below belongs to whoever opened it."""

    def _below(self, offset: int) -> int:
        place, _, below = self._pieces[bisect.bisect_right(self._starts, offset) - 1]
        return below + offset - place


def first_member(source: ByteSource, name: str) -> ByteSource:
    """Return the archive's first member, which has to be a file called ``name``.

    UnsupportedError when it is another one or of a kind unknown here, CorruptError for a bad
    header or map, TruncatedError when its bytes are not all there.
    """
    header = source.read_at(0, BLOCK)
    kind, size, real_size = read_header(header, source.name, name)
    if kind != b"S":
        return WindowSource(source, BLOCK, size, f"{source.name}#{name}")
    pieces = _map(source, header)
    stored = BLOCK + _blocks_of_map(source, header) * BLOCK
    placed: list[tuple[int, int, int]] = []
    at = 0
    for start, length in pieces:
        if start < at or start + length > real_size:
            raise CorruptError("the map of the sparse file is wrong", path=source.name, offset=386)
        if length:
            placed.append((start, length, stored))
        at = start + length
        stored += length
    if stored > source.size:
        raise TruncatedError("the sparse file is cut off", path=source.name, offset=source.size)
    return SparseSource(source, placed, real_size, f"{source.name}#{name}")


def read_header(header: bytes, path: str, name: str) -> tuple[bytes, int, int]:
    """Return the kind, the stored and the real size of the member ``name`` by its header.

    Raises what `first_member` does.
    """
    if len(header) < BLOCK or _number(header[148:156], path, "chksum") != checksum(header):
        raise CorruptError("not the header of a tar archive", path=path, offset=0)
    found = header[:100].split(b"\0", 1)[0].decode("latin-1").removeprefix("./")
    kind = header[156:157]
    if found != name or kind not in {b"0", b"\0", b"7", b"S"}:
        raise UnsupportedError(
            f"the archive begins with {found!r}, not with the file {name}", path=path, offset=0
        )
    size = _number(header[124:136], path, "size")
    return kind, size, _number(header[483:495], path, "realsize") if kind == b"S" else size


def _map(source: ByteSource, header: bytes) -> list[tuple[int, int]]:
    entries = _entries(header[386:482], _IN_HEADER, source.name)
    more, at = header[482] != 0, BLOCK
    while more:
        if len(entries) > _MOST_PIECES:
            raise LimitError(f"more than {_MOST_PIECES} pieces", path=source.name, offset=at)
        block = source.read_at(at, BLOCK)
        entries += _entries(block[:504], _IN_BLOCK, source.name)
        more, at = block[504] != 0, at + BLOCK
    return entries


def _blocks_of_map(source: ByteSource, header: bytes) -> int:
    """Return how many blocks of the map follow the header."""
    count, more = 0, header[482] != 0
    while more:
        more = source.read_at(BLOCK * (count + 1), BLOCK)[504] != 0
        count += 1
    return count


def _entries(field: bytes, most: int, path: str) -> list[tuple[int, int]]:
    entries = []
    for number in range(most):
        entry = field[number * _ENTRY : (number + 1) * _ENTRY]
        if not entry.strip(b"\0 "):
            break
        entries.append((_number(entry[:12], path, "sp"), _number(entry[12:], path, "sp")))
    return entries


def _number(field: bytes, path: str, what: str) -> int:
    if field[:1] == b"\x80":  # GNU base-256
        return int.from_bytes(field[1:], "big")
    text = field.strip(b" \0")
    if not text:
        return 0
    if any(digit not in b"01234567" for digit in text):
        raise CorruptError("not an octal number", path=path, offset=0, field=what)
    return int(text, 8)
