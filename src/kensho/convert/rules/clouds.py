"""What clouds do not take, or decide themselves."""

from __future__ import annotations

from collections.abc import Iterator

from kensho.convert.rules.journey import ImageFacts, Journey, blocked, note, warning
from kensho.model import guest_os
from kensho.model.finding import Finding
from kensho.model.machine import Machine
from kensho.model.units import format_bytes
from kensho.platforms.base import CloudLimits


def check(journey: Journey) -> Iterator[Finding]:
    """Find disks, sizes and guests that a cloud does not take, and what a guest needs there."""
    limits = journey.platform.cloud
    if limits is None:
        return
    title = journey.platform.title
    for _, machine in journey.machines():
        first = machine.boot_disk()
        for facts in journey.images:
            is_boot = first is not None and facts.image == first.image
            yield from _size(limits, title, facts, is_boot=is_boot)
        yield from _shape(limits, machine, title)
        yield from _guest(journey, limits, machine)
        if len({nic.model for nic in machine.nics}) > 1:
            yield warning(
                "KF-506",
                f"{title} gives all adapters of a machine one model",
                machine.name,
                f"all become {machine.nics[0].model}",
            )


def _size(
    limits: CloudLimits, title: str, facts: ImageFacts, *, is_boot: bool
) -> Iterator[Finding]:
    most = limits.largest_boot_disk if is_boot else limits.largest_disk
    if facts.virtual_size > most:
        kind = "disks to start from" if is_boot else "disks"
        yield blocked(
            "KF-501",
            f"the disk has {format_bytes(facts.virtual_size)}; {title} takes {kind} of at most"
            f" {format_bytes(most)} as a file",
            facts.filename or facts.image,
            "make the disk smaller in the guest, or move its data to several disks",
        )


def _shape(limits: CloudLimits, machine: Machine, title: str) -> Iterator[Finding]:
    shape = limits.shape_for(machine.cpu.count, machine.memory.size)
    if shape is None:
        return
    wanted = f"{machine.cpu.count} processors and {format_bytes(machine.memory.size)} of memory"
    had = f"{shape.cpus} and {format_bytes(shape.memory)}"
    if shape.cpus < machine.cpu.count or shape.memory < machine.memory.size:
        yield warning(
            "KF-502",
            f"no size of machine known here has {wanted}; {shape.name} has {had}",
            machine.name,
            f"choose a larger size of {title} in the script",
        )
    elif (shape.cpus, shape.memory) != (machine.cpu.count, machine.memory.size):
        yield note(
            "KF-502",
            f"{title} sells machines by size: {shape.name} has {had} for {wanted}",
            machine.name,
            "another size can be named in the script",
        )


def _guest(journey: Journey, limits: CloudLimits, machine: Machine) -> Iterator[Finding]:
    row = guest_os.get(machine.guest.id)
    title = journey.platform.title
    accepted = limits.imports.get(journey.form.name)
    others = ", ".join(f.name for f in journey.platform.forms if f.name not in limits.imports)
    if accepted is not None and 0 < limits.most_imported < len(machine.disks):
        yield blocked(
            "KF-501",
            f"{len(machine.disks)} disks; {title} imports machines of at most"
            f" {limits.most_imported}",
            machine.name,
            f"use --form {others}",
        )
    if accepted is not None and row.family not in accepted:
        yield warning(
            "KF-503",
            f"{title} changes guests it imports and refuses those it does not know: {row.title}",
            machine.name,
            f"use --form {others}, which takes any guest as it is",
        )
    if row.family != "other" and row.bits not in limits.bits:
        yield warning(
            "KF-504", f"{title} has no machines for guests of {row.bits} bits", machine.name
        )
    advice = limits.advice.get(row.family)
    if advice:
        yield note("KF-505", f"what the guest needs on {title}", machine.name, advice)
