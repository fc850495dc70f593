"""The little XML that the OVF writer needs: namespaces, text that is XML, RASD items."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from lxml import etree

from kensho.appliances.ovf.sections.parts import OVF, RASD, VSSD, XML

__all__ = [
    "OVF",
    "RASD",
    "VBOX",
    "VMW",
    "VSSD",
    "XML",
    "child",
    "clean",
    "item",
    "ovf",
    "vmw_config",
]

VMW = "http://www.vmware.com/schema/ovf"
VBOX = "http://www.virtualbox.org/ovf/machine"

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def clean(text: str) -> str:
    """Return ``text`` with everything XML 1.0 cannot carry replaced by U+FFFD, lines ended by LF."""
    return _NOT_XML.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n"))


def ovf(name: str) -> str:
    """Return the qualified name of an OVF element or attribute."""
    return f"{{{OVF}}}{name}"


def child(
    parent: etree._Element, name: str, text: str | None = None, /, **attributes: str | int
) -> etree._Element:
    """Append an OVF element; attributes are OVF's too, None and booleans as XML writes them."""
    element = etree.SubElement(parent, ovf(name))
    for key, value in attributes.items():
        element.set(ovf(key.rstrip("_")), _text(value))
    if text is not None:
        element.text = clean(text)
    return element


def vmw_config(parent: etree._Element, settings: Iterable[tuple[str, str]]) -> None:
    """Append ``vmw:Config`` elements that nobody is required to understand."""
    for key, value in settings:
        element = etree.SubElement(parent, f"{{{VMW}}}Config")
        element.set(ovf("required"), "false")
        element.set(f"{{{VMW}}}key", key)
        element.set(f"{{{VMW}}}value", clean(value))


def item(
    section: etree._Element, rasd: Mapping[str, str | int | None], *, required: bool = True
) -> etree._Element:
    """Append an ``Item``: the RASD properties that are not None, in alphabetical order.

    The order is the schema's (CIM_ResourceAllocationSettingData.xsd).
    """
    element = etree.SubElement(section, ovf("Item"))
    if not required:
        element.set(ovf("required"), "false")
    for name in sorted(rasd):
        value = rasd[name]
        if value is not None:
            etree.SubElement(element, f"{{{RASD}}}{name}").text = _text(value)
    return element


def _text(value: str | int) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return clean(str(value))
