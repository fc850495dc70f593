"""What the machine starts from."""

from __future__ import annotations

from collections.abc import Iterator

from kensho.convert.rules.journey import Journey, warning
from kensho.model.finding import Finding
from kensho.model.machine import Disk, Machine


def check(journey: Journey) -> Iterator[Finding]:
    """Find a boot order that the target's files do not say, where it matters."""
    for before, _ in journey.machines():
        first = _first(before)
        if journey.form.carries.boot_order or first is None:
            continue
        disks = before.disks
        if disks and first != disks[0].id:
            yield warning(
                "KF-431",
                f"the machine starts from {first}, and the boot order is not carried over",
                before.name,
                "set it there; the target tries the first disk",
            )


def _first(machine: Machine) -> str | None:
    """Return the device that is tried first and can be started from; None when none is said."""
    devices = [*machine.drives, *machine.nics]
    ordered = [
        (order, device.id)
        for device in devices
        if (order := getattr(device, "boot_order", None)) is not None
        # An empty CD drive in front of the disk changes nothing.
        and (isinstance(device, Disk) or getattr(device, "file", "net") is not None)
    ]
    return min(ordered)[1] if ordered else None
