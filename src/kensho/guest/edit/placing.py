"""Which volume each of a system's files is on, and whether what is planned for it fits there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import msgspec

from kensho.guest.edit.backends import choose, room_of
from kensho.guest.edit.plan import FileEdit
from kensho.guest.edit.room import Room
from kensho.guest.files.tree import GuestFiles
from kensho.guest.inspect.systems import Opened
from kensho.guest.volumes.scan import Volume
from kensho.model.errors import NoSpaceError, UnsupportedError


@dataclass(frozen=True, slots=True)
class VolumeEdits:
    """Edits of one volume's files; paths are those within it. ``files`` are as they were."""

    volume: Volume
    edits: tuple[FileEdit, ...]
    files: GuestFiles


def place_of(opened: Opened, tree: GuestFiles, path: str) -> tuple[Volume, str]:
    """Return the volume a file is on and its path there; UnsupportedError where it is not edited."""
    found = opened.where(*tree.mount_of(path))
    if found is None:
        raise UnsupportedError("is on no volume of these disks", path=path)
    choose(found[0])
    return found


def by_volume(
    opened: Opened, planned: Iterable[tuple[GuestFiles, Sequence[FileEdit]]]
) -> tuple[VolumeEdits, ...]:
    """Lay the edits of systems out on their volumes; of two edits of one file the later counts.

    UnsupportedError where one is not edited.
    """
    found: dict[str, dict[str, FileEdit]] = {}
    for tree, edits in planned:
        for edit in edits:
            volume, path = place_of(opened, tree, edit.path)
            key = path.casefold() if opened.systems[volume.id].folds_case else path
            found.setdefault(volume.id, {})[key] = msgspec.structs.replace(edit, path=path)
    by_id = {volume.id: volume for volume in opened.volumes.volumes}
    return tuple(
        VolumeEdits(by_id[k], tuple(paths.values()), GuestFiles(opened.systems[k]))
        for k, paths in found.items()
    )


def rooms(volumes: Iterable[VolumeEdits]) -> Iterator[tuple[Volume, Room]]:
    """Yield how each volume's room is, where it can be measured."""
    for planned in volumes:
        room = room_of(planned.volume, planned.edits)
        if room is not None:
            yield planned.volume, room


def refuse_too_much(volume: Volume, room: Room) -> None:
    """Raise NoSpaceError, saying how much is lacking where, when edits do not fit."""
    if room.lacking:
        raise NoSpaceError(
            f"{room.lacking} bytes more are needed: {room.needed} are to be written, "
            f"{room.free} are free",
            path=volume.id,
            hint="make room in the guest: remove kernels it no longer needs, or enlarge the volume",
        )
    if room.lacking_files:
        raise NoSpaceError(
            f"{room.new_files} new files, but there can be only {room.free_files} more",
            path=volume.id,
            hint="delete files in the guest",
        )
