"""Edits of files on NTFS, carried out by ntfs-3g on the volume shown as a file.

What Windows left open is refused, not repaired: its log and its cache of metadata know more than the
volume does. New files get the rights that their folder hands down, as in Windows.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from kensho.guest.edit.mounted import apart, read_back, write_tree
from kensho.guest.edit.ntfs_rights import hand_down
from kensho.guest.edit.ntfs_times import with_time
from kensho.guest.edit.patch import Patch, Patched
from kensho.guest.edit.plan import FileEdit
from kensho.guest.edit.raw_file import RawFile, ended, raw_file, tool
from kensho.guest.files.base import Kind
from kensho.guest.files.ntfs.reader import Ntfs, open_ntfs
from kensho.guest.files.tree import GuestFiles
from kensho.guest.volumes.view import View
from kensho.model.errors import CorruptError, KenshoError, UnsupportedError

_SHUT_DOWN = (
    "start Windows, turn hibernation and Fast Startup off (powercfg /h off), run chkdsk if it asks for "
    "it, shut down fully (shutdown /s /t 0), and copy its disk again"
)
#: Never recover, remove_hiberfile or force: see above.
_OPTIONS = "no_def_opts,norecover,noatime,windows_names,nocompression,no_detach"
_START_SECONDS, _STEP = 30.0, 0.01
_TICKS, _EPOCH = 10_000_000, 116_444_736_000_000_000  #: of NTFS's times: 100 ns since 1601


def edit_ntfs(view: View, edits: Sequence[FileEdit], folder: Path) -> Patch:
    """Carry edits out; paths are those within this volume, in any case. ``folder`` is for our files.

    The volume itself is only read. UnsupportedError with the remedy when Windows did not leave the
    volume cleanly, or for what cannot be done to a file; NoSpaceError when it is full.
    """
    files = open_ntfs(view)
    if files.warnings:
        raise UnsupportedError("; ".join(files.warnings), path=view.name, hint=_SHUT_DOWN)
    for edit in edits:
        if edit.target:
            raise UnsupportedError("links are not made on NTFS", path=edit.path)
    wanted = _as_named(files, edits)
    began = _now()
    with raw_file(view, folder) as raw:
        place = folder / "mounted"
        place.mkdir()
        with _mounted(raw, place, view.name):
            seen = raw.seen(place)
            apart(lambda: write_tree(seen, wanted, view.name, hand_down))
    patch = with_time(raw.scratch.patch(), files.latest_time, began, _now())
    after = open_ntfs(Patched(patch))
    if after.warnings:
        raise CorruptError("; ".join(after.warnings), path=view.name)
    read_back(after, wanted)
    return patch


@contextlib.contextmanager
def _mounted(raw: RawFile, place: Path, name: str) -> Iterator[None]:
    """Mount the volume at ``place`` while the context lasts; all is written when it ends well."""
    with raw.start(tool("ntfs-3g"), "-o", _OPTIONS, raw.path, place) as process:
        try:
            _wait(process, raw.seen(place), name)
            yield
            code, said = raw.run("umount", place)
            if not code:
                code, said = ended(process)
            if code:
                raise UnsupportedError(f"ntfs-3g: {said}", path=name)
        finally:
            process.kill()


def _wait(process: subprocess.Popen[str], seen: Path, name: str) -> None:
    """Wait until the volume is mounted; UnsupportedError when it cannot be, or not to be written to."""
    outside = seen.parent.stat().st_dev
    deadline = time.monotonic() + _START_SECONDS
    while seen.stat().st_dev == outside:
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise _refusal(ended(process)[1], name)
        time.sleep(_STEP)
    if os.statvfs(seen).f_flag & os.ST_RDONLY:
        process.kill()
        raise _refusal(ended(process)[1], name)


def _refusal(said: str, name: str) -> UnsupportedError:
    return UnsupportedError(f"ntfs-3g does not write to it: {said}", path=name, hint=_SHUT_DOWN)


def _as_named(files: Ntfs, edits: Sequence[FileEdit]) -> list[FileEdit]:
    """Return the edits with names as they are on the volume, which ntfs-3g tells apart by case."""
    tree = GuestFiles(files)
    made: dict[str, str] = {}
    found = []
    for edit in edits:
        path = ""
        for part in [part for part in edit.path.split("/") if part]:
            names = {name.casefold(): name for name in tree.names_or_none(path or "/")}
            name = names.get(part.casefold()) or made.setdefault(f"{path}/{part.casefold()}", part)
            path = f"{path}/{name}"
        _refuse_odd(tree, path, edit)
        found.append(msgspec.structs.replace(edit, path=path))
    return found


def _refuse_odd(tree: GuestFiles, path: str, edit: FileEdit) -> None:
    """Raise UnsupportedError for a file whose data is not where it seems to be, or encrypted."""
    if edit.content is None:
        return
    try:
        facts = tree.stat(path, follow=False)
    except KenshoError:
        return
    if facts.kind is Kind.SYMLINK:
        raise UnsupportedError("is a link", path=path)
    if facts.kind is Kind.FILE:
        for _ in tree.data(path):
            break


def _now() -> int:
    """Return the clock as NTFS counts."""
    return time.time_ns() * _TICKS // 1_000_000_000 + _EPOCH
