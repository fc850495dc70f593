"""Standard input and output as pipes: bytes in the order they come, each of them once."""

from __future__ import annotations

import errno
import os
from functools import partial
from typing import TYPE_CHECKING

from kensho.model.errors import NoSpaceError, TruncatedError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from kensho.storage.base import ReadBuffer, WriteBuffer

_ZEROS = bytes(1 << 20)


class ForwardBytes:
    """Bytes that come once, in order, from whatever ``fill`` takes them from; not for threads.

    ``fill`` fills a buffer from its front and returns how much that was: less only at the end.
    """

    __slots__ = ("_ahead", "_fill", "name", "position")

    def __init__(self, fill: Callable[[memoryview], int], name: str) -> None:
        self._fill = fill
        self._ahead = b""
        self.name = name
        self.position = 0

    def read_up_to(self, buffer: WriteBuffer) -> int:
        """Fill ``buffer`` as far as there is something; return how much that was."""
        view = memoryview(buffer)
        done = min(len(self._ahead), len(view))
        view[:done] = self._ahead[:done]
        self._ahead = self._ahead[done:]
        if done < len(view):
            done += self._fill(view[done:])
        self.position += done
        return done

    def peek(self, length: int) -> bytes:
        """Return the next bytes, at most ``length``, without going on."""
        if length > len(self._ahead):
            buffer = bytearray(length - len(self._ahead))
            self._ahead += bytes(buffer[: self._fill(memoryview(buffer))])
        return self._ahead[:length]

    def take(self, length: int) -> bytes:
        """Return at most ``length`` bytes: less only at the end."""
        buffer = bytearray(length)
        return bytes(memoryview(buffer)[: self.read_up_to(buffer)])

    def read(self, length: int) -> bytes:
        """Return exactly ``length`` bytes; TruncatedError when the pipe ends before."""
        buffer = bytearray(length)
        if (got := self.read_up_to(buffer)) < length:
            raise TruncatedError(
                f"the pipe ended; {length - got} bytes more were promised",
                path=self.name,
                offset=self.position,
                hint="look at the exit code of the program that writes into the pipe",
            )
        return bytes(buffer)


class PipeReader(ForwardBytes):
    """Bytes from a pipe, a socket or anything else that only goes forward."""

    __slots__ = ()

    def __init__(self, fd: int = 0, name: str = "-") -> None:
        super().__init__(partial(_fill, fd), name)


def _fill(fd: int, view: memoryview) -> int:
    done = 0
    while done < len(view):
        got = os.readv(fd, [view[done:]])
        if got == 0:
            break
        done += got
    return done


class PipeSink:
    """A pipe as a sink: appended to, or written at rising offsets with zeros in between.

    UnsupportedError for a write before the current position.
    """

    __slots__ = ("_fd", "_size", "name", "position")

    def __init__(self, fd: int = 1, name: str = "-") -> None:
        self._fd = fd
        self._size = 0
        self.name = name
        self.position = 0

    def append(self, data: ReadBuffer) -> None:
        """Write all of ``data`` into the pipe."""
        view = memoryview(data)
        done = 0
        try:
            while done < len(view):
                done += os.write(self._fd, view[done:])
        except OSError as error:
            if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
                raise NoSpaceError(f"write failed: {error.strerror}", path=self.name) from None
            raise
        self.position += len(view)

    def write_at(self, offset: int, data: ReadBuffer) -> None:
        """Write zeros up to ``offset`` and then ``data``."""
        if offset < self.position:
            raise UnsupportedError(
                "this format is not written from front to back", path=self.name, offset=offset
            )
        self._zeros_to(offset)
        self.append(data)

    def advance_to(self, offset: int) -> None:
        """Write zeros up to ``offset``."""
        self._zeros_to(offset)

    def truncate(self, size: int) -> None:
        """Note the length; ``flush`` writes the zeros missing at the end."""
        self._size = size

    def flush(self) -> None:
        """Write zeros up to the length that was noted."""
        self._zeros_to(self._size)

    def _zeros_to(self, offset: int) -> None:
        while self.position < offset:
            self.append(memoryview(_ZEROS)[: min(len(_ZEROS), offset - self.position)])
