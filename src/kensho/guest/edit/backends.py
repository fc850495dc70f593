"""Which program changes the files of a file system, in the order they are asked.

First what needs neither root nor a mount: tools that work on a copy of the file system's metadata.
Then mounts by the kernel, where the user may. Then libguestfs, which boots an appliance.
"""

from __future__ import annotations

import functools
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from kensho.guest.edit.ext import edit_ext
from kensho.guest.edit.ext_room import room_ext
from kensho.guest.edit.fat import edit_fat
from kensho.guest.edit.fat_room import room_fat
from kensho.guest.edit.guestfs import edit_guestfs, no_kernel
from kensho.guest.edit.kernel_mount import edit_btrfs, edit_xfs
from kensho.guest.edit.kernel_mount import lacking as no_mount
from kensho.guest.edit.ntfs import edit_ntfs
from kensho.guest.edit.ntfs_room import room_ntfs
from kensho.guest.edit.patch import Patch, refuse_copied
from kensho.guest.edit.plan import FileEdit
from kensho.guest.edit.raw_file import TOOLS as RAW_FILE_TOOLS
from kensho.guest.edit.raw_file import usable
from kensho.guest.edit.room import Room
from kensho.guest.edit.xfs_room import room_xfs
from kensho.guest.volumes.scan import Volume
from kensho.guest.volumes.view import View
from kensho.model.errors import KenshoError, ToolMissingError, UnsupportedError

_PATH = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"
_KERNEL = "this machine's own kernel, as root, in a mount namespace of its own"


def _nothing() -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Backend:
    """A way to edit the files of some kinds of file system.

    ``why`` says what it is and why it comes where it comes, for the user. ``tools`` are the programs
    it runs, each with the Debian package it is in; ``available`` says what else is lacking, a right or
    a driver of the kernel, empty when nothing is. ``edit`` carries edits of one volume out, with
    paths within it and a folder for files of its own; the volume is only read. ``room`` measures
    whether they fit; None where only carrying them out can tell.
    """

    name: str
    kinds: frozenset[str]
    why: str
    tools: tuple[tuple[str, str], ...]
    edit: Callable[[View, Sequence[FileEdit], Path], Patch]
    available: Callable[[], str] = _nothing
    room: Callable[[View, Sequence[FileEdit]], Room] | None = None


BACKENDS: tuple[Backend, ...] = (
    Backend(
        "e2fsprogs",
        frozenset({"ext2", "ext3", "ext4"}),
        "debugfs on a copy of the metadata: no root, no mount",
        (("debugfs", "e2fsprogs"), ("e2fsck", "e2fsprogs")),
        edit_ext,
        room=room_ext,
    ),
    Backend(
        "fat",
        frozenset({"vfat"}),
        "kensho's own writer: no root, no mount",
        (),
        edit_fat,
        room=room_fat,
    ),
    Backend(
        "ntfs-3g",
        frozenset({"ntfs"}),
        "ntfs-3g on the volume shown as a file, in a mount namespace of its own",
        (("ntfs-3g", "ntfs-3g"), *RAW_FILE_TOOLS),
        edit_ntfs,
        usable,
        room_ntfs,
    ),
    Backend(
        "kernel",
        frozenset({"xfs"}),
        _KERNEL,
        (("mount", "mount"), ("xfs_repair", "xfsprogs"), *RAW_FILE_TOOLS),
        edit_xfs,
        lambda: no_mount("xfs"),
        room_xfs,
    ),
    Backend(
        "kernel",
        frozenset({"btrfs"}),
        _KERNEL,
        (("mount", "mount"), ("btrfs", "btrfs-progs"), *RAW_FILE_TOOLS),
        edit_btrfs,
        lambda: no_mount("btrfs"),
    ),
    Backend(
        "libguestfs",
        frozenset({"xfs", "btrfs"}),
        "libguestfs, which starts a small machine for it: no root, but minutes",
        (("guestfish", "libguestfs-tools"), ("setpriv", "util-linux")),
        edit_guestfs,
        no_kernel,
    ),
)


@functools.cache
def lacking(backend: Backend) -> str:
    """Return what a back end lacks on this machine, and the remedy; empty when it can be used."""
    for program, package in backend.tools:
        if shutil.which(program, path=_PATH) is None:
            return f"{program} is not installed: apt-get install {package}"
    return backend.available()


def choose(volume: Volume) -> Backend:
    """Return the first back end that edits the files of a volume and has all it needs.

    UnsupportedError, saying what to do, when there is none for what is on it, or it must not be
    changed; ToolMissingError when all there are lack something.
    """
    kind = volume.content.kind
    rows = [backend for backend in BACKENDS if kind in backend.kinds]
    if not rows or volume.view is None:
        edited = sorted(frozenset().union(*(backend.kinds for backend in BACKENDS)))
        raise UnsupportedError(
            volume.refusal or f"files on {kind or 'what is no file system'} are not edited",
            path=volume.id,
            hint="edited are " + ", ".join(edited),
        )
    refuse_copied(volume.view)
    found = next((backend for backend in rows if not lacking(backend)), None)
    if found is None:
        raise ToolMissingError(
            f"files on {kind} cannot be edited here: "
            + "; ".join(f"{backend.name}: {lacking(backend)}" for backend in rows),
            path=volume.id,
            hint="kensho doctor lists what is missing",
        )
    return found


def how(volume: Volume) -> str:
    """Return which back end edits a volume's files and why, or why none does.

    Empty for what holds no files that could be edited.
    """
    rows = [backend for backend in BACKENDS if volume.content.kind in backend.kinds]
    if not rows or volume.view is None:
        return ""
    try:
        chosen = choose(volume)
    except KenshoError as error:
        return f"not edited: {error.message}"
    passed = [f"{b.name}: {lacking(b)}" for b in rows[: rows.index(chosen)]]
    return f"{chosen.name}: {chosen.why}" + (f" (not {'; '.join(passed)})" if passed else "")


def edit_volume(volume: Volume, edits: Sequence[FileEdit], folder: Path) -> Patch:
    """Carry out edits of one volume's files; raises what `choose` and the back end raise.

    Paths are those within the volume. ``folder`` is for files of ours; the volume is only read.
    """
    backend = choose(volume)
    assert volume.view is not None
    return backend.edit(volume.view, edits, folder)


def room_of(volume: Volume, edits: Sequence[FileEdit]) -> Room | None:
    """Measure whether edits of one volume fit; None where that is not told beforehand.

    Raises what `choose` and reading the file system raise.
    """
    measure = choose(volume).room
    assert volume.view is not None
    return measure(volume.view, edits) if measure else None
