"""The sections beside the hardware (DSP0243 1.1 §9): system, product, EULA, start order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from kensho.appliances.ovf.sections.annotation import AnnotationSection
from kensho.appliances.ovf.sections.eula import EulaSection
from kensho.appliances.ovf.sections.operating_system import OperatingSystemSection
from kensho.appliances.ovf.sections.parts import UnknownAttribute, message, stated
from kensho.appliances.ovf.sections.product import Category, ProductSection
from kensho.appliances.ovf.sections.product import Property as SectionProperty
from kensho.appliances.ovf.sections.startup import StartupItem, StartupSection
from kensho.appliances.ovf.write_dialects.base import Dialect
from kensho.appliances.ovf.write_xml import VMW, clean, extension
from kensho.model import guest_os
from kensho.model.appliance import StartItem
from kensho.model.machine import Eula, GuestOs, Product, Property

_SHORT = 0xFFFF  #: the schema's xs:unsignedShort


def operating_system(guest: GuestOs, d: Dialect) -> OperatingSystemSection:
    """Return the section with CIM's number and the dialect's own words."""
    row = guest_os.get(guest.id)
    vmw = [UnknownAttribute(f"{{{VMW}}}osType", _word(guest, "vmw"), "vmw")]
    vbox = [extension("vbox", "OSType", _word(guest, "vbox"))]
    return OperatingSystemSection(
        info=message("The kind of installed guest operating system"),
        description=message(guest.description or row.title),
        id=guest.cim or row.cim,
        version=guest.version,
        unknown_attributes=tuple(vmw if "vmw" in d.guest else ()),
        unknown=tuple(vbox if "vbox" in d.guest else ()),
    )


def _word(guest: GuestOs, vendor: guest_os.Dialect) -> str:
    """Return the vendor's id the source gave, else the table's."""
    given = (w.removeprefix(f"{vendor}:") for w in guest.vendor if w.startswith(f"{vendor}:"))
    return clean(next(given, "")) or guest_os.to_vendor(guest.id, vendor)


def product(product: Product) -> ProductSection:
    """Return the section; properties without a category come first."""
    return ProductSection(
        info=message(product.info or "Information about the installed software"),
        product=stated(product.name),
        vendor=stated(product.vendor),
        version=product.version,
        full_version=product.full_version,
        product_url=product.product_url,
        vendor_url=product.vendor_url,
        app_url=product.app_url,
        entries=tuple(_entries(product.properties)),
        class_=product.class_,
        instance=product.instance,
    )


def _entries(properties: Iterable[Property]) -> Iterator[Category | SectionProperty]:
    # A Category holds until the next one, so nothing after it can be without.
    category = ""
    for prop in sorted(properties, key=lambda p: bool(p.category)):
        if prop.category != category:
            category = prop.category
            yield Category(text=category)
        yield SectionProperty(
            label=stated(prop.label),
            description=stated(prop.description),
            key=prop.key,
            type=prop.type or "string",
            qualifiers=prop.qualifiers,
            user_configurable=prop.user_configurable,
            value=prop.value,
            password=prop.password,
        )


def eula(eula: Eula) -> EulaSection:
    """Return the section."""
    return EulaSection(info=message(eula.info or "License agreement"), license=message(eula.text))


def annotation(text: str) -> tuple[AnnotationSection, ...]:
    """Return the section, none when ``text`` is empty."""
    info = message("A human-readable annotation")
    return (AnnotationSection(info=info, annotation=message(text)),) if text else ()


def startup(items: Iterable[StartItem], idents: Mapping[str, str]) -> tuple[StartupSection, ...]:
    """Return the section, if there is an order; ``idents`` maps machine ids to ovf:id."""
    known = tuple(
        StartupItem(
            id=idents[i.machine],
            order=_short(i.order),
            start_delay=_short(i.start_delay),
            waiting_for_guest=i.wait_for_guest,
            stop_delay=_short(i.stop_delay),
        )
        for i in items
        if i.machine in idents
    )
    info = message("The order in which the machines start")
    return (StartupSection(info=info, items=known),) if known else ()


def _short(number: int) -> int:
    return min(max(number, 0), _SHORT)
