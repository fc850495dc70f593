"""Folders of ours for as long as a run takes: near enough for sockets, and swept after a run that was killed.

A socket's path has at most 107 bytes (unix(7)), so a long ``TMPDIR`` is passed over for sockets. A folder
is its owner's while that holds the lock of a file in it; one without an owner is removed by the next run.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kensho.model.errors import LocatorError, NoSpaceError, ProofError

_LOCK, _NEW = ".owner", ".owner.new"
_LEAST = 64 << 20  #: bytes that are free in a place
_LONGEST = 60  #: bytes of a place: what is added to it for a socket takes 30
_PLACES = ("/tmp", "/var/tmp", "/run/user/{uid}", "/dev/shm")  # noqa: S108 - see room


@contextmanager
def room(prefix: str, place: Path | None = None) -> Iterator[Path]:
    """Give an empty folder, private to this user, that is gone afterwards, with all in it.

    Without a ``place`` it is where a socket can be. Others of the same prefix whose run was killed are
    removed first. NoSpaceError when the place is full; when there is none, ProofError, LocatorError for one that
    was named.
    """
    named = place is not None
    place = place or _near()
    _sweep(prefix, place)
    try:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=place))
    except OSError as error:
        full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        kind = NoSpaceError if full else LocatorError if named else ProofError
        raise kind(f"no folder can be made there: {error.strerror}", path=place) from None
    lock = None
    try:
        with contextlib.suppress(OSError):  # a file system without locks is not swept
            lock = _owned(folder)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def _near() -> Path:
    """Return where files for a while go, with a short enough name."""
    usual = os.environ.get("TMPDIR")
    others = [Path(name.format(uid=os.getuid())) for name in _PLACES]
    for place in [Path(usual), *others] if usual else others:
        if _is_near(place.absolute()):
            return place.absolute()
    raise ProofError(
        "there is no folder for files that are needed for a while",
        hint=f"TMPDIR names one, for sockets of at most {_LONGEST} bytes",
    )


def _is_near(place: Path) -> bool:
    short = len(os.fsencode(place)) <= _LONGEST
    if not short or not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        return False
    return shutil.disk_usage(place).free >= _LEAST


def _owned(folder: Path) -> int:
    """Make a folder ours and return the lock; nobody sees the file before it is locked."""
    lock = os.open(folder / _NEW, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        (folder / _NEW).rename(folder / _LOCK)
    except OSError:
        os.close(lock)
        raise
    return lock


def _sweep(prefix: str, place: Path) -> None:
    with contextlib.suppress(OSError):
        for entry in list(os.scandir(place)):
            if entry.name.startswith(prefix):
                with contextlib.suppress(OSError):
                    _remove_if_dead(Path(entry.path))


def _remove_if_dead(folder: Path) -> None:
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        return
    lock = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)
