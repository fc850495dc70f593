"""Where the drives of a machine go: to their own places if the platform has them, else to free ones.

A drive keeps its controller and unit where the platform allows both; what has to move goes to the
first free place of the policy's controller, and from there to those of the platform's careful
choices.
"""

from __future__ import annotations

import contextlib

import msgspec

from kensho.model.errors import UnsupportedError
from kensho.model.machine import (
    BUS_OF,
    Cdrom,
    Controller,
    ControllerModel,
    Disk,
    Drive,
    Firmware,
    Floppy,
    Machine,
)
from kensho.platforms.base import Carries, ControllerSupport, DevicePolicy, Platform


def place_drives(
    machine: Machine,
    platform: Platform,
    carries: Carries,
    policy: DevicePolicy,
    firmware: Firmware,
) -> tuple[tuple[Controller, ...], tuple[Drive, ...]]:
    """Return the controllers in use and the drives on them; UnsupportedError when they do not fit."""
    if policy.drives[firmware].disk is not ControllerModel.IDE:
        # Where CD drives have no other place than IDE's, disks make room only if they have to.
        with contextlib.suppress(UnsupportedError):
            return _placed(machine, platform, carries, policy, firmware, cds_first=False)
    return _placed(machine, platform, carries, policy, firmware, cds_first=True)


def _placed(
    machine: Machine,
    platform: Platform,
    carries: Carries,
    policy: DevicePolicy,
    firmware: Firmware,
    *,
    cds_first: bool,
) -> tuple[tuple[Controller, ...], tuple[Drive, ...]]:
    slots = _Slots(platform, firmware)
    boot_disk = machine.boot_disk()
    placed: list[Drive] = []
    for drive in _in_order(machine, boot_disk, cds_first=cds_first):
        if isinstance(drive, Floppy):
            if carries.floppy:
                placed.append(msgspec.structs.replace(drive, file=None))
            continue
        if isinstance(drive, Cdrom) and not carries.cdrom:
            continue
        candidates = (
            *_candidates(drive, machine, policy, firmware, is_boot=drive is boot_disk),
            *_spares(platform, drive, firmware),
        )
        source = machine.controller(drive.controller)
        for model in candidates:
            if drive is boot_disk and not _boots(platform, model, firmware):
                continue
            if isinstance(drive, Cdrom) and not _takes_cds(platform, model, firmware):
                continue
            # A place means something to the guest only on the bus it was on.
            stays = source is not None and source.bus is BUS_OF[model]
            index, unit = (source.index, drive.unit) if source and stays else (0, 0)
            place = slots.take(model, index, unit)
            if place is not None:
                placed.append(_moved(drive, controller_id(model, place[0]), place[1], carries))
                break
        else:
            raise UnsupportedError(
                f"{platform.title} has no room for drive {drive.id} of {machine.name}",
                field=drive.id,
                hint="remove drives from the source or choose another target",
            )
    order = {drive.id: position for position, drive in enumerate(machine.drives)}
    placed.sort(key=lambda drive: order[drive.id])
    return slots.controllers(), tuple(placed)


class _Slots:
    """The free places of a platform's controllers while drives are being placed."""

    def __init__(self, platform: Platform, firmware: Firmware) -> None:
        self._platform = platform
        self._firmware = firmware
        self._taken: dict[tuple[ControllerModel, int], set[int]] = {}

    def take(self, model: ControllerModel, index: int, unit: int) -> tuple[int, int] | None:
        """Take a place, the wanted one if free, else the first free one; None when full."""
        support = self._platform.support(model, self._firmware)
        if support is None:
            return None
        if self._is_free(support, index, unit):
            return self._mark(model, index, unit)
        for other in range(support.most):
            for candidate in range(support.units):
                if self._is_free(support, other, candidate):
                    return self._mark(model, other, candidate)
        return None

    def controllers(self) -> tuple[Controller, ...]:
        """Return the controllers in use, in the order of the platform's table."""
        order = [c.model for c in self._platform.controllers]
        used = sorted(self._taken, key=lambda key: (order.index(key[0]), key[1]))
        return tuple(Controller(id=controller_id(m, i), model=m, index=i) for m, i in used)

    def _is_free(self, support: ControllerSupport, index: int, unit: int) -> bool:
        if index >= support.most or unit >= support.units or unit in support.reserved:
            return False
        bus = BUS_OF[support.model]
        for (model, taken_index), units in self._taken.items():
            if taken_index == index and BUS_OF[model] is bus:
                return model is support.model and unit not in units
        return True

    def _mark(self, model: ControllerModel, index: int, unit: int) -> tuple[int, int]:
        self._taken.setdefault((model, index), set()).add(unit)
        return index, unit


