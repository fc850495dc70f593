"""The parts of a libvirt domain that firmware and guest family decide.

Source: https://libvirt.org/formatdomain.html (os, features, clock); the Hyper-V
enlightenments and timers are those virt-install gives a Windows guest.
"""

from __future__ import annotations

from lxml import etree

from kensho.model import guest_os
from kensho.model.guest_os import Generation, generation
from kensho.model.host_side import Clock
from kensho.model.machine import Firmware, Machine

#: Enlightenments that every Windows understands, and those from Vista and 2008 on.
_HYPERV_OLD = ("relaxed", "vapic")
_HYPERV = (*_HYPERV_OLD, "vpindex", "runtime", "synic", "stimer", "frequencies")
_BEFORE_VISTA = frozenset({Generation.WINDOWS_XP, Generation.WINDOWS_XP_64})


def is_windows(machine: Machine) -> bool:
    """Tell whether the guest is a Windows."""
    return guest_os.get(machine.guest.id).family == "windows"


def add_firmware(root: etree._Element, machine: Machine, board: str) -> None:
    """Add ``<os>``: machine type ``board``, BIOS or UEFI, secure boot on or off."""
    firmware = machine.firmware
    attributes = {"firmware": "efi"} if firmware.kind is Firmware.UEFI else {}
    element = etree.SubElement(root, "os", attributes)
    etree.SubElement(element, "type", arch="x86_64", machine=board).text = "hvm"
    if firmware.kind is Firmware.UEFI:
        enabled = "yes" if firmware.secure_boot else "no"
        features = etree.SubElement(element, "firmware")
        etree.SubElement(features, "feature", enabled=enabled, name="secure-boot")
        etree.SubElement(features, "feature", enabled=enabled, name="enrolled-keys")


def add_features(root: etree._Element, machine: Machine, board: str) -> None:
    """Add ``<features>``: ACPI, APIC, SMM for secure boot, enlightenments for Windows."""
    features = etree.SubElement(root, "features")
    etree.SubElement(features, "acpi")
    etree.SubElement(features, "apic")
    if is_windows(machine):
        hyperv = etree.SubElement(features, "hyperv", mode="custom")
        for name in _HYPERV_OLD if generation(machine.guest.id) in _BEFORE_VISTA else _HYPERV:
            etree.SubElement(hyperv, name, state="on")
        etree.SubElement(hyperv, "spinlocks", state="on", retries="8191")
    if machine.firmware.secure_boot and board == "q35":
        etree.SubElement(features, "smm", state="on")


def add_clock(root: etree._Element, machine: Machine) -> None:
    """Add ``<clock>``: as stated, else local time for Windows, which keeps that there, and UTC."""
    windows = is_windows(machine)
    local = windows if machine.clock is None else machine.clock is Clock.LOCAL
    clock = etree.SubElement(root, "clock", offset="localtime" if local else "utc")
    etree.SubElement(clock, "timer", name="rtc", tickpolicy="catchup")
    etree.SubElement(clock, "timer", name="pit", tickpolicy="delay")
    etree.SubElement(clock, "timer", name="hpet", present="no")
    if windows and generation(machine.guest.id) not in _BEFORE_VISTA:
        etree.SubElement(clock, "timer", name="hypervclock", present="yes")
