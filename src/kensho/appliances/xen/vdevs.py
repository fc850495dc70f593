"""What drives are called by Xen, and so where they appear to the guest.

Source: xen-vbd-interface(7), xl-disk-configuration(5). ``hd`` and ``xvd`` names of one letter are
one drive to the emulated IDE chip, which shows the first four of either to firmware and guests
without Xen's drivers; ``sd`` names are drives of an emulated LSI 53C895A.
"""

from __future__ import annotations

from kensho.appliances.mapped import controller_of, not_supported
from kensho.model.machine import Bus, Cdrom, ControllerModel, Disk, Drive, Machine
from kensho.platforms.words import controller_word
from kensho.platforms.xen import XL

IDE_DRIVES = 4


def device_names(machine: Machine) -> dict[str, str]:
    """Return the name of each drive by its id: ``xvda``, ``hdc``.

    A drive whose letter is taken gets the next free one. CD drives are left room among the first
    four, as only the IDE chip shows them. Raises UnsupportedError for a drive Xen does not have.
    """
    boot = machine.boot_disk()
    drives = sorted(_drives(machine), key=lambda d: (d is not boot, isinstance(d, Cdrom)))
    spare = IDE_DRIVES - max(1, IDE_DRIVES - sum(isinstance(d, Cdrom) for d in drives))
    names: dict[str, str] = {}
    taken: dict[bool, set[int]] = {True: set(), False: set()}
    for drive in drives:
        controller = controller_of(machine, drive)
        prefix = controller_word(XL.controllers, controller.model)
        if prefix is None:
            raise not_supported("Xen", drive, controller.model.value)
        is_scsi = controller.bus is Bus.SCSI
        width = 7 if is_scsi else 2 if controller.bus is Bus.IDE else 0
        used = taken[is_scsi]
        full = len(used & set(range(IDE_DRIVES))) >= IDE_DRIVES - spare
        only_high = full and isinstance(drive, Disk) and not is_scsi
        place = next(
            n
            for n in _from(drive.unit + width * controller.index, low=isinstance(drive, Cdrom))
            if n not in used and not (only_high and n < IDE_DRIVES)
        )
        used.add(place)
        if prefix == "hd" and place >= IDE_DRIVES:
            prefix = controller_word(XL.controllers, ControllerModel.XEN_VBD) or prefix
        names[drive.id] = prefix + letters(place)
    return names


def _from(wanted: int, *, low: bool) -> list[int]:
    """Return the places to try: the wanted one, and what follows it, or the lowest ones."""
    return [wanted, *range(512)] if low else [*range(wanted, wanted + 512), *range(wanted)]


def _drives(machine: Machine) -> list[Disk | Cdrom]:
    found: list[Disk | Cdrom] = []
    drive: Drive
    for drive in machine.drives:
        if not isinstance(drive, Disk | Cdrom):
            raise not_supported("Xen", drive, "floppy")
        found.append(drive)
    return found


def letters(number: int) -> str:
    """Return ``a`` for 0, ``aa`` for 26."""
    text = ""
    while number >= 0:
        text = chr(ord("a") + number % 26) + text
        number = number // 26 - 1
    return text
