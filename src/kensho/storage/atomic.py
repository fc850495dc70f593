"""Files that appear complete or not at all."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path
from typing import TYPE_CHECKING, Self

from kensho.model.errors import UsageError
from kensho.storage.file import FileSink

if TYPE_CHECKING:
    from types import TracebackType


class PendingFile:
    """A file under construction beside its final place.

    ::

        with PendingFile(path) as pending:
            pending.sink.append(data)

    The bytes go to ``.<name>.kensho-partial`` in the same folder. Leaving the block
    normally makes them durable and renames; leaving it by any exception, Ctrl-C
    included, removes them and leaves what was at ``path`` untouched. UsageError when
    another run is writing it.
    """

    __slots__ = ("_partial", "path", "sink")

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._partial = partial_path(self.path)
        _remove_leftover(self._partial)
        self.sink = FileSink(self._partial, exclusive=True)
        with contextlib.suppress(OSError):  # some network file systems have no locks
            fcntl.flock(self.sink.kernel_file()[0], fcntl.LOCK_EX | fcntl.LOCK_NB)

    def commit(self) -> None:
        """Put the file in place: fsync, rename, fsync of the folder."""
        self.sink.flush()
        self.sink.close()
        self._partial.replace(self.path)
        sync_folder(self.path)

    def discard(self) -> None:
        """Remove what was written so far."""
        self.sink.close()
        self._partial.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if kind is not None:
            self.discard()
            return
        try:
            self.commit()
        except BaseException:
            self.discard()
            raise


def _remove_leftover(partial: Path) -> None:
    """Remove what a killed run left; a run that lives holds a lock on it."""
    with contextlib.suppress(OSError):
        fd = os.open(partial, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(
                "another run is writing this file", path=partial, hint="wait for it to end"
            ) from None
        finally:
            os.close(fd)
    partial.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Make what a file has, or which names a folder has, durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(path: Path) -> None:
    """Make the name ``path`` durable."""
    # Some network file systems cannot sync a folder; the file itself is safe.
    with contextlib.suppress(OSError):
        sync(path.parent)


def put_file(path: Path, data: bytes, *, private: bool = False) -> None:
    """Write a small file as `PendingFile` does; a ``private`` one only its owner can read."""
    with PendingFile(path) as pending:
        if private:
            partial_path(path).chmod(0o600)
        pending.sink.append(data)


def put_folder(made: Path, place: Path) -> None:
    """Give a folder its place with all that is in it: fsync, rename, fsync of the folder around it.

    OSError as renaming raises it; ENOTEMPTY, EEXIST or ENOTDIR for a place that is taken.
    """
    for folder, _, names in os.walk(made, topdown=False):
        for name in names:
            sync(Path(folder, name))
        with contextlib.suppress(OSError):  # as above
            sync(Path(folder))
    made.rename(place)
    sync_folder(place.absolute())


def partial_path(path: Path) -> Path:
    """Return where the bytes of ``path`` are kept until it is complete."""
    return path.with_name(f".{path.name}.kensho-partial")
