"""Edits carried out in a file system that is mounted: files are found without following any link."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import pickle
import signal
import stat
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NoReturn, TypeAlias

from kensho.guest.edit.plan import FileEdit
from kensho.guest.files.base import FileSystem, Kind
from kensho.guest.files.tree import GuestFiles
from kensho.model.errors import CorruptError, KenshoError, NoSpaceError, UnsupportedError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_WRITE = os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC

_PR_SET_PDEATHSIG = 1
_LABEL = "security.selinux"
_SIBLINGS = 64  #: files whose labels are looked at for a new one's

#: Gives rights to what was just made: called with its folder and itself, both open, and the edit.
Made: TypeAlias = Callable[[int, int, FileEdit], None]


def unix_rights(folder: int, made: int, edit: FileEdit) -> None:
    """Give a new file the owner and mode of its edit, folders on its way 0755, and an SELinux label."""
    facts = os.fstat(made)
    os.fchown(made, edit.uid, edit.gid)
    os.fchmod(made, 0o755 if stat.S_ISDIR(facts.st_mode) else edit.mode)  # whatever the umask is
    label = _label(folder, stat.S_IFMT(facts.st_mode))
    if label:
        os.setxattr(made, _LABEL, label)


def _label(folder: int, kind: int) -> bytes:
    """Return the label that most files of that kind in a folder have, or else its own; empty without.

    It is what Linux gives where no rule says otherwise.
    """
    own = _label_of(f"/proc/self/fd/{folder}/.")
    found: Counter[bytes] = Counter()
    if own and kind != stat.S_IFDIR:
        for name in sorted(os.listdir(folder))[:_SIBLINGS]:
            facts = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if stat.S_IFMT(facts.st_mode) == kind:
                found.update(filter(None, [_label_of(f"/proc/self/fd/{folder}/{name}")]))
    return found.most_common(1)[0][0] if found else own


def _label_of(path: str) -> bytes:
    try:
        return os.getxattr(path, _LABEL, follow_symlinks=False)
    except OSError:
        return b""


def apart(work: Callable[[], None]) -> None:
    """Call ``work`` in a process of its own; raises what it raises.

    Whoever uses a mounted file system may have to wait for an answer that no signal ends. It comes
    from this very process, so that one killed while it waited for itself would never end.
    """
    parent = os.getpid()
    ours, theirs = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # of threads: no lock of theirs is taken
        child = os.fork()
    if not child:
        # Nothing of the parent's stays open here: what it serves is to end with it.
        os.closerange(3, theirs)
        os.closerange(theirs + 1, os.sysconf("SC_OPEN_MAX"))
        _tell(work, theirs, parent)
    os.close(theirs)
    try:
        with os.fdopen(ours, "rb") as pipe:
            told = pipe.read()
    except BaseException:
        os.kill(child, signal.SIGKILL)
        raise
    finally:
        os.waitpid(child, 0)
    if not told:
        raise KenshoError("the process that edits files was killed")
    error = pickle.loads(told)  # noqa: S301 - of our own
    if error is not None:
        raise error


def _tell(work: Callable[[], None], pipe: int, parent: int) -> NoReturn:
    """Do the work, tell what it raised, and end; all at once when the parent does."""
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == parent:
            raised: BaseException | None = None
            try:
                work()
            except BaseException as error:  # noqa: BLE001 - raised by the parent
                raised = error
            with os.fdopen(pipe, "wb") as file:
                pickle.dump(raised, file)
    finally:
        os._exit(0)


def write_tree(root: Path, edits: Iterable[FileEdit], name: str, made: Made = unix_rights) -> None:
    """Carry edits out below ``root``, a mount of the volume called ``name``; paths are those within.

    ``made`` gives rights to what is new; what was there keeps its own. NoSpaceError when the file system is full, UnsupportedError for what cannot be done to a file.
    """
    # What is deleted makes room; links come last, as nothing is written through them.
    for edit in sorted(edits, key=lambda edit: (edit.content is not None) + 2 * bool(edit.target)):
        try:
            _carry_out(root, edit, made)
        except OSError as error:
            if error.errno in _FULL:
                raise NoSpaceError(
                    f"the guest's file system {name} is full", hint="make room in the guest"
                ) from error
            if error.errno in {errno.ENOTDIR, errno.ELOOP}:
                raise UnsupportedError("the way to it is no folder", path=edit.path) from error
            if error.errno == errno.EROFS:
                raise UnsupportedError(
                    "is on what the guest made read-only", path=edit.path,
                    hint="make it writable in the guest: btrfs property set PATH ro false",
                ) from error  # fmt: skip
            raise UnsupportedError(
                f"cannot be edited: {error.strerror or error}", path=edit.path
            ) from error


def _carry_out(root: Path, edit: FileEdit, made: Made) -> None:
    *above, last = [part for part in edit.path.split("/") if part]
    if ".." in above or "." in above or last in {".", ".."}:
        raise UnsupportedError("no path of a file", path=edit.path)
    wanted = edit.content is not None or bool(edit.target)
    try:
        folder = _folder(root, above, edit, made if wanted else None)
    except FileNotFoundError:
        return  # nothing is there that could be deleted
    try:
        old = _there(folder, last)
        if old is not None and stat.S_ISDIR(old.st_mode):
            raise UnsupportedError("is a folder", path=edit.path)
        if edit.content is None:
            if old is not None:
                os.unlink(last, dir_fd=folder)
            if edit.target:
                _link(folder, last, edit)
        elif old is None:
            _create(folder, last, edit, made)
        elif stat.S_ISREG(old.st_mode):
            _rewrite(folder, last, edit.content)
        else:
            raise UnsupportedError("is no plain file", path=edit.path)
    finally:
        os.close(folder)


def _folder(root: Path, parts: Sequence[str], edit: FileEdit, made: Made | None) -> int:
    """Open a folder, made on the way where ``made`` is given; the caller closes it."""
    here = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parts:
            new = made is not None and _there(here, part) is None
            if new:
                os.mkdir(part, 0o755, dir_fd=here)
            below = os.open(part, _FOLDER, dir_fd=here)
            above, here = here, below
            try:
                if new and made is not None:
                    made(above, below, edit)
            finally:
                os.close(above)
    except BaseException:
        os.close(here)
        raise
    return here


def _there(folder: int, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _create(folder: int, name: str, edit: FileEdit, made: Made) -> None:
    with _opened(folder, name, _WRITE | os.O_CREAT | os.O_EXCL) as file:
        _fill(file, edit.content or b"")
        made(folder, file, edit)


def _link(folder: int, name: str, edit: FileEdit) -> None:
    label = _label(folder, stat.S_IFLNK)
    os.symlink(edit.target, name, dir_fd=folder)
    os.chown(name, edit.uid, edit.gid, dir_fd=folder, follow_symlinks=False)
    if label:
        os.setxattr(f"/proc/self/fd/{folder}/{name}", _LABEL, label, follow_symlinks=False)


def _rewrite(folder: int, name: str, content: bytes) -> None:
    """Write a file that is there; a write may take away its capabilities, which are given back."""
    with _opened(folder, name, _WRITE) as file:
        mode = stat.S_IMODE(os.fstat(file).st_mode)
        kept = {key: os.getxattr(file, key) for key in os.listxattr(file)}
        os.ftruncate(file, 0)
        _fill(file, content)
        left = frozenset(os.listxattr(file))
        for key, value in kept.items():
            if key not in left:
                os.setxattr(file, key, value)
        if stat.S_IMODE(os.fstat(file).st_mode) != mode:
            os.fchmod(file, mode)


@contextlib.contextmanager
def _opened(folder: int, name: str, flags: int) -> Iterator[int]:
    file = os.open(name, flags, 0o600, dir_fd=folder)
    try:
        yield file
    finally:
        os.close(file)


def _fill(file: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(file, rest) :]


def found_at(root: Path, path: str) -> bytes | str | None:
    """Return a plain file's bytes, where a link leads to, None for nothing; else what it is."""
    *above, last = [part for part in path.split("/") if part]
    here = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in above:
            below = os.open(part, _FOLDER, dir_fd=here)
            os.close(here)
            here = below
        facts = _there(here, last)
        if facts is None:
            return None
        if stat.S_ISLNK(facts.st_mode):
            return os.readlink(last, dir_fd=here)
        if not stat.S_ISREG(facts.st_mode):
            return f"/{stat.S_IFMT(facts.st_mode)}"
        with os.fdopen(os.open(last, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=here), "rb") as file:
            return file.read()
    except OSError:
        return None
    finally:
        os.close(here)


def read_back(files: FileSystem, edits: Iterable[FileEdit]) -> None:
    """Raise CorruptError unless the files are what the edits wanted of them."""
    tree = GuestFiles(files)
    for edit in edits:
        try:
            facts = tree.stat(edit.path, follow=False)
        except KenshoError:
            good = edit.content is None and not edit.target
        else:
            if edit.content is not None:
                size = len(edit.content)
                good = facts.kind is Kind.FILE and facts.size == size
                good = good and tree.read(edit.path, size) == edit.content
            else:
                good = bool(edit.target) and tree.readlink(edit.path) == edit.target
        if not good:
            raise CorruptError("an edit did not come out as planned", path=edit.path)
