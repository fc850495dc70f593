"""What every renderer asks of a mapped machine: the one machine, its disks, its boot order."""

from __future__ import annotations

from collections.abc import Mapping

from kensho.appliances.package import PlacedDisk
from kensho.model.appliance import Appliance
from kensho.model.errors import UnsupportedError, UsageError
from kensho.model.machine import Cdrom, Controller, Disk, Drive, Machine, Nic


def only_machine(appliance: Appliance, target: str) -> Machine:
    """Return the appliance's machine; raises UnsupportedError unless there is exactly one."""
    if len(appliance.machines) != 1:
        raise UnsupportedError(
            f"{target} files describe one machine, {appliance.name!r} has"
            f" {len(appliance.machines)}",
            hint="convert one machine at a time with --machine",
        )
    return appliance.machines[0]


def controller_of(machine: Machine, drive: Disk | Cdrom) -> Controller:
    """Return the controller a drive sits on; raises UnsupportedError when it has none."""
    controller = machine.controller(drive.controller)
    if controller is None:
        raise UnsupportedError(f"drive {drive.id!r} is on no controller", field=drive.id)
    return controller


def placed_disk(disk: Disk, disks: Mapping[str, PlacedDisk]) -> PlacedDisk:
    """Return where a disk's image was placed; raises UsageError when it was not."""
    placed = disks.get(disk.image)
    if placed is None:
        raise UsageError(f"image {disk.image!r} of disk {disk.id!r} was not placed", field=disk.id)
    return placed


def not_supported(target: str, device: Drive | Nic, model: str) -> UnsupportedError:
    """Return the error for a device the target lacks and the planner should have mapped."""
    return UnsupportedError(f"{target} has no {model!r} for device {device.id!r}", field=device.id)


def boot_ranks(machine: Machine) -> dict[str, int]:
    """Return the place in the boot order, from 1, by device id.

    What the source states comes first; where it states nothing, the boot disk is all there is.
    """
    devices: list[Disk | Cdrom | Nic] = [
        *(d for d in machine.drives if isinstance(d, Disk | Cdrom)),
        *machine.nics,
    ]
    stated = [d for d in devices if d.boot_order is not None]
    stated.sort(key=lambda d: d.boot_order or 0)
    first = machine.boot_disk()
    if not any(isinstance(d, Disk) for d in stated) and first is not None:
        stated.append(first)
    return {device.id: rank for rank, device in enumerate(stated, 1)}
