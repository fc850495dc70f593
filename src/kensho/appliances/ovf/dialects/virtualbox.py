"""VirtualBox: the element vbox:Machine repeats the machine in VirtualBox's own words.

Namespace ``http://www.virtualbox.org/ovf/machine``, content as in VirtualBox-settings.xsd.
VirtualBox itself believes this element rather than the items beside it.
"""

from __future__ import annotations

import msgspec
from lxml import etree

from kensho.appliances.ovf.elements import attribute, child, children, is_true, local
from kensho.model.machine import Firmware


class VboxMachine(msgspec.Struct, frozen=True):
    """What vbox:Machine adds; ``macs`` are those of the enabled adapters, by slot."""

    uuid: str = ""
    os_type: str = ""
    firmware: Firmware | None = None
    secure_boot: bool = False
    tpm: bool = False
    macs: tuple[str, ...] = ()


def read_vbox_machine(system: etree._Element) -> VboxMachine | None:
    """Return what a VirtualSystem's vbox:Machine says, None without one."""
    machine = child(system, "Machine")
    if machine is None:
        return None
    hardware = child(machine, "Hardware")
    kind = attribute(child(hardware, "Firmware"), "type").upper()
    secure, tpm = _security(hardware)
    return VboxMachine(
        uuid=attribute(machine, "uuid").strip("{}"),
        os_type=attribute(machine, "OSType"),
        firmware=_firmware(kind),
        secure_boot=secure,
        tpm=tpm,
        macs=_macs(hardware),
    )


def _firmware(kind: str) -> Firmware | None:
    if kind.startswith("EFI"):
        return Firmware.UEFI
    # VirtualBox leaves the element out for BIOS, its default.
    return Firmware.BIOS


def _security(hardware: etree._Element | None) -> tuple[bool, bool]:
    """Return (secure boot, TPM), which VirtualBox 7 keeps below Hardware or below BIOS."""
    secure = tpm = False
    if hardware is None:
        return secure, tpm
    for element in hardware.iter():
        name = local(element)
        if name == "SecureBoot":
            secure = secure or is_true(attribute(element, "enabled"))
        elif name == "TrustedPlatformModule":
            tpm = tpm or attribute(element, "type").lower() not in {"", "none"}
    return secure, tpm


def _macs(hardware: etree._Element | None) -> tuple[str, ...]:
    adapters = [
        (attribute(adapter, "slot").zfill(4), attribute(adapter, "MACAddress"))
        for adapter in children(child(hardware, "Network"), "Adapter")
        if is_true(attribute(adapter, "enabled"))
    ]
    return tuple(mac for _, mac in sorted(adapters))
