"""Files and block devices as sources and sinks.

Plain positional system calls, no mmap: a source that shrinks or fails under a
mapping kills the interpreter with SIGBUS, here it is an error like any other.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, Self

from kensho.model.errors import (
    CorruptError,
    LocatorError,
    NoSpaceError,
    NotFoundError,
    TruncatedError,
)
from kensho.model.extent import Extent, Kind
from kensho.storage.reading import check_range

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kensho.storage.base import ReadBuffer, WriteBuffer

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class FileSource:
    """A regular file or block device, opened read-only.

    LocatorError when it cannot be opened or is neither.
    """

    __slots__ = ("_fd", "_stamp", "name", "size")

    def __init__(self, path: str | os.PathLike[str], name: str | None = None) -> None:
        self.name = os.fspath(path) if name is None else name
        try:
            # O_NONBLOCK: opening a FIFO by mistake must fail below instead of waiting for a writer.
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            kind = NotFoundError if isinstance(error, FileNotFoundError) else LocatorError
            raise kind(f"cannot be opened: {reason}", path=self.name) from None
        status = os.fstat(self._fd)
        if stat.S_ISBLK(status.st_mode):
            self.size = os.lseek(self._fd, 0, os.SEEK_END)
        elif stat.S_ISREG(status.st_mode):
            self.size = status.st_size
        else:
            self.close()
            raise LocatorError("is neither a file nor a block device", path=self.name)
        self._stamp = (status.st_mtime_ns, status.st_size)

    def check_unchanged(self) -> None:
        """Raise CorruptError if the file was written to since it was opened."""
        status = os.fstat(self._fd)
        if (status.st_mtime_ns, status.st_size) != self._stamp:
            raise CorruptError(
                "the file changed while it was read",
                path=self.name,
                hint="stop the machine that uses it, or work on a snapshot",
            )

    def read_at(self, offset: int, length: int) -> bytes:
        """Return exactly ``length`` bytes from ``offset``; TruncatedError if they are not there."""
        # Checked first: a length out of a damaged table must not be allocated.
        check_range(self.name, self.size, offset, length)
        data = os.pread(self._fd, length, offset)
        if len(data) == length:
            return data
        buffer = bytearray(length)
        self.read_into(offset, buffer)
        return bytes(buffer)

    def read_into(self, offset: int, buffer: WriteBuffer) -> None:
        """Fill ``buffer`` from ``offset``; TruncatedError if the file ends first."""
        check_range(self.name, self.size, offset, len(buffer))
        view = memoryview(buffer)
        done = 0
        while done < len(view):
            got = os.preadv(self._fd, [view[done:]], offset + done)
            if got == 0:
                raise TruncatedError(
                    "the file became shorter", path=self.name, offset=offset + done
                )
            done += got

    def extents(self, start: int = 0, end: int | None = None) -> Iterator[Extent]:
        """Yield DATA and HOLE extents of the range, as the file system reports them."""
        end = self.size if end is None else min(end, self.size)
        position = start
        while position < end:
            data = min(self._seek(position, os.SEEK_DATA, end), end)
            if data > position:
                yield Extent(position, data - position, Kind.HOLE)
            if data >= end:
                return
            hole = min(self._seek(data, os.SEEK_HOLE, end), end)
            # A file changed under us can answer anything; progress is guaranteed all the same.
            hole = hole if hole > data else end
            yield Extent(data, hole - data, Kind.DATA, 0, data)
            position = hole

    def _seek(self, offset: int, whence: int, end: int) -> int:
        try:
            return os.lseek(self._fd, offset, whence)
        except OSError as error:
            if error.errno == errno.ENXIO:  # no data after offset
                return end
            if error.errno in {errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.ESPIPE}:
                # The file system cannot tell: all of it is data.
                return offset if whence == os.SEEK_DATA else end
            raise

    def kernel_file(self) -> tuple[int, int] | None:
        """Return (file descriptor, 0) for in-kernel copies."""
        return (self._fd, 0)

    def close(self) -> None:
        """Close the file; closing twice is allowed."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class FileSink:
    """A new file, written at any offset (ByteSink) and appended to (StreamSink).

    An existing file is emptied, unless ``keep``: then it must be there. LocatorError
    when it cannot be created, NoSpaceError when the file system is full.
    """

    __slots__ = ("_fd", "_position", "name")

    def __init__(
        self, path: str | os.PathLike[str], *, exclusive: bool = False, keep: bool = False
    ) -> None:
        self.name = os.fspath(path)
        flags = os.O_RDWR | os.O_CLOEXEC
        if keep:
            flags |= os.O_NOFOLLOW
        else:
            flags |= os.O_CREAT | ((os.O_EXCL | os.O_NOFOLLOW) if exclusive else os.O_TRUNC)
        try:
            self._fd = os.open(path, flags, 0o666)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise LocatorError(
                f"cannot be created: {reason}",
                path=self.name,
                hint="name a place that can be written to",
            ) from None
        self._position = 0

    @property
    def position(self) -> int:
        """Bytes appended so far."""
        return self._position

    def write_at(self, offset: int, data: ReadBuffer) -> None:
        """Write all of ``data`` at ``offset``, growing the file as needed."""
        view = memoryview(data)
        done = 0
        try:
            while done < len(view):
                done += os.pwrite(self._fd, view[done:], offset + done)
        except OSError as error:
            if error.errno in _NO_ROOM:
                raise NoSpaceError(f"write failed: {error.strerror}", path=self.name) from None
            raise

    def append(self, data: ReadBuffer) -> None:
        """Write all of ``data`` after what was appended before."""
        self.write_at(self._position, data)
        self._position += len(data)

    def advance_to(self, offset: int) -> None:
        """Append from ``offset`` on; bytes before it that were never written are zero."""
        self._position = offset

    def truncate(self, size: int) -> None:
        """Set the length to ``size`` bytes; new bytes are zero and take no room."""
        try:
            os.ftruncate(self._fd, size)
        except OSError as error:
            if error.errno in _NO_ROOM:
                raise NoSpaceError(f"cannot grow: {error.strerror}", path=self.name) from None
            raise

    def flush(self) -> None:
        """Make what was written durable."""
        os.fsync(self._fd)

    def kernel_file(self) -> tuple[int, int]:
        """Return (file descriptor, 0) for in-kernel copies."""
        return (self._fd, 0)

    def close(self) -> None:
        """Close the file; closing twice is allowed."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
