"""A profile: the hardware that a platform shows a guest, as far as QEMU has it."""

from __future__ import annotations

import msgspec

from kensho.model.machine import ControllerModel, Firmware, NicModel


class Smbios(msgspec.Struct, frozen=True):
    """What a machine's tables (SMBIOS, "DMI") call it: maker of its firmware, of it, and its model."""

    firmware: str
    maker: str
    model: str


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """One way a platform can show a machine to its guest.

    ``platform`` is the name in ``kensho.platforms``; ``board`` is QEMU's, ``pc`` or ``q35``. ``nearest``
    says in what the hardware is another than the platform's, where QEMU has something near it.
    ``smbios`` are the names by which its guests know it, ``device`` is QEMU's adapter where the usual one is of
    another make. ``static`` says why nothing can be started for it: then `kensho check` alone judges.
    """

    name: str
    platform: str
    title: str
    controller: ControllerModel
    adapter: NicModel
    firmware: Firmware = Firmware.BIOS
    board: str = "pc"
    smbios: Smbios | None = None
    device: str = ""
    same_as: str = ""
    nearest: str = ""
    static: str = ""
