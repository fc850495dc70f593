"""Which program changes the files of a file system: one row for each that can be edited."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from kensho.guest.edit.ext import Patch, edit_ext, refuse_copied
from kensho.guest.edit.plan import FileEdit
from kensho.guest.volumes.scan import Volume
from kensho.guest.volumes.view import View
from kensho.model.errors import UnsupportedError


@dataclass(frozen=True, slots=True)
class Backend:
    """A way to edit; ``why`` it is the one that is used, for the user."""

    edit: Callable[[View, Sequence[FileEdit], Path], Patch]
    why: str


_EXT = Backend(edit_ext, "e2fsprogs on a copy of the metadata: no root, no mount")
BACKENDS: dict[str, Backend] = {"ext2": _EXT, "ext3": _EXT, "ext4": _EXT}


def check_editable(volume: Volume) -> None:
    """Raise UnsupportedError, saying what to do, for a volume whose files are not edited."""
    if volume.content.kind not in BACKENDS or volume.view is None:
        raise UnsupportedError(
            f"files on {volume.content.kind or 'what is no file system'} are not edited",
            path=volume.id,
            hint="edited are " + ", ".join(sorted(BACKENDS)),
        )
    refuse_copied(volume.view)


def edit_volume(volume: Volume, edits: Sequence[FileEdit], folder: Path) -> Patch:
    """Carry out edits of one volume's files; what `check_editable` and the back end raise.

    Paths are those within the volume. ``folder`` is for files of ours; the volume is only read.
    """
    check_editable(volume)
    assert volume.view is not None
    return BACKENDS[volume.content.kind].edit(volume.view, edits, folder)
