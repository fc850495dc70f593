"""A pipe as a source that is read from front to back: what lies behind is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kensho.model.errors import TruncatedError, UnsupportedError
from kensho.model.extent import Extent, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kensho.storage.base import WriteBuffer
    from kensho.storage.pipe import PipeReader

_ENDLESS = 1 << 62
_AHEAD = 512
_SKIP = 1 << 20


class ForwardSource:
    """Bytes of a pipe by rising offsets; not for threads.

    ``size`` is only known once the end was reached; until then it is far more than any pipe
    brings. UnsupportedError for a read of what has gone by.
    """

    __slots__ = ("_ahead", "_pipe", "_position", "name")

    def __init__(self, pipe: PipeReader) -> None:
        self._pipe = pipe
        self._ahead = b""
        self._position = 0
        self.name = pipe.name

    @property
    def position(self) -> int:
        """Where the next read may begin: all before it has gone by."""
        return self._position

    @property
    def size(self) -> int:
        """Return where the pipe ends, if it ends within the next bytes, else a huge number."""
        if len(self._ahead) < _AHEAD:
            buffer = bytearray(_AHEAD - len(self._ahead))
            self._ahead += bytes(buffer[: self._pipe.read_up_to(buffer)])
        return _ENDLESS if len(self._ahead) == _AHEAD else self._position + len(self._ahead)

    def read_at(self, offset: int, length: int) -> bytes:
        """Return exactly ``length`` bytes from ``offset``; TruncatedError if they are not there."""
        buffer = bytearray(length)
        self.read_into(offset, buffer)
        return bytes(buffer)

    def read_into(self, offset: int, buffer: WriteBuffer) -> None:
        """Fill ``buffer`` from ``offset``; TruncatedError if the pipe ends first."""
        if offset < self._position:
            raise UnsupportedError(
                "this part of the pipe has gone by", path=self.name, offset=offset
            )
        while self._position < offset:
            self._take(memoryview(bytearray(min(_SKIP, offset - self._position))))
        self._take(memoryview(buffer))

    def _take(self, view: memoryview) -> None:
        ready = min(len(self._ahead), len(view))
        view[:ready] = self._ahead[:ready]
        self._ahead = self._ahead[ready:]
        got = ready + self._pipe.read_up_to(view[ready:])
        self._position += got
        if got < len(view):
            raise TruncatedError(
                f"the pipe ended; {len(view) - got} bytes more were promised",
                path=self.name,
                offset=self._position,
                hint="look at the exit code of the program that writes into the pipe",
            )

    def extents(self, start: int = 0, end: int | None = None) -> Iterator[Extent]:
        """Yield the range as data: a pipe knows no holes."""
        end = self.size if end is None else end
        if start < end:
            yield Extent(start, end - start, Kind.DATA, 0, start)

    def kernel_file(self) -> None:
        """Return None: it cannot be read at offsets."""
        return

    def close(self) -> None:
        """Do nothing; the pipe belongs to the caller."""
