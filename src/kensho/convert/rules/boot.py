"""What the machine starts from."""

from __future__ import annotations

from collections.abc import Iterator

from kensho.convert.rules.journey import Journey, note, warning
from kensho.model.finding import Finding
from kensho.model.machine import Disk, Machine


def check(journey: Journey) -> Iterator[Finding]:
    """Find a boot order that the target's files do not say, where it matters."""
    for before, _ in journey.machines():
        order = _order(before)
        if journey.form.carries.boot_order or not order:
            continue
        disks = before.disks
        if disks and order[0] != disks[0].id:
            yield warning(
                "KF-431",
                f"the machine starts from {order[0]}, and the boot order is not carried over",
                before.name,
                "set it there; the target tries the first disk",
            )
        elif len(order) > 1:
            yield note(
                "KF-435",
                f"what is tried when {order[0]} does not start is not carried over:"
                f" {', '.join(order[1:])}",
                before.name,
                "set it there if it is needed",
            )


def _order(machine: Machine) -> list[str]:
    """Return the devices that can be started from, in the order they are tried."""
    devices = [*machine.drives, *machine.nics]
    ordered = [
        (order, device.id)
        for device in devices
        if (order := getattr(device, "boot_order", None)) is not None
        # An empty CD drive in front of the disk changes nothing.
        and (isinstance(device, Disk) or getattr(device, "file", "net") is not None)
    ]
    return [device for _, device in sorted(ordered)]
