"""ProductSection (DSP0243 §9.5): what the product is called, who made it."""

from __future__ import annotations

from lxml import etree

from kensho.appliances.ovf.elements import attribute
from kensho.packages.edit.scope import Scope, content, sections
from kensho.packages.edit.tree import section, set_attribute, set_text
from kensho.packages.edit.values import unknown

#: What users say → the element.
FIELDS = {
    "info": "Info",
    "name": "Product",
    "vendor": "Vendor",
    "version": "Version",
    "full-version": "FullVersion",
    "url": "ProductUrl",
    "vendor-url": "VendorUrl",
    "app-url": "AppUrl",
}
_ATTRIBUTES = ("class", "instance")
_PLACE = (
    *("Info", "Name", "OperatingSystemSection", "VirtualHardwareSection", "Section"),
    *("ResourceAllocationSection", "InstallSection", "StartupSection", "ProductSection"),
)


def product_sections(scope: Scope) -> list[etree._Element]:
    """Return the ProductSections of the machine named, or of what is on top."""
    return sections(content(scope), "ProductSection")


def product_section(scope: Scope, name: str = "") -> etree._Element:
    """Return the ProductSection of class ``name`` (``class.instance``), made if it is missing."""
    found = product_sections(scope)
    for candidate in found:
        if section_name(candidate) == name:
            return candidate
    if not name and found:
        return found[0]
    element = section(
        content(scope), "ProductSection", "Information about the installed software", _PLACE
    )
    if name:
        class_, _, instance = name.partition("#")
        set_attribute(element, "class", class_ or None)
        set_attribute(element, "instance", instance or None)
    return element


def section_name(element: etree._Element) -> str:
    """Return ``class``, ``class#instance``, or nothing."""
    class_, instance = (attribute(element, name) for name in _ATTRIBUTES)
    return f"{class_}#{instance}" if instance else class_


def set_product(scope: Scope, field: str, value: str, name: str = "") -> None:
    """Set one of `FIELDS`, ``class`` or ``instance``; empty removes it."""
    element = product_section(scope, name)
    if field in _ATTRIBUTES:
        set_attribute(element, field, value or None)
        return
    if field not in FIELDS:
        raise unknown(f"a product has no {field!r}", field, (*FIELDS, *_ATTRIBUTES))
    set_text(element, FIELDS[field], value or None)
