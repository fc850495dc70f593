"""What the machine starts from."""

from __future__ import annotations

from collections.abc import Iterator

from kensho.convert.rules.disk_order import disks_in_order
from kensho.convert.rules.journey import Journey, note, warning
from kensho.model.finding import Finding
from kensho.model.machine import Disk, Machine
from kensho.platforms.base import Platform


def check(journey: Journey) -> Iterator[Finding]:
    """Find a boot order that the target's files do not say, where it matters."""
    carries = journey.form.carries
    for before, after in journey.machines():
        order = _order(before)
        if order and carries.boot_order and after.firmware.kind in carries.boot_by_kind:
            yield from _by_kind(journey.platform, before, after, order)
        if carries.boot_order or not order:
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


def _by_kind(
    platform: Platform, before: Machine, after: Machine, order: list[str]
) -> Iterator[Finding]:
    """Find an order among disks, where the target tries the first one of them alone."""
    disks = {disk.id for disk in before.disks}
    wanted = [device for device in order if device in disks]
    kind = after.firmware.kind
    tried = next((d for d in disks_in_order(after) if _boots(platform, after, d)), "")
    if wanted and tried and wanted[0] != tried:
        yield warning(
            "KF-431",
            f"the machine starts from {wanted[0]}; {platform.title} with {kind.upper()} tries the"
            f" first disk, {tried}",
            before.name,
            "change the places of the two there, or remove the other one for the start",
        )
    elif len(wanted) > 1:
        yield note(
            "KF-435",
            f"what is tried when {wanted[0]} does not start is not carried over:"
            f" {', '.join(wanted[1:])}",
            before.name,
            "the target tries no second disk",
        )


def _boots(platform: Platform, machine: Machine, disk_id: str) -> bool:
    disk = next(d for d in machine.disks if d.id == disk_id)
    controller, kind = machine.controller(disk.controller), machine.firmware.kind
    support = platform.support(controller.model, kind) if controller is not None else None
    return support is not None and kind in support.boots


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
