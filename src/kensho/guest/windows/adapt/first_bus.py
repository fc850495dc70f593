"""Which controller the machine is to start from first, on each target.

Drivers in Windows' own box serve IDE, SATA and, since 8.1, NVMe. The paravirtual controllers of KVM, VMware
and Xen need drivers that the user supplies, and Windows finishes the installation of one when it meets
its device: so the first start is safest from a controller of the box, with a disk on the
paravirtual one beside it.

Azure calls Hyper-V's bus MSFT1000 since 2026, by which Windows 8 to Server 2012 R2 do not know it
(https://learn.microsoft.com/troubleshoot/azure/virtual-machines/windows/windows-server-2012r2-boot-failure-platform-update).
"""

from __future__ import annotations

from kensho.guest.devices import CONTROLLERS
from kensho.guest.windows.adapt.guest import WindowsGuest
from kensho.guest.windows.control_sets import control_sets
from kensho.guest.windows.inbox import EIGHT, EIGHT_1, starts_of
from kensho.guest.windows.installed import controllers_of
from kensho.model.finding import Severity
from kensho.model.machine import ControllerModel, Firmware
from kensho.platforms.base import Platform

_PARAVIRTUAL = frozenset(
    {
        ControllerModel.VIRTIO_BLK,
        ControllerModel.VIRTIO_SCSI,
        ControllerModel.PVSCSI,
        ControllerModel.HYPERV_SCSI,
        ControllerModel.XEN_VBD,
    }
)
_AZURE = "azure"
#: Controllers by how well known they are to Windows, the best known first.
_SAFEST = {
    model: place
    for place, model in enumerate(
        (
            ControllerModel.AHCI,
            ControllerModel.IDE,
            ControllerModel.PIIX4,
            ControllerModel.PIIX3,
            ControllerModel.ICH6,
            ControllerModel.LSISAS,
            ControllerModel.NVME,
        )
    )
}


def plan_first_bus(guest: WindowsGuest) -> None:
    """Note, for every target, what the machine starts from (KF-887) where that is not the best."""
    hive = guest.registry.hive
    ready = controllers_of(guest.version, starts_of(hive, control_sets(hive)[0]))
    firmware = _firmware(guest)
    for platform in guest.aims.platforms:
        if platform.name == _AZURE and not _knows_bus_of_azure(guest):
            guest.draft.note(
                "KF-887", Severity.WARNING,
                f"{platform.title}: this Windows does not know Hyper-V's bus by its new name,"
                " MSFT1000, and stops with 0x7B on hosts that have it",
                "upgrade it to Server 2016 or later first; Microsoft's way around it is described for"
                " Server 2012 R2 (startup failure after Azure platform update)", platform.name,
            )  # fmt: skip
        best = _best(platform, firmware)
        if best is None or best in ready:
            continue
        offered = [
            row.model
            for row in platform.controllers
            if firmware in row.boots and firmware in row.firmware and row.model in ready
        ]
        if any(model in _PARAVIRTUAL for model in offered):
            continue
        safe = sorted(offered, key=lambda model: _SAFEST.get(model, len(_SAFEST)))
        if safe:
            guest.draft.note(
                "KF-887", Severity.NOTE,
                f"{platform.title}: Windows has no driver for {best}; it starts from"
                f" {', '.join(safe)}",
                f"start it from {safe[0]} first, with a disk on {best} beside it, and install the"
                " driver then; or supply the driver",
                platform.name,
            )  # fmt: skip
        else:
            guest.draft.note(
                "KF-887", Severity.WARNING,
                f"{platform.title}: Windows drives none of the controllers it could start from",
                f"supply a driver for {best}", platform.name,
            )  # fmt: skip


def _knows_bus_of_azure(guest: WindowsGuest) -> bool:
    current = control_sets(guest.registry.hive)[0]
    return (
        guest.version.nt not in {EIGHT, EIGHT_1}
        or guest.registry.hive.find(rf"{current}\Enum\ACPI\MSFT1000") is not None
    )


def _firmware(guest: WindowsGuest) -> Firmware:
    if guest.aims.machine is not None:
        return guest.aims.machine.firmware.kind
    schemes = {t.scheme for t in guest.opened.volumes.tables if t is not None}
    return Firmware.UEFI if schemes == {"gpt"} else Firmware.BIOS  # Windows has no other pairs


def _best(platform: Platform, firmware: Firmware) -> ControllerModel | None:
    choice = platform.native.drives.get(firmware)
    model = (choice.boot_disk or choice.disk) if choice is not None else None
    return model if model in CONTROLLERS else None
