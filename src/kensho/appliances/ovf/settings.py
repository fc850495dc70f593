"""Firmware and guest operating system of a machine, which OVF leaves to the dialects."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from lxml import etree

from kensho.appliances.ovf.dialects import ovirt, xen
from kensho.appliances.ovf.dialects.virtualbox import VboxMachine
from kensho.appliances.ovf.elements import attribute, is_true, section_kind, text
from kensho.appliances.ovf.places import Content
from kensho.appliances.ovf.quantities import to_int
from kensho.appliances.ovf.texts import Texts
from kensho.model import guest_os
from kensho.model.machine import Firmware, FirmwareSettings, GuestOs

_FILE = re.compile(r"(?:ovf:)?/{0,2}file/(.+)", re.IGNORECASE)


def read_firmware(
    system: etree._Element,
    hardware: etree._Element | None,
    config: Mapping[str, str],
    vbox: VboxMachine | None,
    content: Content,
    *,
    tpm: bool,
) -> FirmwareSettings:
    """Read the firmware from whichever dialect states it; BIOS, not stated, without any."""
    kind, secure = _stated_firmware(system, hardware, config, vbox)
    file = _FILE.fullmatch(config.get("nvram", ""))
    nvram = content.files.get(file[1]) if file else None
    if kind is None:
        return FirmwareSettings(Firmware.BIOS, tpm=tpm, nvram=nvram, stated=False)
    return FirmwareSettings(kind, secure and kind is Firmware.UEFI, tpm, nvram)


def _stated_firmware(
    system: etree._Element,
    hardware: etree._Element | None,
    config: Mapping[str, str],
    vbox: VboxMachine | None,
) -> tuple[Firmware | None, bool]:
    word = config.get("firmware", "").lower()
    if word in {"efi", "uefi"}:
        return Firmware.UEFI, is_true(config.get("bootoptions.efisecurebootenabled", ""))
    if word == "bios":
        return Firmware.BIOS, False
    if vbox is not None and vbox.firmware is not None:
        return vbox.firmware, vbox.secure_boot
    if hardware is not None:
        found, secure = xen.firmware(xen.read_other_config(hardware))
        if found is not None:
            return found, secure
    return ovirt.firmware(system) or (None, False)


def read_guest(
    sections: Sequence[etree._Element], vbox: VboxMachine | None, texts: Texts
) -> GuestOs:
    """Read OperatingSystemSection (DSP0243 §9.9); a vendor's id says more than CIM's number."""
    section = next((s for s in sections if section_kind(s) == "OperatingSystemSection"), None)
    vmw = attribute(section, "osType") if section is not None else ""
    vbox_type = text(section, "OSType") or (vbox.os_type if vbox is not None else "")
    number = to_int(attribute(section, "id"))
    cim = number if number is not None and 0 <= number < 1 << 16 else None
    guest_id = (guest_os.from_vendor("vmw", vmw) if vmw else None) or (
        guest_os.from_vendor("vbox", vbox_type) if vbox_type else None
    )
    if guest_id is None:
        guest_id = guest_os.from_cim(cim) if cim is not None else "other"
    vendor = [f"vmw:{vmw}"] if vmw else []
    vendor += [f"vbox:{vbox_type}"] if vbox_type else []
    return GuestOs(
        id=guest_id,
        cim=cim,
        version=attribute(section, "version"),
        description=texts.of(section, "Description"),
        vendor=tuple(vendor),
    )
