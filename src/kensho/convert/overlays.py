"""Overlays with what an adaptation changes, and its record beside them: all of them or none."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

from kensho.appliances.names import file_stem
from kensho.convert.adapting import AdaptedGuest
from kensho.convert.events import Listener, Step
from kensho.convert.guests import GuestDisk, backing_for
from kensho.convert.workspace import locked
from kensho.disks import DiskReader
from kensho.guest.adapt.carry_out import write_overlay
from kensho.guest.adapt.changes import ChangeSet
from kensho.guest.adapt.record import write_changes
from kensho.guest.edit.disk import Piece
from kensho.model.errors import LocatorError, UsageError
from kensho.model.finding import Finding, Severity
from kensho.storage.atomic import partial_path, sync_folder
from kensho.storage.locator import scheme_of, split_locator

OVERLAY, RECORD = ".qcow2", ".changes"
_RECORD = f"adapted{RECORD}"  #: in a folder


def demand_room(output: Path, *, record: bool = True) -> None:
    """Raise LocatorError when there is a result already, or nowhere to put one.

    ``output`` is ``NAME.qcow2``, which gets a ``record`` ``NAME.changes`` beside it, or a folder:
    a new one, or one that has nothing called as the results yet.
    """
    if output.suffix == OVERLAY:
        there = [output, *([output.with_suffix(RECORD)] if record else ())]
    elif output.is_dir():
        there = [output / _RECORD] if record else []
    else:
        there = [output]
    _demand_free(there)
    if not output.absolute().parent.is_dir():
        raise LocatorError("there is no such folder", path=output.parent, hint="make it first")


def _demand_free(paths: Iterable[Path]) -> None:
    for path in paths:
        if os.path.lexists(path):
            raise LocatorError("is there already", path=path, hint="remove it, or name another")


def out_of_reach(guests: Sequence[AdaptedGuest], output: Path) -> Iterator[Finding]:
    """Yield a note (KF-921) when kensho itself would not follow an overlay to the disk below it."""
    folder = (output.parent if output.suffix == OVERLAY else output).resolve()
    for guest in guests:
        for disk, _ in guest.changed:
            place = split_locator(disk.place)[0]
            if scheme_of(place) is None and not Path(place).resolve().is_relative_to(folder):
                yield Finding(
                    "KF-921",
                    Severity.NOTE,
                    "the disk is not in the overlay's folder, and kensho follows no disk out of it;"
                    " QEMU does",
                    disk.place,
                    "to go on with kensho write the overlay to the disk's own folder with -o",
                )


@contextmanager
def staged(output: Path) -> Iterator[Path]:
    """Give a hidden folder beside ``output``, locked; it and all left in it go afterwards."""
    folder = partial_path(output.absolute())
    try:
        folder.mkdir(mode=0o700, exist_ok=True)  # it gets what is encrypted on the disk in plain
    except OSError as error:
        raise LocatorError(f"cannot be written to: {error.strerror}", path=output.parent) from None
    with locked(folder):
        for path in folder.iterdir():  # what a killed run left
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name != "lock":
                path.unlink()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def write_result(
    guests: Sequence[AdaptedGuest],
    changes: ChangeSet,
    disks: Sequence[tuple[DiskReader, tuple[Piece, ...]]],
    output: Path,
    folder: Path,
    listener: Listener,
) -> tuple[Path, ...]:
    """Write an overlay for each disk that changes, and the record; return the files.

    ``folder`` is one of `staged`. UsageError when there is one file for several overlays.
    """
    changed = [pair for guest in guests for pair in guest.changed]
    record = output.with_suffix(RECORD).name if output.suffix == OVERLAY else _RECORD
    # The record comes first: an overlay without one could not be taken back.
    return write_overlays(
        changed,
        output,
        folder,
        listener,
        {record: lambda path: write_changes(path, changes, disks)},
    )


def write_overlays(
    changed: Sequence[tuple[GuestDisk, Sequence[Piece]]],
    output: Path,
    folder: Path,
    listener: Listener,
    others: Mapping[str, Callable[[Path], None]] = MappingProxyType({}),
) -> tuple[Path, ...]:
    """Write overlays over disks, and ``others``, files by name, which appear before them."""
    single = output.suffix == OVERLAY
    if single and len(changed) > 1:
        raise UsageError(
            f"{len(changed)} disks change, and each gets its own overlay",
            path=output,
            hint="-o FOLDER",
        )
    result = folder / "result"
    result.mkdir()
    names = (output.name,) if single else tuple(_names([disk for disk, _ in changed]))
    for name, (disk, pieces) in zip(names, changed, strict=True):
        listener(Step("write", name))
        final = output if single else output / name
        write_overlay(pieces, disk.reader, backing_for(disk, final), result / name)
    for name, write in others.items():
        write(result / name)
    if not single and not output.exists():
        sync_folder(result / names[0])
        result.replace(output)
        sync_folder(output.absolute())
        return tuple(output / name for name in (*names, *others))
    folder = output.parent if single else output
    _demand_free(folder / name for name in (*others, *names))
    for name in (*others, *names):
        (result / name).replace(folder / name)
    sync_folder(folder / names[0])
    return tuple(folder / name for name in (*names, *others))


def _names(disks: Sequence[GuestDisk]) -> Iterator[str]:
    """Yield the overlays' names: those of the disks, made different where they are not."""
    taken: set[str] = set()
    for disk in disks:
        last = disk.place.rpartition("#")[2].rpartition("/")[2] or disk.image
        stem = name = f"{file_stem(Path(last).stem)}-adapted"
        number = 2
        while name.lower() in taken:
            name, number = f"{stem}-{number}", number + 1
        taken.add(name.lower())
        yield f"{name}{OVERLAY}"
