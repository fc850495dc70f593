"""Disks and other drives: where they go, what is inside, what they lose."""

from __future__ import annotations

from collections.abc import Iterator

from kensho.convert.rules.journey import ImageFacts, Journey, blocked, note, warning
from kensho.model.finding import Finding
from kensho.model.machine import Cdrom, Disk, Drive, Floppy, Machine
from kensho.model.units import format_bytes


def check(journey: Journey) -> Iterator[Finding]:
    """Find drives that move, change or lose something."""
    facts = {f.image: f for f in journey.images}
    for before, after in journey.machines():
        moved = {d.id: d for d in after.drives}
        for drive in before.drives:
            ready = before.id in journey.starting
            yield from _placement(before, after, drive, moved.get(drive.id), ready=ready)
            if isinstance(drive, Disk):
                fact = facts.get(drive.image)
                yield from _disk(drive, fact)
                if fact is not None:
                    yield from _size(fact, journey.form.disk.size_step)
            elif (
                isinstance(drive, Cdrom) and drive.id in moved and (drive.file or drive.host_device)
            ):
                yield note(
                    "KF-326",
                    f"the medium in CD drive {drive.name or drive.id} is not carried over",
                    before.name,
                    "the drive is there, empty",
                )


def _placement(
    before: Machine, after: Machine, drive: Drive, moved: Drive | None, *, ready: bool
) -> Iterator[Finding]:
    name = drive.name or drive.id
    if moved is None:
        if isinstance(drive, Floppy):
            yield note("KF-327", f"floppy drive {name} is left out", before.name)
        elif isinstance(drive, Cdrom):
            yield note(
                "KF-500",
                f"CD drive {name} is left out: the target's machines have none",
                before.name,
            )
        return
    old, new = before.controller(drive.controller), after.controller(moved.controller)
    if old is None or new is None:
        return
    if old.model is not new.model and not isinstance(drive, Floppy):
        bus = "" if old.bus is new.bus else f" (bus {old.bus} → {new.bus})"
        text = f"{name} moves from {old.vendor_model or old.model} to {new.model}{bus}"
        if isinstance(drive, Cdrom):
            yield note("KF-328", text, before.name)
        else:
            action = f"the guest needs a driver for {new.model} to start"
            yield warning("KF-320", text, before.name, f"{action}, and has it" if ready else action)
    elif (old.index, drive.unit) != (new.index, moved.unit):
        yield note(
            "KF-321",
            f"{name} moves from {old.bus} {old.index}:{drive.unit} to {new.index}:{moved.unit}",
            before.name,
            "guests that name disks by UUID or label do not notice",
        )


def _size(facts: ImageFacts, step: int) -> Iterator[Finding]:
    if facts.virtual_size == 0:
        yield blocked("KF-306", "the disk has no bytes at all", facts.filename or facts.image)
    elif facts.virtual_size % step:
        grown = -(-facts.virtual_size // step) * step
        yield note(
            "KF-329",
            f"the disk grows from {facts.virtual_size} to {grown} bytes",
            facts.filename or facts.image,
            "the target counts in larger units; the added bytes are zero",
        )


def _disk(disk: Disk, facts: ImageFacts | None) -> Iterator[Finding]:
    name = disk.name or disk.id
    if facts is None:
        yield note("KF-322", f"{name} is empty in the source", name, "an empty disk is made")
    elif facts.stated is not None and facts.stated != facts.virtual_size:
        yield warning(
            "KF-323",
            f"the descriptor says {format_bytes(facts.stated)}, the image is "
            f"{format_bytes(facts.virtual_size)}",
            name,
            "the image is right; its size is used",
        )
