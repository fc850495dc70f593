"""Edits of files in XFS and btrfs, carried out by this machine's own kernel as root.

The volume is shown as a file, and mounted from there in a mount namespace of its own; a log with changes
in it is replayed into what is written, as at any mount. No programs outside of the kernel edit these.
"""

from __future__ import annotations

import contextlib
import functools
import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from kensho.guest.edit.ext_script import itself, settled
from kensho.guest.edit.mounted import apart, found_at, read_back, write_tree
from kensho.guest.edit.patch import Patch, Patched
from kensho.guest.edit.plan import FileEdit
from kensho.guest.edit.raw_file import PATH, RawFile, own_mounts, raw_file, tool, usable
from kensho.guest.files.base import FileSystem, Kind
from kensho.guest.files.btrfs.reader import open_btrfs
from kensho.guest.files.tree import GuestFiles
from kensho.guest.files.xfs.reader import open_xfs
from kensho.guest.volumes.view import Readable, View
from kensho.model.errors import CorruptError, KenshoError, NotFoundError, UnsupportedError

_OPTIONS = "loop,nodev,nosuid,noexec,noatime"
_START_ONCE = "start the guest once and shut it down properly, then copy its disk again"
_MOST = 1 << 30  #: bytes of a file that is compared


def edit_mounted(
    view: View,
    edits: Sequence[FileEdit],
    folder: Path,
    *,
    kind: str,
    options: str,
    check: Sequence[str],
    open_files: Callable[[Readable], FileSystem],
) -> Patch:
    """Carry edits out; paths are those within this file system. ``folder`` is for files of ours.

    ``check`` is the program that looks for damage afterwards. The volume itself is only read. NoSpaceError when it is full, CorruptError when it is damaged,
    UnsupportedError for what cannot be done to a file, or that its log changes under the edit's hand.
    """
    files = open_files(view)
    wanted = _settled(GuestFiles(files), edits)
    with raw_file(view, folder) as raw:
        place = folder / "mounted"
        place.mkdir()
        with (
            own_mounts(raw) as inner,
            _mounted(inner, place, f"{_OPTIONS},{options}", kind, view.name),
        ):
            seen = inner.seen(place)
            if files.warnings:
                _refuse_changed(GuestFiles(files), wanted, seen)
            apart(lambda: write_tree(seen, wanted, view.name))
        code, said = raw.run(*check, raw.path)
        if code:
            raise CorruptError(
                f"{check[0]} finds the file system damaged: {said}",
                path=view.name,
                hint=f"repair it in the guest, or a copy of its disk ({check[0]}), and try again",
            )
    patch = raw.scratch.patch()
    after = open_files(Patched(patch))
    if after.warnings:
        raise CorruptError("; ".join(after.warnings), path=view.name)
    read_back(after, wanted)
    return patch


def _settled(tree: GuestFiles, edits: Sequence[FileEdit]) -> list[FileEdit]:
    """Return the edits with paths that no link is in: none is followed where it is mounted."""
    return [
        msgspec.structs.replace(
            edit, path=(settled if edit.content is not None else itself)(tree, edit.path)
        )
        for edit in edits
    ]


@contextlib.contextmanager
def _mounted(raw: RawFile, place: Path, options: str, kind: str, name: str) -> Iterator[None]:
    """Mount the volume at ``place`` while the context lasts; all is written when it ends well."""
    code, said = raw.run("mount", "-t", kind, "-o", options, raw.path, place)
    if code:
        raise CorruptError(
            f"Linux does not mount it: {said}", path=name,
            hint="repair it in the guest, or a copy of its disk, and try again",
        )  # fmt: skip
    try:
        yield
    except BaseException:
        raw.run("umount", "--lazy", place)
        raise
    code, said = raw.run("umount", place)
    if code:
        raise UnsupportedError(f"cannot be unmounted: {said}", path=name)


def _refuse_changed(tree: GuestFiles, edits: Sequence[FileEdit], root: Path) -> None:
    """Raise UnsupportedError when a file is not, with the log replayed, what the edit was planned from."""
    for edit in edits:
        planned: bytes | str | None = None
        with contextlib.suppress(NotFoundError):
            kind = tree.stat(edit.path, follow=False).kind
            if kind is Kind.FILE:
                planned = tree.read(edit.path, _MOST)
            elif kind is Kind.SYMLINK:
                planned = tree.readlink(edit.path)
        if found_at(root, edit.path) != planned:
            raise UnsupportedError(
                "was changed by what the file system's log holds", path=edit.path, hint=_START_ONCE
            )


@functools.cache
def lacking(kind: str) -> str:
    """Return what keeps this kernel from mounting a file system of that kind; empty when nothing does."""
    if os.geteuid():
        return "only root mounts: run as root"
    if not Path("/dev/loop-control").exists():
        return "there are no loop devices: modprobe loop"
    known = Path("/proc/filesystems").read_text("ascii").split()
    if kind not in known:
        try:
            probe = subprocess.run(
                [tool("modprobe"), kind], capture_output=True, check=False, env={"PATH": PATH}
            )
        except (KenshoError, OSError):
            return f"this kernel does not have {kind}"
        if probe.returncode:
            return f"this kernel does not have {kind}"
    return usable()


def edit_xfs(view: View, edits: Sequence[FileEdit], folder: Path) -> Patch:
    """Carry edits of an XFS out: see `edit_mounted`."""
    # nouuid: this machine may have the same file system mounted
    return edit_mounted(
        view, edits, folder, kind="xfs", options="nouuid", check=("xfs_repair", "-n"),
        open_files=open_xfs,
    )  # fmt: skip


def edit_btrfs(view: View, edits: Sequence[FileEdit], folder: Path) -> Patch:
    """Carry edits of a btrfs out: see `edit_mounted`. Paths are those below its topmost subvolume."""
    devices = open_btrfs(view).devices
    if devices > 1:
        raise UnsupportedError(
            f"is one of {devices} devices of a btrfs: changed alone they would differ", path=view.name,
            hint="take the others away in the guest first: btrfs device remove",
        )  # fmt: skip
    return edit_mounted(
        view, edits, folder, kind="btrfs", options="subvolid=5",
        check=("btrfs", "check", "--readonly"), open_files=open_btrfs,
    )  # fmt: skip
