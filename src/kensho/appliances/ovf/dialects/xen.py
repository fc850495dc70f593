"""XenServer, XCP-ng: xenovf:VirtualSystemOtherConfigurationData, the VM record's own fields.

Namespace ``http://schemas.citrix.com/ovf/envelope/1``; values are maps ``key=value;…``.
"""

from __future__ import annotations

from collections.abc import Mapping

from lxml import etree

from kensho.appliances.ovf.elements import attribute, children, is_true, text
from kensho.model.machine import Firmware

#: VirtualSystemType of XenServer exports; 301 is also SCVMM's.
_TYPES = ("hvm-", "xen-", "dmtf:xen:", "301")


def is_xen(types: tuple[str, ...]) -> bool:
    """Tell whether a VirtualSystemType is XenServer's."""
    return any(t.lower().startswith(_TYPES) for t in types)


def read_other_config(section: etree._Element) -> dict[str, dict[str, str]]:
    """Return the maps by name in lower case, such as ``hvm_boot_params``."""
    found: dict[str, dict[str, str]] = {}
    for element in children(section, "VirtualSystemOtherConfigurationData"):
        name = attribute(element, "Name").lower()
        value = text(element, "Value")
        pairs = (pair.partition("=") for pair in value.split(";") if pair.strip())
        found[name] = {key.strip().lower(): rest.strip() for key, _, rest in pairs}
    return found


def firmware(config: Mapping[str, Mapping[str, str]]) -> tuple[Firmware | None, bool]:
    """Return (firmware, secure boot); None when the record does not say."""
    word = config.get("hvm_boot_params", {}).get("firmware", "").lower()
    secure = is_true(config.get("platform", {}).get("secureboot", ""))
    if word == "uefi":
        return Firmware.UEFI, secure
    return (Firmware.BIOS, False) if word == "bios" else (None, secure)
