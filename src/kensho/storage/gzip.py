"""Gzip (RFC 1952) read at any offset, without a copy on disk.

Deflate can only be decoded from the front, so the whole file is decoded once when it is opened:
that gives its size, checks every CRC, and leaves restart points behind (copies of the decoder,
as in zlib's examples/zran.c). A read goes on from the nearest point before it. The points are
bounded in number: the longer the file, the further apart they are.
"""

from __future__ import annotations

import bisect
import threading
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kensho.model.errors import CorruptError, LimitError, TruncatedError
from kensho.model.extent import Extent
from kensho.storage._cache import BlockCache
from kensho.storage.reading import all_data, check_range, read_new

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kensho.storage.base import ByteSource, WriteBuffer

MAGIC = b"\x1f\x8b"
_GZIP = 31  # zlib's wbits: a gzip header, the largest window
_INPUT = 1 << 15  # what is left of it stays with every point
_OUTPUT = 1 << 20  # also the least distance between points
_MOST_POINTS = 512  # less than 80 KiB each


@dataclass(slots=True)
class _Decoder:
    """A decoder that has read ``read`` bytes of the file and made ``made``."""

    read: int
    made: int
    inflate: Any

    def copy(self) -> _Decoder:
        return _Decoder(self.read, self.made, self.inflate.copy())


class GzipSource:
    """What is packed in ``source``, of one or more gzip members, as a source of its own.

    At most ``limit`` bytes are unpacked. LimitError when there are more, CorruptError when the
    data are damaged, TruncatedError when they end too early. Closing closes ``source``, which
    stays open when the constructor fails.
    """

    __slots__ = ("_cache", "_current", "_lock", "_points", "_source", "name", "size")

    def __init__(self, source: ByteSource, limit: int, name: str | None = None) -> None:
        self._source = source
        self.name = name or source.name
        self._lock = threading.Lock()
        self._points: list[_Decoder] = []
        self.size = self._index(limit)
        self._current = self._points[0].copy()
        self._cache = BlockCache(self.size, self._fetch)

    @property
    def stamp(self) -> str:
        """What changes when the packed file does, for places that say so."""
        return getattr(self._source, "stamp", "")

    def read_at(self, offset: int, length: int) -> bytes:
        """Return exactly ``length`` bytes from ``offset``; TruncatedError if they are not there."""
        return read_new(self, offset, length)

    def read_into(self, offset: int, buffer: WriteBuffer) -> None:
        """Fill ``buffer`` from ``offset``; TruncatedError if the source ends first."""
        view = memoryview(buffer).cast("B")
        check_range(self.name, self.size, offset, len(view))
        self._cache.read_into(offset, view)

    def extents(self, start: int = 0, end: int | None = None) -> Iterator[Extent]:
        """Return the whole range as one DATA extent."""
        return all_data(self.size, start, end)

    def kernel_file(self) -> None:
        """Return None: no file has these bytes."""
        return

    def close(self) -> None:
        """Close the packed file; closing twice is allowed."""
        self._source.close()

    def _index(self, limit: int) -> int:
        """Decode everything once; keep restart points and return the size."""
        decoder = _Decoder(0, 0, zlib.decompressobj(_GZIP))
        self._points.append(decoder.copy())
        apart = _OUTPUT
        while True:
            if decoder.made - self._points[-1].made >= apart:
                self._points.append(decoder.copy())
                if len(self._points) > _MOST_POINTS:
                    self._points = self._points[::2]
                    apart *= 2
            if not self._more(decoder, _OUTPUT):
                return decoder.made
            if decoder.made > limit:
                raise LimitError(
                    f"unpacks to more than {limit} bytes, the most that its disk can need",
                    path=self.name,
                    hint="a small file that unpacks without end is an attack; if this one is"
                    " sound, unpack it with gunzip and remove ovf:compression",
                )

    def _more(self, decoder: _Decoder, most: int) -> bytes:
        """Return the next bytes, at most ``most``; none at the end of the file."""
        while True:
            if decoder.inflate.eof and not self._next_member(decoder):
                return b""
            data = self._source.read_at(decoder.read, min(_INPUT, self._source.size - decoder.read))
            try:
                made: bytes = decoder.inflate.decompress(data, most)
            except zlib.error as error:
                raise CorruptError(
                    f"the gzip data are damaged: {error}", path=self.name, offset=decoder.read
                ) from None
            decoder.read += len(data)
            decoder.read -= len(decoder.inflate.unconsumed_tail or decoder.inflate.unused_data)
            decoder.made += len(made)
            if made:
                return made
            if not data and not decoder.inflate.eof:
                raise TruncatedError(
                    "the gzip data end too early", path=self.name, offset=decoder.read
                )

    def _next_member(self, decoder: _Decoder) -> bool:
        """Begin the member that follows, if one does; zeros up to the end are padding."""
        at = decoder.read
        left = self._source.size - at
        if self._source.read_at(at, min(2, left)) == MAGIC:
            decoder.inflate = zlib.decompressobj(_GZIP)
            return True
        while left:
            part = self._source.read_at(self._source.size - left, min(left, _INPUT))
            if any(part):
                raise CorruptError(
                    "something follows the gzip data", path=self.name, offset=decoder.read
                )
            left -= len(part)
        return False

    def _fetch(self, offset: int, view: memoryview) -> None:
        with self._lock:
            at = bisect.bisect_right(self._points, offset, key=lambda point: point.made) - 1
            if not self._points[at].made <= self._current.made <= offset:
                self._current = self._points[at].copy()
            decoder = self._current
            while decoder.made < offset:
                self._expect(decoder, min(_OUTPUT, offset - decoder.made))
            done = 0
            while done < len(view):
                part = self._expect(decoder, min(_OUTPUT, len(view) - done))
                view[done : done + len(part)] = part
                done += len(part)

    def _expect(self, decoder: _Decoder, most: int) -> bytes:
        part = self._more(decoder, most)
        if not part:
            raise CorruptError("the file changed while it was read", path=self.name)
        return part
