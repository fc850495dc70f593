"""VirtualHardwareSection: DSP0243 2.1 §8."""

from __future__ import annotations

from typing import ClassVar

from kensho.appliances.ovf.sections.items import EthernetPortItem, Item, StorageItem
from kensho.appliances.ovf.sections.parts import Section
from kensho.appliances.ovf.sections.system import System


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
