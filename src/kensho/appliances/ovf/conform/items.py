"""``Item`` of OVF 1 and ``StorageItem``, ``EthernetPortItem`` of OVF 2: DSP0243 2.1 §8.

OVF 2 has elements of their own for storage and Ethernet ports, with all properties that an ``Item``
has and more. VMware and others read only ``Item``.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from kensho.appliances.ovf.conform.walk import changed, moved, placed, without
from kensho.appliances.ovf.elements import Notes
from kensho.appliances.ovf.envelope import Envelope
from kensho.appliances.ovf.items import Resource
from kensho.appliances.ovf.sections.hardware import VirtualHardwareSection
from kensho.appliances.ovf.sections.items import AnyItem, EthernetPortItem, Item, StorageItem
from kensho.appliances.ovf.sections.parts import Part, Version
from kensho.appliances.ovf.sections.plan import plan_of
from kensho.appliances.ovf.sections.resource_allocation import ResourceAllocationSection
from kensho.model.finding import Severity

S = TypeVar("S", VirtualHardwareSection, ResourceAllocationSection)

_ETHERNET = frozenset({Resource.ETHERNET})
_STORAGE = frozenset(
    {
        *(Resource.FLOPPY, Resource.CD, Resource.DVD, Resource.DISK, Resource.STORAGE_EXTENT),
        *(Resource.LOGICAL_DISK, Resource.STORAGE_VOLUME),
    }
)


def with_items_of(envelope: Envelope, version: Version, notes: Notes) -> Envelope:
    """Return the model with the kinds of items that ``version`` has."""

    def change(part: Part) -> Part:
        if isinstance(part, VirtualHardwareSection):
            return _plain(part, notes) if version == 1 else _special(part, notes)
        if isinstance(part, ResourceAllocationSection):
            return _plain(part, notes) if version == 1 else _special(part, notes)
        return part

    return changed(envelope, change)


def _plain(section: S, notes: Notes) -> S:
    """Return the section with plain items only."""
    if not section.ethernet_items and not section.storage_items:
        return section
    items = list(section.items)
    places: dict[str, str] = {}
    for kinds in (section.ethernet_items, section.storage_items):
        for place, item in placed(kinds):
            assert isinstance(item, AnyItem)
            items.append(_as(Item, item, notes))
            places[place] = f"Item[{len(items)}]"
    return msgspec.structs.replace(
        section,
        items=tuple(items),
        ethernet_items=(),
        storage_items=(),
        unknown=moved(section.unknown, places),
    )


def _special(section: S, notes: Notes) -> S:
    """Return the section with storage and Ethernet ports as items of their own kinds."""
    items: list[Item] = []
    ethernet, storage = list(section.ethernet_items), list(section.storage_items)
    places: dict[str, str] = {}
    for place, item in placed(section.items):
        assert isinstance(item, Item)
        if item.resource_type in _ETHERNET:
            ethernet.append(_as(EthernetPortItem, item, notes))
            places[place] = f"EthernetPortItem[{len(ethernet)}]"
        elif item.resource_type in _STORAGE:
            storage.append(_as(StorageItem, item, notes))
            places[place] = f"StorageItem[{len(storage)}]"
        else:
            items.append(item)
            places[place] = f"Item[{len(items)}]"
    if len(items) == len(section.items):
        return section
    return msgspec.structs.replace(
        section,
        items=tuple(items),
        ethernet_items=tuple(ethernet),
        storage_items=tuple(storage),
        unknown=moved(section.unknown, places),
    )


A = TypeVar("A", Item, EthernetPortItem, StorageItem)


def _as(cls: type[A], item: AnyItem, notes: Notes) -> A:
    """Return the item as another kind; properties that the kind does not have are noted."""
    known = set(cls.__struct_fields__)
    values = {f: getattr(item, f) for f in item.__struct_fields__ if f in known}
    lost = {
        slot.name: getattr(item, slot.field)
        for slot in plan_of(type(item)).slots
        if slot.field not in known and getattr(item, slot.field) != slot.default
    }
    if isinstance(item, EthernetPortItem) and item.resource_type is None:
        values["resource_type"] = int(Resource.ETHERNET)
    if lost:
        said = ", ".join(f"{name} {value}" for name, value in lost.items())
        notes.add(
            "KF-725",
            Severity.WARNING,
            f"an {cls.ELEMENT} of OVF 1 cannot say {said}",
            subject=str(values["instance_id"]),
            action="left out",
        )
    return cls(
        **values | {"unknown_attributes": without(item.unknown_attributes, lost)},
    )
