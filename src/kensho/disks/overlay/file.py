"""The file of an overlay: opened for reading and writing, and by one program at a time.

The locks are advisory ones. QEMU's own (docs/system/images.rst, "Disk image file
locking"; block/file-posix.c of QEMU describes the bytes) are taken as well, so that
QEMU refuses the file while it is in use here and the other way round.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct

from kensho.model.errors import CorruptError, KenshoError, LocatorError, NoSpaceError, UsageError
from kensho.storage import FileSource

_FLOCK = struct.Struct("hhqqi4x")  # struct flock of 64-bit Linux
_PERM_BASE, _SHARED_BASE = 100, 200
_CONSISTENT_READ, _WRITE, _RESIZE = 0, 1, 3  # QEMU's permission bits
_MAX_PARTS = 1024  # IOV_MAX
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class OverlayFile:
    """Positional reads and writes; once ``sync`` has failed, nothing is written any more.

    LocatorError when the file cannot be opened, UsageError when someone else uses it.
    """

    __slots__ = ("_broken", "_fd", "_source", "name", "size")

    def __init__(self, path: str) -> None:
        self.name = path
        self._source = FileSource(path)  # says so if it is no file
        self._broken = False
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            self._source.close()
            raise LocatorError(
                f"cannot be opened for writing: {error.strerror}", path=path
            ) from None
        try:
            _lock(self._fd, path)
        except BaseException:
            self.close()
            raise
        self.size = os.fstat(self._fd).st_size

    @property
    def source(self) -> FileSource:
        """The file as it was when it was opened, to read its header."""
        return self._source

    def read_into(self, offset: int, view: memoryview) -> None:
        """Fill ``view`` from ``offset``; CorruptError when the file became shorter."""
        done = 0
        while done < len(view):
            got = os.preadv(self._fd, [view[done:]], offset + done)
            if got == 0:
                raise CorruptError("the file ends here", path=self.name, offset=offset + done)
            done += got

    def read_at(self, offset: int, length: int) -> bytes:
        """Return ``length`` bytes, which the caller has bounded."""
        buffer = bytearray(length)
        self.read_into(offset, memoryview(buffer))
        return bytes(buffer)

    def write_at(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Write all of ``data``, inside the file's size; NoSpaceError, or its base class."""
        self._demand_sound()
        view = memoryview(data)
        done = 0
        try:
            while done < len(view):
                done += os.pwrite(self._fd, view[done:], offset + done)
        except OSError as error:
            raise self._failed(error) from None

    def write_parts(self, offset: int, parts: list[memoryview]) -> None:
        """Write ``parts`` one behind the other, in one system call if it takes them."""
        self._demand_sound()
        try:
            done = os.pwritev(self._fd, parts, offset) if len(parts) <= _MAX_PARTS else 0
        except OSError as error:
            raise self._failed(error) from None
        for part in parts:
            if done < len(part):
                self.write_at(offset + done, part[done:])
            offset += len(part)
            done = max(0, done - len(part))

    def truncate(self, size: int) -> None:
        """Set the file's size; new bytes are zero and take no room."""
        self._demand_sound()
        try:
            os.ftruncate(self._fd, size)
        except OSError as error:
            raise self._failed(error) from None
        self.size = size

    def sync(self) -> None:
        """Make what was written durable."""
        self._demand_sound()
        try:
            os.fdatasync(self._fd)
        except OSError as error:
            # Linux drops the dirty pages after telling of the error once: what is on
            # the disk is unknown from now on, so tables must not be made to point there.
            self._broken = True
            raise self._failed(error) from None

    def close(self) -> None:
        """Close the file, which gives up the locks; closing twice is allowed."""
        self._source.close()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _demand_sound(self) -> None:
        if self._broken:
            raise KenshoError("an earlier sync of the overlay failed", path=self.name)

    def _failed(self, error: OSError) -> KenshoError:
        kind = NoSpaceError if error.errno in _NO_ROOM else KenshoError
        return kind(f"write failed: {error.strerror}", path=self.name)


def _lock(fd: int, path: str) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # What we do, and then what we let nobody else do.
        for at in (_CONSISTENT_READ, _WRITE, _RESIZE):
            _lock_byte(fd, fcntl.F_RDLCK, _PERM_BASE + at)
        for at in (_WRITE, _RESIZE):
            _lock_byte(fd, fcntl.F_RDLCK, _SHARED_BASE + at)
        for at in (_WRITE, _RESIZE):
            _demand_unlocked(fd, _PERM_BASE + at, path)
        for at in (_CONSISTENT_READ, _WRITE, _RESIZE):
            _demand_unlocked(fd, _SHARED_BASE + at, path)
    except OSError as error:
        if error.errno in {errno.EAGAIN, errno.EACCES}:
            raise _in_use(path) from None
        if error.errno not in {errno.EINVAL, errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS}:
            raise
        # A file system without locks: QEMU goes on there too.


def _lock_byte(fd: int, kind: int, at: int) -> None:
    fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _FLOCK.pack(kind, os.SEEK_SET, at, 1, 0))


def _demand_unlocked(fd: int, at: int, path: str) -> None:
    """Raise UsageError if anyone else holds a lock on the byte."""
    asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, at, 1, 0)
    answer = fcntl.fcntl(fd, fcntl.F_OFD_GETLK, asked)
    if _FLOCK.unpack(answer)[0] != fcntl.F_UNLCK:
        raise _in_use(path)


def _in_use(path: str) -> UsageError:
    return UsageError(
        "another program uses this overlay", path=path, hint="an overlay has one writer at a time"
    )
