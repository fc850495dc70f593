"""ResourceAllocationSection: DSP0243 2.1 §9.3."""

from __future__ import annotations

from typing import ClassVar

from lxml import etree

from kensho.appliances.ovf.elements import Notes
from kensho.appliances.ovf.sections.items import EthernetPortItem, Item, StorageItem
from kensho.appliances.ovf.sections.parts import Section, Version
from kensho.appliances.ovf.sections.reading import read_part
from kensho.appliances.ovf.sections.writing import write_part


class ResourceAllocationSection(Section, frozen=True, kw_only=True):
    """Reservations, limits and shares that a collection has together."""

    ELEMENT: ClassVar[str] = "ResourceAllocationSection"
    SINCE_2: ClassVar[frozenset[str]] = frozenset({"EthernetPortItem", "StorageItem"})

    items: tuple[Item, ...] = ()
    ethernet_items: tuple[EthernetPortItem, ...] = ()
    storage_items: tuple[StorageItem, ...] = ()


def read(element: etree._Element, notes: Notes | None = None) -> ResourceAllocationSection:
    """Read a ResourceAllocationSection."""
    return read_part(ResourceAllocationSection, element, notes)


def write(section: ResourceAllocationSection, version: Version) -> etree._Element:
    """Write a ResourceAllocationSection."""
    return write_part(section, version)
