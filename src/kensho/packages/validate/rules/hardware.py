"""VirtualHardwareSection as a whole: DSP0243 §8.1."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from kensho.appliances.ovf.elements import attribute, children
from kensho.packages.validate.rule import COMMON, FIELD, MUST, SHOULD, Fault, Rule, clause
from kensho.packages.validate.subject import Hardware, Item, Subject

CPU, MEMORY = 3, 4


def together(one: Item, other: Item) -> bool:
    """Tell whether two items can be in one machine at the same time, as items of their own."""
    options = one.configurations, other.configurations
    return one.bound == other.bound and (not all(options) or bool(options[0] & options[1]))


def no_hardware(subject: Subject) -> Iterator[Fault]:
    """A machine has hardware."""
    for system in subject.systems:
        if not system.hardware:
            yield Fault(
                system.element, f"machine {system.id!r} has no VirtualHardwareSection", system.id
            )


def no_family(subject: Subject) -> Iterator[Fault]:
    """The family of the hardware is said."""
    for system in subject.systems:
        for hardware in system.hardware:
            if not hardware.families:
                what = "VirtualSystemType" if hardware.system is not None else "System"
                yield Fault(hardware.element, f"no {what}: the hardware's family is not said")


def system_ids(subject: Subject) -> Iterator[Fault]:
    """The System has the two properties that CIM demands."""
    for system in subject.systems:
        for hardware in system.hardware:
            for names in (("ElementName",), ("InstanceID", "InstanceId")):
                found = hardware.system is None or next(children(hardware.system, *names), None)
                if found is None:
                    yield Fault(hardware.system, f"System has no vssd:{names[0]}")


def duplicates(subject: Subject) -> Iterator[Fault]:
    """An InstanceID belongs to one item, but for its ranges and other configurations."""
    for system in subject.systems:
        for hardware in system.hardware:
            yield from _duplicates(hardware)


def _duplicates(hardware: Hardware) -> Iterator[Fault]:
    # An item for some options stands in for one that is for others as well (§9.8).
    seen: set[tuple[str, str, frozenset[str]]] = set()
    for item in hardware.items:
        key = item.id, item.bound, item.configurations
        if item.id and key in seen:
            yield Fault(item.element, f"two items have the InstanceID {item.id}", item.id)
        seen.add(key)


def one_of_each(subject: Subject) -> Iterator[Fault]:
    """Processors and memory are given once; quantities do not add up for every importer."""
    for system in subject.systems:
        for hardware in system.hardware:
            for kind, what in ((CPU, "processors"), (MEMORY, "memory")):
                found = [i for i in hardware.items if i.type == kind and i.bound == "normal"]
                for one, other in combinations(found[:100], 2):
                    if one.id != other.id and together(one, other):
                        ids = f"{one.id} and {other.id}"
                        yield Fault(other.element, f"the items {ids} both give {what}", other.id)
                        break


def incomplete(subject: Subject) -> Iterator[Fault]:
    """A machine with items has processors and memory."""
    for system in subject.systems:
        for hardware in system.hardware:
            types = {i.type for i in hardware.items}
            lacking = [w for k, w in ((CPU, "processors"), (MEMORY, "memory")) if k not in types]
            if lacking:
                yield Fault(
                    hardware.element,
                    f"machine {system.id!r} says nothing of {' and '.join(lacking)}",
                    system.id,
                )


def transports(subject: Subject) -> Iterator[Fault]:
    """Machines with properties for users say how these reach the guest."""
    for system in subject.systems:
        wanted = any(
            attribute(prop, "userConfigurable").lower() in {"true", "1"}
            for section in children(system.element, "ProductSection")
            for prop in children(section, "Property")
        )
        if (
            wanted
            and system.hardware
            and not any(attribute(h.element, "transport") for h in system.hardware)
        ):
            yield Fault(
                system.hardware[0].element,
                f"machine {system.id!r} has properties to fill in and no ovf:transport for them",
                system.id,
            )


RULES = (
    Rule(
        "KF-642", COMMON, "machines have hardware", clause("7.2, §8.1"),
        "add a VirtualHardwareSection", no_hardware,
    ),
    Rule(
        "KF-643", FIELD, "the hardware's family", clause("8.1"),
        "add System with vssd:VirtualSystemType, e.g. vmx-13", no_family,
    ),
    Rule(
        "KF-645", MUST, "unique InstanceIDs", clause("8.3"),
        "give each item its own InstanceID and correct rasd:Parent", duplicates,
    ),
    Rule(
        "KF-659", FIELD, "processors and memory", clause("8.1"),
        "add items of ResourceType 3 and 4", incomplete,
    ),
    Rule(
        "KF-665", SHOULD, "processors and memory once", clause("8.3, §8.4"),
        "join the items, or make them ranges (ovf:bound) of one InstanceID", one_of_each,
    ),
    Rule(
        "KF-666", COMMON, "System's properties", "DSP8023; CIM_VirtualSystemSettingData",
        "add vssd:ElementName and vssd:InstanceID", system_ids,
    ),
    Rule(
        "KF-667", FIELD, "a transport for properties", clause("9.5, §11.2"),
        'add ovf:transport="com.vmware.guestInfo iso"', transports,
    ),
)  # fmt: skip
