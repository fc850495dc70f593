"""Ids that are there and unique: DSP0243 2.1 §7.2, §8.3, §9.1."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import msgspec

from kensho.appliances.ovf.conform.walk import changed
from kensho.appliances.ovf.elements import Notes
from kensho.appliances.ovf.envelope import Envelope
from kensho.appliances.ovf.quantities import to_int
from kensho.appliances.ovf.sections.content import VirtualSystem, VirtualSystemCollection
from kensho.appliances.ovf.sections.disks import DiskSection, SharedDiskSection
from kensho.appliances.ovf.sections.hardware import VirtualHardwareSection
from kensho.appliances.ovf.sections.items import EthernetPortItem, Item, StorageItem
from kensho.appliances.ovf.sections.parts import Part
from kensho.model.finding import Severity

P = TypeVar("P", bound=Part)
I = TypeVar("I", Item, EthernetPortItem, StorageItem)  # noqa: E741


def with_ids(envelope: Envelope, notes: Notes) -> Envelope:
    """Return the model with every id present and unique; the first of two keeps its own."""
    files = _unique(envelope.references.files, "id", "file", set(), notes)
    envelope = msgspec.structs.replace(
        envelope, references=msgspec.structs.replace(envelope.references, files=files)
    )
    disks: set[str] = set()
    systems: set[str] = set()

    def change(part: Part) -> Part:
        if isinstance(part, (DiskSection, SharedDiskSection)):
            return msgspec.structs.replace(
                part, disks=_unique(part.disks, "disk_id", "disk", disks, notes)
            )
        if isinstance(part, VirtualHardwareSection):
            return _with_instance_ids(part, notes)
        if isinstance(part, VirtualSystem):
            name = "vapp" if isinstance(part, VirtualSystemCollection) else "vm"
            return _unique((part,), "id", name, systems, notes)[0]
        return part

    return changed(envelope, change)


def _unique(
    parts: Iterable[P], field: str, name: str, taken: set[str], notes: Notes
) -> tuple[P, ...]:
    result = []
    for part in parts:
        old: str = getattr(part, field)
        new = _free_name(old or f"{name}1", taken)
        if new != old:
            _note(notes, f"{type(part).ELEMENT} {old!r}", new)
        taken.add(new)
        result.append(part if new == old else msgspec.structs.replace(part, **{field: new}))
    return tuple(result)


def _free_name(name: str, taken: set[str]) -> str:
    """Return ``name``, numbered when it is taken; ids that differ in case are two."""
    candidate, number = name, 1
    while candidate in taken:
        number += 1
        candidate = f"{name}-{number}"
    return candidate


def _with_instance_ids(section: VirtualHardwareSection, notes: Notes) -> VirtualHardwareSection:
    """Give items without InstanceID, and those that repeat one, the next free number.

    An item may repeat another's id when it is for other configurations or is a range's bound.
    """
    numbers = _free_numbers(section)
    taken: set[tuple[str, str, str]] = set()

    def given(items: Iterable[I]) -> tuple[I, ...]:
        result = []
        for item in items:
            ident = item.instance_id
            if not ident or (ident, item.configuration, item.bound) in taken:
                ident = str(next(numbers))
                _note(notes, f"item {item.instance_id!r} ({item.element_name})", ident)
            taken.add((ident, item.configuration, item.bound))
            name = item.element_name or item.caption or item.description or f"Item {ident}"
            result.append(msgspec.structs.replace(item, instance_id=ident, element_name=name))
        return tuple(result)

    new: dict[str, Any] = {
        "items": given(section.items),
        "ethernet_items": given(section.ethernet_items),
        "storage_items": given(section.storage_items),
    }
    system = section.system
    if system is not None and not (system.instance_id and system.element_name):
        new["system"] = msgspec.structs.replace(
            system,
            instance_id=system.instance_id or "0",
            element_name=system.element_name or "Virtual Hardware Family",
        )
    return msgspec.structs.replace(section, **new)


def _free_numbers(section: VirtualHardwareSection) -> Iterator[int]:
    used = {to_int(item.instance_id) for item in section.items}
    used |= {to_int(item.instance_id) for item in section.ethernet_items}
    used |= {to_int(item.instance_id) for item in section.storage_items}
    number = 0
    while True:
        number += 1
        if number not in used:
            yield number


def _note(notes: Notes, what: str, new: str) -> None:
    notes.add(
        "KF-727",
        Severity.NOTE,
        f"{what} has no id, or another one's",
        action=f"called {new}",
    )
