"""A recorded adaptation taken back from its disks, or made again: exactly, or not at all.

Blocks are written only when each of them holds what the record says that it held after (before) the
adaptation; one that has what it is to get already is a change that was killed half way. When the
record has the disk's root, the whole result must have it as well.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from kensho.disks.base import DiskReader
from kensho.disks.compare import content_root
from kensho.disks.in_place import open_in_place
from kensho.guest.adapt.changes import ChangeSet, DiskChange, RecordedChanges
from kensho.guest.adapt.record import state_of
from kensho.guest.edit.disk import PatchedDisk, Piece
from kensho.guest.files.open import open_files
from kensho.guest.files.tree import GuestFiles
from kensho.guest.volumes.scan import scan
from kensho.model.errors import KenshoError, UsageError, VerificationError
from kensho.storage.atomic import partial_path, sync_folder

_SECTOR = 512
_NAMED = 10


class Way(enum.StrEnum):
    """Which way: back to how the disk was, or to how it became."""

    UNDO = "undo"
    REPLAY = "replay"


@dataclass(frozen=True, slots=True)
class Step:
    """A disk of the record, counted from 1, that has to change: the bytes it gets."""

    number: int
    change: DiskChange
    pieces: tuple[Piece, ...]


Meters = Callable[[str], Callable[[int, int], None]]


def numbers_of(record: RecordedChanges, count: int) -> tuple[int, ...]:
    """Return which disks of the record, from 1, so many given ones are: all, or those that change.

    UsageError when they are neither.
    """
    disks = record.changes.disks
    changing = tuple(n for n, disk in enumerate(disks, 1) if disk.runs)
    if count == len(disks):
        return tuple(range(1, count + 1))
    if count == len(changing):
        return changing
    names = ", ".join(disks[n - 1].file for n in changing)
    raise UsageError(
        f"the record is of {len(disks)} disks, {len(changing)} of them changed; {count} are given",
        path=record.path,
        hint=f"name, in this order: {names}",
    )


def plan_restore(
    record: RecordedChanges,
    disks: Mapping[int, DiskReader],
    way: Way,
    folder: Path,
    on_bytes: Meters | None = None,
) -> tuple[Step, ...]:
    """Check disks, by their number in the record, and return what is to be written to them.

    The bytes are put into ``folder``. Nothing is returned for a disk that is so already.
    UsageError when a disk is not that of the record; VerificationError when one was written to
    since, naming files and blocks, or would not become what it was; CorruptError for a record that
    is damaged.
    """
    changes = record.changes
    steps: list[Step] = []
    for number, disk in disks.items():
        change = changes.disks[number - 1]
        if not change.runs:
            continue
        if disk.virtual_size < change.size:
            raise UsageError(
                f"{change.file} had {change.size} bytes; this disk has {disk.virtual_size}",
                path=record.path,
                field=change.name,
            )
        step = _look(record, number, disk, way, folder)
        if step is None:
            continue
        if not isinstance(step, Step):
            raise _changed_since(step, number, changes, disks)
        steps.append(step)
        wanted = change.root_before if way is Way.UNDO else change.root_after
        if wanted:
            _check_root(disk, step, wanted, on_bytes)
    return tuple(steps)


def _look(
    record: RecordedChanges, number: int, disk: DiskReader, way: Way, folder: Path
) -> Step | list[int] | None:
    """Return what a disk gets, None when it has that, or where it has neither."""
    change = record.changes.disks[number - 1]
    odd: list[int] = []
    pieces: list[Piece] = []
    path = folder / f"{number}.bytes"
    with path.open("wb") as file:
        for run, before, after in record.runs(number):
            old, new = (after, before) if way is Way.UNDO else (before, after)
            here = bytearray(run.length)
            disk.read_into(run.start, here)
            if here == new:
                continue
            if not _is_mix(here, old, new):
                odd.append(run.start)
            pieces.append(Piece(run.start, run.length, path, file.tell()))
            file.write(new)
    if odd:
        return odd
    return Step(number, change, tuple(pieces)) if pieces else None


def _is_mix(here: bytes | bytearray, old: bytes, new: bytes) -> bool:
    """Tell whether each sector is as it was or as it is to be: so a change that was killed leaves it."""
    if here == old:
        return True
    places = (slice(at, at + _SECTOR) for at in range(0, len(here), _SECTOR))
    return all(here[place] in (old[place], new[place]) for place in places)


def _check_root(
    disk: DiskReader,
    step: Step,
    wanted: str,
    on_bytes: Meters | None,
) -> None:
    patched = PatchedDisk(disk, step.pieces)
    try:
        meter = on_bytes(step.change.file) if on_bytes is not None else None
        root = content_root(patched, on_bytes=meter)
    finally:
        patched.close()
    if root != wanted:
        raise VerificationError(
            "something else on this disk was changed since: it would not become what the record says",
            path=step.change.file,
            hint="nothing was written; the guest has run, or this is another disk",
        )


def _changed_since(
    odd: list[int], number: int, changes: ChangeSet, disks: Mapping[int, DiskReader]
) -> VerificationError:
    change = changes.disks[number - 1]
    files = _changed_files(changes, change.machine, disks)
    words = f"; files that changed: {', '.join(files[:_NAMED])}" if files else ""
    return VerificationError(
        f"{len(odd)} of {len(change.runs)} blocks hold something else than the record says{words}",
        path=change.file,
        offset=odd[0],
        hint="nothing was written; the guest has run since, or this is another disk",
    )


def _changed_files(
    changes: ChangeSet, machine: str, disks: Mapping[int, DiskReader]
) -> tuple[str, ...]:
    """Return the recorded files of a machine that are neither as before nor as after, if they can be read."""
    numbers = [n for n, change in enumerate(changes.disks, 1) if change.machine == machine]
    if any(n not in disks for n in numbers):
        return ()  # volumes are called after the disks they are on
    found: list[str] = []
    try:
        volumes = {volume.id: volume for volume in scan([disks[n] for n in numbers]).volumes}
        trees = {
            id_: GuestFiles(open_files(volumes[id_]))
            for id_ in {f.volume for f in changes.files if f.machine == machine} & set(volumes)
        }
        for file in changes.files:
            if file.machine == machine and file.volume in trees:
                now = state_of(trees[file.volume], file.path)
                if now not in {file.before, file.after}:
                    found.append(f"{file.volume}:{file.path}")
    except KenshoError:
        pass  # so much was changed that nothing can be said of files
    return tuple(found)


def write_in_place(path: Path, disk: DiskReader, step: Step) -> None:
    """Write a step into the disk at ``path``, which ``disk`` was read from.

    The file has a hidden name meanwhile, as in `kensho.disks.update`: when this is killed it is not
    found under its own, and the same call again finishes it. UnsupportedError for formats that are
    not changed in place.
    """
    hidden = partial_path(path)
    if path.exists():
        open_in_place(path, *_kind(disk)).changes.close()  # what it would refuse, before anything
        path.rename(hidden)
        sync_folder(path)
    target = open_in_place(hidden, *_kind(disk))
    try:
        for piece in step.pieces:
            with piece.file.open("rb") as file:
                file.seek(piece.at)
                data = file.read(piece.length)
            if data.count(0) == len(data):
                target.changes.zero(piece.start, piece.length)
            else:
                target.changes.write_at(piece.start, data)
        target.changes.flush()
    finally:
        target.changes.close()
    name_again(path)


def name_again(path: Path) -> bool:
    """Give a disk that `write_in_place` hid its own name back; tell whether there was one."""
    hidden = partial_path(path)
    if path.exists() or not hidden.exists():
        return False
    hidden.rename(path)
    sync_folder(path)
    return True


def _kind(disk: DiskReader) -> tuple[str, str]:
    """Return format and subformat as writers call them."""
    return (
        (disk.format, "uncompressed") if disk.format == "qcow2" else (disk.format, disk.subformat)
    )
