"""Disks with the script that reports laid over them: read by QEMU, never by anything that is kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from kensho.disks import DiskReader
from kensho.guest.adapt.carry_out import carry_out
from kensho.guest.adapt.plan import AdaptPlan
from kensho.guest.bsd.installed import bsd_system
from kensho.guest.edit.disk import PatchedDisk, Piece
from kensho.guest.edit.draft import Draft
from kensho.guest.edit.placing import VolumeEdits, by_volume
from kensho.guest.inspect.systems import Opened, find_systems
from kensho.guest.volumes.luks.device import Key
from kensho.guest.volumes.scan import scan
from kensho.guest.windows.installed import windows_folder
from kensho.model.errors import KenshoError
from kensho.proof.inside.plan import plan_report


@contextmanager
def reporting(
    disks: Sequence[DiskReader], folder: Path, keys: Sequence[Key] = ()
) -> Iterator[tuple[tuple[DiskReader, ...], str]]:
    """Give the disks with a reporting guest on them, and why it does not report, empty when it does.

    ``folder`` is for files of ours, ``keys`` open volumes of LUKS. The disks stay the caller's, and are only read.
    """
    try:
        pieces = _pieces(disks, folder, keys)
    except KenshoError as error:
        yield tuple(disks), error.message
        return
    if not pieces:
        yield tuple(disks), "no guest whose init is known"
        return
    with ExitStack() as stack:
        above = []
        for number, disk in enumerate(disks, 1):
            found = pieces.get(f"disk{number}")
            above.append(PatchedDisk(disk, found) if found else disk)
            if found:
                stack.callback(above[-1].close)
        yield tuple(above), ""


def _pieces(
    disks: Sequence[DiskReader], folder: Path, keys: Sequence[Key]
) -> dict[str, list[Piece]]:
    found: dict[str, list[Piece]] = {}
    for name, piece in carry_out(AdaptPlan((), _edits(disks, keys), ()), folder):
        found.setdefault(name, []).append(piece)
    return found


def _edits(disks: Sequence[DiskReader], keys: Sequence[Key]) -> tuple[VolumeEdits, ...]:
    opened = Opened(scan(disks, keys))
    opened.open_all()
    planned = []
    for system in find_systems(opened):
        if not windows_folder(system.files) and not bsd_system(system.files):
            draft = Draft(system.files, system.volume.id)
            if plan_report(draft):
                planned.append((draft.files, draft.edits))
    return by_volume(opened, planned)
