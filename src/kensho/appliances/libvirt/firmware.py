"""The firmware of a libvirt domain: chosen by libvirt (``<os firmware>``) or by path.

Source: https://libvirt.org/formatdomain.html#bios-bootloader.
"""

from __future__ import annotations

import re

from lxml import etree

from kensho.appliances.libvirt.notes import Notes, text_of, value
from kensho.model.appliance import File
from kensho.model.finding import Severity
from kensho.model.machine import Firmware, FirmwareSettings

#: How the images of UEFI are called where only the path speaks.
_UEFI_NAME = re.compile(r"ovmf|edk2|aavmf|uefi|efi", re.IGNORECASE)


def read_firmware(
    root: etree._Element, files: list[File], notes: Notes, *, tpm: bool
) -> FirmwareSettings:
    """Read the firmware; its variable store is added to ``files`` when it is there."""
    stated = value(root, "os", "firmware").lower()
    loader = text_of(root, "os/loader")
    nvram = text_of(root, "os/nvram") or value(root, "os/nvram/source", "file")
    is_flash = value(root, "os/loader", "type") == "pflash"
    uefi = stated == "efi" or (
        not stated and (is_flash or bool(nvram) or bool(_UEFI_NAME.search(loader)))
    )
    secure = value(root, "os/firmware/feature[@name='secure-boot']", "enabled") == "yes"
    secure = secure or value(root, "os/loader", "secure") == "yes"
    has_kernel = bool(text_of(root, "os/kernel") or text_of(root, "bootloader"))
    if has_kernel:
        notes.note(
            "KF-226",
            Severity.WARNING,
            "the host gives the guest its kernel",
            subject="os",
            action="the machine boots from its disk elsewhere: install a boot loader there",
        )
    return FirmwareSettings(
        Firmware.UEFI if uefi else Firmware.BIOS,
        secure_boot=secure and uefi,
        tpm=tpm,
        nvram=_nvram(nvram, files, notes) if nvram else None,
        stated=not has_kernel,  # BIOS is libvirt's own default, not an assumption
    )


def _nvram(name: str, files: list[File], notes: Notes) -> str | None:
    place = notes.locate(name)
    if not place.there:  # usual for a machine that never ran
        notes.note(
            "KF-145",
            Severity.NOTE,
            f"the firmware's settings, {name}, are not there",
            action="the guest starts with the firmware's defaults",
        )
        return None
    files.append(File("nvram", place.href))
    return "nvram"
