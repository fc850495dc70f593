"""The order of the disks as the guest counts them, and places that run out."""

from __future__ import annotations

from collections.abc import Iterator

from kensho.convert.rules.journey import Journey, note, warning
from kensho.model import guest_os
from kensho.model.finding import Finding
from kensho.model.machine import Bus, Cdrom, ControllerModel, Disk, Firmware, Machine

#: What Linux names disks after, by bus, and the order in which firmware and guests look.
_PREFIXES = {
    Bus.IDE: "sd", Bus.SATA: "sd", Bus.SCSI: "sd", Bus.NVME: "nvme", Bus.VIRTIO: "vd",
    Bus.XEN: "xvd",
}  # fmt: skip
_RANK = tuple(_PREFIXES)


def check(journey: Journey) -> Iterator[Finding]:
    """Find disks that the guest counts or names otherwise, and drives IDE has no place for."""
    for before, after in journey.machines():
        yield from _names(before, after)
        yield from _full(journey, before, after)


def _names(before: Machine, after: Machine) -> Iterator[Finding]:
    old, new = disks_in_order(before), disks_in_order(after)
    if [d for d in old if d in new] != [d for d in new if d in old]:
        yield warning(
            "KF-413",
            f"the guest counts its disks in another order: {', '.join(new)}; it was "
            f"{', '.join(old)}",
            before.name,
            "guests that name disks by UUID or label do not notice",
        )
        return
    changes = [f"{a} → {b}" for d, a in old.items() if (b := new.get(d, a)) != a]
    if changes and guest_os.get(before.guest.id).family != "windows":
        yield note(
            "KF-413",
            f"the guest names its disks otherwise: {', '.join(changes)}",
            before.name,
            "entries of fstab and the boot loader by UUID or label do not notice",
        )


def disks_in_order(machine: Machine) -> dict[str, str]:
    """Return the disks as a guest counts them, with the names a Linux gives them."""
    places = []
    for disk in machine.disks:
        controller = machine.controller(disk.controller)
        if controller is not None and controller.bus in _PREFIXES:
            bus = controller.bus
            places.append((_RANK.index(bus), controller.index, disk.unit, disk.id, bus))
    counts: dict[str, int] = {}
    names: dict[str, str] = {}
    for _, _, _, disk_id, bus in sorted(places):
        prefix = _PREFIXES[bus]
        number = counts.get(prefix, 0)
        counts[prefix] = number + 1
        letter = chr(ord("a") + number) if number < 26 else f"#{number + 1}"
        names[disk_id] = f"nvme{number}n1" if bus is Bus.NVME else f"{prefix}{letter}"
    return names


def _full(journey: Journey, before: Machine, after: Machine) -> Iterator[Finding]:
    firmware = after.firmware.kind
    support = journey.platform.support(ControllerModel.IDE, firmware)
    if support is None:
        return
    places = support.units * support.most
    on_ide = [d for d in after.drives if _bus(after, d.controller) is Bus.IDE]
    wanted = _wants_ide(journey, before, firmware)
    elsewhere = [
        d.name or d.id
        for d in after.drives
        if isinstance(d, Disk | Cdrom)
        and _bus(after, d.controller) is not Bus.IDE
        and (wanted or d.id in _ide_drives(before))
    ]
    if len(on_ide) >= places and elsewhere:
        yield warning(
            "KF-414",
            f"IDE has {places} places there; elsewhere: {', '.join(elsewhere)}",
            before.name,
            "see that the guest has a driver for their controller",
        )


def _bus(machine: Machine, controller_id: str) -> Bus | None:
    controller = machine.controller(controller_id)
    return None if controller is None else controller.bus


def _ide_drives(machine: Machine) -> set[str]:
    return {d.id for d in machine.drives if _bus(machine, d.controller) is Bus.IDE}


def _wants_ide(journey: Journey, machine: Machine, firmware: Firmware) -> bool:
    """Tell whether the guest is of a generation whose disks belong on IDE."""
    policy = journey.platform.guests.get(guest_os.generation(machine.guest.id))
    return policy is not None and policy.drives[firmware].disk is ControllerModel.IDE
