"""The sections beside the hardware (DSP0243 1.1 §9): system, product, EULA, start order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lxml import etree

from kensho.appliances.ovf.write_dialects.base import Dialect
from kensho.appliances.ovf.write_xml import VBOX, VMW, child, clean, ovf
from kensho.model import guest_os
from kensho.model.appliance import StartItem
from kensho.model.machine import Eula, GuestOs, Product, Property

_SHORT = 0xFFFF  #: the schema's xs:unsignedShort


def add_operating_system(system: etree._Element, guest: GuestOs, d: Dialect) -> None:
    """Append the OperatingSystemSection with CIM's number and the dialect's own words."""
    row = guest_os.get(guest.id)
    version = {"version": guest.version} if guest.version else {}
    section = child(system, "OperatingSystemSection", id=guest.cim or row.cim, **version)
    if "vmw" in d.guest:
        section.set(f"{{{VMW}}}osType", _word(guest, "vmw"))
    child(section, "Info", "The kind of installed guest operating system")
    child(section, "Description", guest.description or row.title)
    if "vbox" in d.guest:
        word = etree.SubElement(section, f"{{{VBOX}}}OSType")
        word.set(ovf("required"), "false")
        word.text = _word(guest, "vbox")


def _word(guest: GuestOs, vendor: guest_os.Dialect) -> str:
    """Return the vendor's id the source gave, else the table's."""
    given = (w.removeprefix(f"{vendor}:") for w in guest.vendor if w.startswith(f"{vendor}:"))
    return clean(next(given, "")) or guest_os.to_vendor(guest.id, vendor)


def add_products(content: etree._Element, products: Iterable[Product]) -> None:
    """Append a ProductSection each; properties without a category come first."""
    for product in products:
        names = {"class_": product.class_, "instance": product.instance}
        section = child(content, "ProductSection", **{k: v for k, v in names.items() if v})
        child(section, "Info", product.info or "Information about the installed software")
        for name, text in (
            ("Product", product.name),
            ("Vendor", product.vendor),
            ("Version", product.version),
            ("FullVersion", product.full_version),
            ("ProductUrl", product.product_url),
            ("VendorUrl", product.vendor_url),
            ("AppUrl", product.app_url),
        ):
            if text:
                child(section, name, text)
        # A Category holds until the next one, so nothing after it can be without.
        category = ""
        for prop in sorted(product.properties, key=lambda p: bool(p.category)):
            if prop.category != category:
                category = prop.category
                child(section, "Category", category)
            _add_property(section, prop)


def _add_property(section: etree._Element, prop: Property) -> None:
    optional: dict[str, str | bool] = {
        "qualifiers": prop.qualifiers,
        "userConfigurable": prop.user_configurable,
        "password": prop.password,
        "value": prop.value,
    }
    stated = {name: value for name, value in optional.items() if value}
    element = child(section, "Property", key=prop.key, type=prop.type or "string", **stated)
    if prop.label:
        child(element, "Label", prop.label)
    if prop.description:
        child(element, "Description", prop.description)


def add_eulas(content: etree._Element, eulas: Iterable[Eula]) -> None:
    """Append an EulaSection each."""
    for eula in eulas:
        section = child(content, "EulaSection")
        child(section, "Info", eula.info or "License agreement")
        child(section, "License", eula.text)


def add_annotation(content: etree._Element, text: str) -> None:
    """Append the AnnotationSection, nothing when ``text`` is empty."""
    if text:
        section = child(content, "AnnotationSection")
        child(section, "Info", "A human-readable annotation")
        child(section, "Annotation", text)


def add_startup(
    collection: etree._Element, items: Iterable[StartItem], idents: Mapping[str, str]
) -> None:
    """Append the StartupSection; ``idents`` maps machine ids to ovf:id."""
    known = [i for i in items if i.machine in idents]
    if not known:
        return
    section = child(collection, "StartupSection")
    child(section, "Info", "The order in which the machines start")
    for i in known:
        child(
            section,
            "Item",
            id=idents[i.machine],
            order=min(max(i.order, 0), _SHORT),
            startDelay=min(max(i.start_delay, 0), _SHORT),
            waitingForGuest=i.wait_for_guest,
            stopDelay=min(max(i.stop_delay, 0), _SHORT),
        )
