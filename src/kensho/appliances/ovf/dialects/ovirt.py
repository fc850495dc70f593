"""oVirt and RHV: disks and firmware in attributes and elements of their own.

Namespace ``http://schemas.dmtf.org/ovf/envelope/1/`` (with the slash) or none for most children.
"""

from __future__ import annotations

from lxml import etree

from kensho.appliances.ovf.elements import attribute, attributes, text
from kensho.appliances.ovf.quantities import to_int
from kensho.model.machine import Firmware
from kensho.model.units import GIB

#: oVirt's BiosType: chipset and firmware in one number.
_BIOS_TYPES = {
    "0": (Firmware.BIOS, False),
    "1": (Firmware.BIOS, False),
    "2": (Firmware.UEFI, False),
    "3": (Firmware.UEFI, True),
    "i440fx_sea_bios": (Firmware.BIOS, False),
    "q35_sea_bios": (Firmware.BIOS, False),
    "q35_ovmf": (Firmware.UEFI, False),
    "q35_secure_boot": (Firmware.UEFI, True),
}
_OWN_DISK = frozenset({"disk-interface", "volume-format", "volume-type", "disk-alias"})


def is_ovirt_disk(disk: etree._Element) -> bool:
    """Tell whether a Disk is oVirt's, whose ``size`` counts GiB."""
    return any(name in _OWN_DISK for _, name, _ in attributes(disk))


def capacity(disk: etree._Element) -> int | None:
    """Return a Disk's capacity in bytes from ``size``; None when it has none."""
    size = to_int(attribute(disk, "size"))
    return size * GIB if size and 0 < size < 1 << 32 else None


def firmware(content: etree._Element) -> tuple[Firmware, bool] | None:
    """Return (firmware, secure boot) of a machine, None when BiosType is not there."""
    return _BIOS_TYPES.get(text(content, "BiosType").lower())
