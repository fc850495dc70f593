"""The guests of machines adapted: planned, carried out beside their disks, recorded.

What changes lies in files of ours, as pieces of the disks; it becomes overlays (`overlays.py`), or is
laid over what a conversion reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

import msgspec

from kensho import __version__
from kensho.convert.events import Listener, Moved, Step
from kensho.convert.guests import GuestDisk, GuestDisks
from kensho.disks import DiskReader
from kensho.guest.adapt.carry_out import carry_out
from kensho.guest.adapt.changes import ChangeSet, DiskChange
from kensho.guest.adapt.plan import AdaptPlan, plan_adaptation
from kensho.guest.adapt.record import changed_disk, file_changes, spans_of
from kensho.guest.adapt.roots import both_roots
from kensho.guest.aims import Aims
from kensho.guest.edit.disk import PatchedDisk, Piece
from kensho.model.errors import UnsupportedError
from kensho.model.finding import Finding, Severity
from kensho.model.progress import Meter

#: Addresses of adapters that do not stay, and the new ones: by machine.
Macs: TypeAlias = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class PlannedGuest:
    """A machine's disks and what is to be done to the guests on them."""

    disks: GuestDisks
    plan: AdaptPlan


@dataclass(frozen=True, slots=True)
class AdaptedGuest:
    """A machine's disks, and what changes of each, in their order."""

    planned: PlannedGuest
    pieces: tuple[tuple[Piece, ...], ...]

    @property
    def changed(self) -> Iterator[tuple[GuestDisk, tuple[Piece, ...]]]:
        """The disks that change."""
        pairs = zip(self.planned.disks.disks, self.pieces, strict=True)
        return ((disk, pieces) for disk, pieces in pairs if pieces)


def plan_guests(
    machines: Sequence[GuestDisks], aims: Aims, macs: Macs = MappingProxyType({})
) -> tuple[tuple[PlannedGuest, ...], tuple[Finding, ...]]:
    """Plan all machines; of several, one that cannot be adapted is a finding (KF-920).

    ``macs`` are the addresses that do not stay, by machine; see `Aims`.
    Raises what `plan_adaptation` does when none can be.
    """
    planned: list[PlannedGuest] = []
    findings: list[Finding] = []
    refused: UnsupportedError | None = None
    for machine in machines:
        try:
            own = replace(aims, machine=machine.machine, macs=macs.get(machine.id, {}))
            plan = plan_adaptation(machine.readers, own)
        except UnsupportedError as error:
            refused = refused or error
            findings.append(
                Finding("KF-920", Severity.WARNING, f"is not adapted: {error}", machine.id,
                        error.hint)
            )  # fmt: skip
            continue
        planned.append(PlannedGuest(machine, plan))
        findings.extend(plan.findings)
    if not planned and refused is not None:
        raise refused
    return tuple(planned), tuple(findings)


def carry_out_guest(guest: PlannedGuest, folder: Path, listener: Listener) -> AdaptedGuest:
    """Carry a machine's edits out in ``folder``, which is new; raises what `carry_out` does."""
    listener(Step("edit", guest.disks.id))
    folder.mkdir()
    found: dict[str, list[Piece]] = {}
    for name, piece in carry_out(guest.plan, folder):
        found.setdefault(name, []).append(piece)
    count = len(guest.disks.disks)
    return AdaptedGuest(guest, tuple(tuple(found.get(f"disk{n}", ())) for n in range(1, count + 1)))


def recorded(
    guests: Sequence[AdaptedGuest], source: str, targets: Sequence[str]
) -> tuple[ChangeSet, tuple[tuple[DiskReader, tuple[Piece, ...]], ...]]:
    """Return the record of an adaptation, without roots, and the disks in its order."""
    disks: list[DiskChange] = []
    places: list[tuple[DiskReader, tuple[Piece, ...]]] = []
    for guest in guests:
        machine = guest.planned.disks
        for number, (disk, pieces) in enumerate(zip(machine.disks, guest.pieces, strict=True), 1):
            with patched(disk.reader, pieces) as above:
                disks.append(
                    changed_disk(
                        machine.id, f"disk{number}", disk.place, disk.reader, above, pieces
                    )
                )
            places.append((disk.reader, pieces))
    changes = ChangeSet(
        kensho=__version__,
        source=source,
        targets=tuple(targets),
        files=tuple(c for g in guests for c in file_changes(g.planned.plan, g.planned.disks.id)),
        disks=tuple(disks),
    )
    return changes, tuple(places)


def with_roots(
    changes: ChangeSet,
    disks: Sequence[tuple[DiskReader, tuple[Piece, ...]]],
    listener: Listener,
) -> ChangeSet:
    """Return the record with the roots of the disks that change; each is read once, whole."""
    found: list[DiskChange] = []
    for change, (below, pieces) in zip(changes.disks, disks, strict=True):
        if not change.runs:
            found.append(change)
            continue
        listener(Step("hash", change.file))
        with patched(below, pieces) as above:
            before, after = both_roots(
                below, above, spans_of(pieces), meter(listener, "hash", Path(change.file).name)
            )
        found.append(msgspec.structs.replace(change, root_before=before, root_after=after))
    return msgspec.structs.replace(changes, disks=tuple(found))


@contextmanager
def patched(below: DiskReader, pieces: Sequence[Piece]) -> Iterator[DiskReader]:
    """Give a disk with pieces over it; itself without any."""
    if not pieces:
        yield below
        return
    above = PatchedDisk(below, pieces)
    try:
        yield above
    finally:
        above.close()


def meter(listener: Listener, phase: str, subject: str) -> Callable[[int, int], None]:
    """Return what takes (done, total) in bytes and tells the listener."""
    return Meter(subject, phase, lambda progress: listener(Moved(progress)))
