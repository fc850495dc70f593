"""Virtual hardware items: DSP0243 §8.3, CIM_ResourceAllocationSettingData (DSP1041).

An item is read into one flat struct whatever its element (Item, StorageItem or
EthernetPortItem) and namespace.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

import msgspec
from lxml import etree

from kensho.appliances.ovf.elements import (
    Notes,
    attribute,
    children,
    dialect,
    extra,
    local,
    required,
    text,
)
from kensho.appliances.ovf.texts import Texts
from kensho.model.finding import Severity
from kensho.model.machine import Extra

ITEMS = ("Item", "StorageItem", "EthernetPortItem")


class Resource(IntEnum):
    """CIM ResourceType numbers that OVF exporters use."""

    OTHER = 1
    PROCESSOR = 3
    MEMORY = 4
    IDE = 5
    SCSI = 6
    ETHERNET = 10
    FLOPPY = 14
    CD = 15
    DVD = 16
    DISK = 17
    STORAGE_EXTENT = 19
    OTHER_STORAGE = 20
    SERIAL = 21
    PARALLEL = 22
    USB = 23
    GRAPHICS = 24
    LOGICAL_DISK = 31
    STORAGE_VOLUME = 32
    ETHERNET_CONNECTION = 33
    SOUND = 35


class Item(msgspec.Struct, frozen=True):
    """One item as it is written. Texts are stripped and empty when absent."""

    id: str
    type: int | None
    subtype: str = ""
    name: str = ""
    description: str = ""
    address: str = ""
    address_on_parent: str = ""
    parent: str = ""
    units: str = ""
    quantity: str = ""
    reservation: str = ""
    limit: str = ""
    bus_number: str = ""
    hosts: tuple[str, ...] = ()
    connections: tuple[str, ...] = ()
    automatic: bool = True
    required: bool = True
    config: tuple[tuple[str, str], ...] = ()  #: vmw:Config and the dialects' own elements
    extras: tuple[Extra, ...] = ()

    def value(self, key: str) -> str:
        """Return a dialect's value, by its key in lower case; empty when it is not there."""
        return next((value for name, value in self.config if name == key), "")


#: CIM properties that the struct above or the neutral model takes up, or that say nothing.
_KNOWN = frozenset(
    {
        *("Address", "AddressOnParent", "AllocationUnits", "AutomaticAllocation"),
        *("AutomaticDeallocation", "BusNumber", "Caption", "Connection", "ConsumerVisibility"),
        *("Description", "ElementName", "HostResource", "InstanceID", "InstanceId", "Limit"),
        *("MappingBehavior", "Parent", "PoolID", "Reservation", "ResourceSubType"),
        *("ResourceType", "VirtualQuantity", "VirtualQuantityUnits"),
    }
)
#: CIM properties that may be in several languages (DSP0243 §10).
_TEXTS = frozenset({"Caption", "Description", "ElementName"})
#: Dialects' own properties inside an item that the readers use, by lower-case local name.
_TAKEN = frozenset(
    {
        *("corespersocket", "num_of_sockets", "cpu_per_socket", "threads_per_cpu", "macaddress"),
        *("type", "device", "bootorder", "boot", "vram", "isreadonly", "isplugged", "linked"),
    }
)
#: vmw:Config keys inside an item that the readers use.
_TAKEN_KEYS = frozenset(
    {
        *("slotinfo.pcislotnumber", "videoramsizeinkb", "numdisplays", "enable3dsupport"),
    }
)


def read_items(
    elements: Sequence[etree._Element], where: str, texts: Texts, notes: Notes
) -> tuple[Item, ...]:
    """Read picked items; ids are made unique, the first of two keeps its own."""
    items: list[Item] = []
    taken: set[str] = set()
    for number, element in enumerate(elements, 1):
        item = read_item(element, number, where, texts, notes)
        unique, count = item.id, 1
        while unique in taken:
            count += 1
            unique = f"{item.id}-{count}"
        taken.add(unique)
        items.append(msgspec.structs.replace(item, id=unique))
    return tuple(items)


def read_item(element: etree._Element, number: int, where: str, texts: Texts, notes: Notes) -> Item:
    """Read one item; one without InstanceID is called ``item`` and its number."""
    found: dict[str, list[str]] = {}
    config: list[tuple[str, str]] = []
    extras: list[Extra] = []
    instance = text(element, "InstanceID", "InstanceId") or f"item{number}"
    path = f"{where}/{local(element)}[{instance}]"
    for child in children(element):
        name = local(child)
        if name in _KNOWN:
            value = texts.of(child) if name in _TEXTS else text(child)
            found.setdefault(name, []).append(value)
            continue
        key, value, taken = _own(child, name)
        if value or key:
            config.append((key, value))
        if not taken and (value or len(child) or child.attrib):
            extras.append(extra(child, f"{path}/{name}", notes))

    def one(*names: str) -> str:
        return next((found[name][0] for name in names if found.get(name)), "")

    kind = one("ResourceType")
    type_ = int(kind) if kind.isascii() and kind.isdigit() and len(kind) < 10 else None
    if type_ is None:
        notes.add(
            "KF-121",
            Severity.WARNING if required(element) else Severity.NOTE,
            f"item {instance} says {kind!r} as its ResourceType"
            if kind
            else f"item {instance} has no ResourceType",
            subject=instance,
            action="kept as a device of unknown kind",
        )
    return Item(
        id=instance,
        type=type_,
        subtype=one("ResourceSubType"),
        name=one("ElementName", "Caption"),
        description=one("Description"),
        address=one("Address"),
        address_on_parent=one("AddressOnParent"),
        parent=one("Parent"),
        units=one("AllocationUnits", "VirtualQuantityUnits"),
        quantity=one("VirtualQuantity"),
        reservation=one("Reservation"),
        limit=one("Limit"),
        bus_number=one("BusNumber"),
        hosts=tuple(t for t in found.get("HostResource", ()) if t),
        connections=tuple(t for t in found.get("Connection", ()) if t),
        automatic=one("AutomaticAllocation").lower() not in {"false", "0"},
        required=required(element),
        config=tuple(config),
        extras=tuple(extras),
    )


def _own(child: etree._Element, name: str) -> tuple[str, str, bool]:
    """Return a dialect's element as (key, value, whether the readers use it)."""
    if name in {"Config", "ExtraConfig"} and dialect(child) == "vmw":
        key = attribute(child, "key").lower()
        return key, attribute(child, "value"), key in _TAKEN_KEYS
    lower = name.lower()
    if lower == "specparams":
        vram = text(child, "vram")
        return ("vram", vram, False) if vram else ("", "", False)
    return lower, text(child), lower in _TAKEN