def controller_id(model: ControllerModel, index: int) -> str:
    """Return the id of a mapped controller: its bus and number, ``scsi0``."""
    return f"{BUS_OF[model].value}{index}"


def _in_order(machine: Machine, boot_disk: Disk | None, *, cds_first: bool) -> list[Drive]:
    """Return the drives, the boot disk first so that nothing takes its place.

    Of IDE's four places CD drives get theirs before other disks, which can be elsewhere.
    """
    rest = [d for d in machine.drives if d is not boot_disk]
    rest.sort(key=lambda d: isinstance(d, Cdrom) is not cds_first)
    return ([boot_disk] if boot_disk else []) + rest


def _candidates(
    drive: Disk | Cdrom,
    machine: Machine,
    policy: DevicePolicy,
    firmware: Firmware,
    *,
    is_boot: bool,
) -> tuple[ControllerModel, ...]:
    """Return the controllers to try for a drive, best first."""
    choice = policy.drives[firmware]
    wanted = choice.cdrom if isinstance(drive, Cdrom) else choice.disk
    if is_boot and choice.boot_disk is not None:
        wanted = choice.boot_disk
    source = machine.controller(drive.controller)
    candidates = [wanted, choice.disk, choice.cdrom]
    if isinstance(drive, Cdrom):
        candidates = [model for model in candidates if model in _TAKES_CDS]
    if source is not None:
        kept = _as_platform_names_it(source.model, policy)
        may_keep = kept is not None and not (is_boot and choice.boot_disk not in {None, kept})
        fits_cd = not isinstance(drive, Cdrom) or kept in _TAKES_CDS | policy.keep_cds
        if kept is not None and may_keep and fits_cd:
            candidates.insert(0, kept)
    return tuple(dict.fromkeys(candidates))


def _spares(
    platform: Platform, drive: Disk | Cdrom, firmware: Firmware
) -> tuple[ControllerModel, ...]:
    """Return where a drive goes when the policy's controllers are full, or not in this version."""
    policies = [platform.compatible] + ([platform.fallback] if platform.fallback else [])
    choices = [policy.drives[firmware] for policy in policies]
    return tuple(c.cdrom if isinstance(drive, Cdrom) else c.disk for c in choices)


_IDE = frozenset({ControllerModel.PIIX3, ControllerModel.PIIX4, ControllerModel.ICH6})
_TAKES_CDS = frozenset(
    {ControllerModel.IDE, ControllerModel.AHCI, ControllerModel.HYPERV_SCSI}
    | {ControllerModel.XEN_VBD, ControllerModel.VIRTIO_SCSI}
)


def _as_platform_names_it(model: ControllerModel, policy: DevicePolicy) -> ControllerModel | None:
    """Return the controller to keep; a guest drives every PIIX and ICH IDE chip alike."""
    if model in _IDE:
        model = ControllerModel.IDE
    return model if model in policy.keep else None


def _boots(platform: Platform, model: ControllerModel, firmware: Firmware) -> bool:
    support = platform.support(model, firmware)
    return support is not None and firmware in support.boots


def _takes_cds(platform: Platform, model: ControllerModel, firmware: Firmware) -> bool:
    support = platform.support(model, firmware)
    return support is not None and firmware in support.cdroms


def _moved(drive: Disk | Cdrom, controller: str, unit: int, carries: Carries) -> Disk | Cdrom:
    order = drive.boot_order if carries.boot_order else None
    if isinstance(drive, Cdrom):
        return msgspec.structs.replace(
            drive, controller=controller, unit=unit, file=None, host_device="", boot_order=order
        )
    return msgspec.structs.replace(drive, controller=controller, unit=unit, boot_order=order)
