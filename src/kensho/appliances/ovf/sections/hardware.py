"""VirtualHardwareSection: DSP0243 2.1 §8."""

from __future__ import annotations

from typing import ClassVar

from lxml import etree

from kensho.appliances.ovf.elements import Notes
from kensho.appliances.ovf.sections.items import EthernetPortItem, Item, StorageItem
from kensho.appliances.ovf.sections.parts import Section, Version
from kensho.appliances.ovf.sections.reading import read_part
from kensho.appliances.ovf.sections.system import System
from kensho.appliances.ovf.sections.writing import write_part


class VirtualHardwareSection(Section, frozen=True, kw_only=True):
    """The virtual hardware of a machine, one of several to choose from."""

    ELEMENT: ClassVar[str] = "VirtualHardwareSection"
    SINCE_2: ClassVar[frozenset[str]] = frozenset({"EthernetPortItem", "StorageItem"})

    system: System | None = None
    items: tuple[Item, ...] = ()
    ethernet_items: tuple[EthernetPortItem, ...] = ()
    storage_items: tuple[StorageItem, ...] = ()
    id: str = ""
    transport: str = ""  #: how the OVF environment gets in: ``iso com.vmware.guestInfo``


def read(element: etree._Element, notes: Notes | None = None) -> VirtualHardwareSection:
    """Read a VirtualHardwareSection."""
    return read_part(VirtualHardwareSection, element, notes)


def write(section: VirtualHardwareSection, version: Version) -> etree._Element:
    """Write a VirtualHardwareSection."""
    return write_part(section, version)
