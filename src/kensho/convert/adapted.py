"""A conversion whose guests are adapted on the way: what it reads, and the record it leaves.

The package is read as if its disks had been changed already: pieces lie over them, so that neither
an overlay nor a second copy is made, and what is verified is what was wanted.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from kensho.appliances import Package
from kensho.appliances.package import PlacedDisk
from kensho.convert.adaptation import demand_addresses, demand_same, described
from kensho.convert.adapting import (
    AdaptedGuest,
    carry_out_guest,
    plan_guests,
    recorded,
)
from kensho.convert.events import Listener, Step
from kensho.convert.guests import guests_of
from kensho.convert.plan import Plan
from kensho.convert.renewing import IdentityPolicy
from kensho.convert.source import opened_image
from kensho.disks import DiskReader
from kensho.guest.adapt.changes import DiskChange
from kensho.guest.adapt.record import spans_of, write_changes
from kensho.guest.adapt.roots import RootBefore
from kensho.guest.edit.disk import PatchedDisk, Piece
from kensho.guest.volumes.luks.device import Key
from kensho.model.errors import CorruptError
from kensho.storage.locator import shown

_STEP = 1 << 20


@dataclass(frozen=True, slots=True)
class Adapted:
    """The package as it is to be converted.

    ``before`` takes the roots of disks as they were; ``stamp`` is another one when other bytes are
    laid over them, empty when none are.
    """

    package: Package
    stamp: str = ""
    guests: tuple[AdaptedGuest, ...] = ()
    before: Mapping[str, RootBefore] = field(default_factory=dict)


@contextmanager
def adapted_package(
    package: Package, plan: Plan, folder: Path, listener: Listener, keys: Sequence[Key] = ()
) -> Iterator[Adapted]:
    """Give the package with the plan's adaptation in it; itself when there is none.

    ``folder`` is for files of ours. CorruptError when the adaptation is not what was planned;
    raises what carrying it out raises.
    """
    if plan.adaptation is None:
        if plan.request.adapt.platforms:
            raise CorruptError(
                "the guest is to be adapted, and the plan does not say how",
                path=shown(plan.request.source),
                field="adaptation",
                hint="make the plan again",
            )
        yield Adapted(package)
        return
    demand_addresses(plan.adaptation.macs, plan.before.machines, plan.after.machines)
    with ExitStack() as stack:
        aims = plan.request.adapt.aims(identity=plan.request.machine_identity is IdentityPolicy.NEW)
        aims = dataclasses.replace(aims, keys=tuple(keys))
        machines = plan.before.machines
        listener(Step("adapt", plan.name))
        guests = tuple(guests_of(package, machines, stack))
        macs = plan.adaptation.macs
        planned, _ = plan_guests(guests, aims, macs)
        demand_same(plan.adaptation, described(planned, aims, macs), shown(plan.request.source))
        folder.mkdir()
        done = tuple(
            carry_out_guest(guest, folder / str(number), listener)
            for number, guest in enumerate(planned)
        )
        pieces = {disk.image: found for guest in done for disk, found in guest.changed}
        readers = {disk.image: disk.reader for guest in guests for disk in guest.disks}

        def open_image(image: str) -> DiskReader:
            reader = readers.get(image)
            if reader is None:
                reader = readers[image] = stack.enter_context(opened_image(package, image))
            return PatchedDisk(reader, pieces.get(image, ()))

        before = {
            image: RootBefore(readers[image], spans_of(found)) for image, found in pieces.items()
        }
        changed = dataclasses.replace(package, open_image=open_image)
        yield Adapted(changed, _stamp(pieces), done, before)


def _stamp(pieces: Mapping[str, Sequence[Piece]]) -> str:
    """Return a digest of what is laid over the images."""
    total = hashlib.sha256()
    for image, found in sorted(pieces.items()):
        for piece in sorted(found, key=lambda piece: piece.start):
            total.update(f"{image} {piece.start} {piece.length}\n".encode())
            with piece.file.open("rb") as file:
                file.seek(piece.at)
                for at in range(0, piece.length, _STEP):
                    total.update(file.read(min(_STEP, piece.length - at)))
    return total.hexdigest()


def record_name(plan: Plan) -> str:
    """Return the name of the record beside a result; empty when there is none."""
    if plan.adaptation is None or not plan.adaptation.steps:
        return ""
    return f"{plan.name}.{plan.target}-{plan.form}.changes"


def write_record(adapted: Adapted, plan: Plan, disks: Sequence[PlacedDisk], path: Path) -> None:
    """Write the record of what was changed, with the roots of the disks that were converted."""
    assert plan.adaptation is not None
    changes, places = recorded(
        adapted.guests, shown(plan.request.source), plan.adaptation.platforms
    )
    placed = {disk.image: disk for disk in disks}
    images = [disk.image for guest in adapted.guests for disk in guest.planned.disks.disks]
    told = tuple(
        _with_result(change, placed.get(image), adapted.before.get(image))
        for image, change in zip(images, changes.disks, strict=True)
    )
    write_changes(path, msgspec.structs.replace(changes, disks=told), places)


def _with_result(
    change: DiskChange, placed: PlacedDisk | None, before: RootBefore | None
) -> DiskChange:
    """Return a disk's changes with what it is called in the result and its roots, as far as known."""
    if placed is None:
        return change
    change = msgspec.structs.replace(change, file=placed.filename)
    if before is None or not placed.content_root or not before.used:
        return change
    return msgspec.structs.replace(
        change, root_before=before.root(), root_after=placed.content_root
    )
