"""How a paravirtualized guest of a libvirt domain starts, in the words of xl.

Source: https://libvirt.org/formatdomain.html (``<os>``, ``<bootloader>``); types of guests as in
libvirt's src/libxl/libxl_capabilities.c.
"""

from __future__ import annotations

from lxml import etree

from kensho.appliances.xen.kept import DIALECT, PARAVIRTUAL
from kensho.appliances.xen.quote import quoted
from kensho.model.machine import Extra

_KINDS = {"linux": "pv", "xen": "pv", "xenpvh": "pvh"}
#: Settings of xl, and where a domain has them.
_SETTINGS = {
    "kernel": "os/kernel",
    "ramdisk": "os/initrd",
    "cmdline": "os/cmdline",
    "bootloader": "bootloader",
    "bootloader_args": "bootloader_args",
}


def paravirtual_extras(root: etree._Element) -> tuple[Extra, ...]:
    """Return the settings of a Xen domain that has no firmware, none for any other domain."""
    type_ = root.find("os/type")
    word = "" if type_ is None else (type_.text or "").strip().lower()
    machine = "" if type_ is None else type_.get("machine") or ""
    kind = "pvh" if machine == "xenpvh" else _KINDS.get(word, "")
    if (root.get("type") or "").lower() != "xen" or not kind:
        return ()
    said = [(key, (root.findtext(path) or "").strip()) for key, path in _SETTINGS.items()]
    found = [Extra(DIALECT, PARAVIRTUAL + key, quoted(text)) for key, text in said if text]
    return (Extra(DIALECT, f"{PARAVIRTUAL}type", quoted(kind)), *found)
