"""ResourceAllocationSection: DSP0243 2.1 §9.3."""

from __future__ import annotations

from typing import ClassVar

from kensho.appliances.ovf.sections.items import EthernetPortItem, Item, StorageItem
from kensho.appliances.ovf.sections.parts import Section


class ResourceAllocationSection(Section, frozen=True, kw_only=True):
    """Reservations, limits and shares that a collection has together."""

    ELEMENT: ClassVar[str] = "ResourceAllocationSection"
    SINCE_2: ClassVar[frozenset[str]] = frozenset({"EthernetPortItem", "StorageItem"})

    items: tuple[Item, ...] = ()
    ethernet_items: tuple[EthernetPortItem, ...] = ()
    storage_items: tuple[StorageItem, ...] = ()
