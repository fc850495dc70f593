"""Ranges of values: DSP0243 2.1 §8.4, ovf:bound ``min``, ``normal`` and ``max``.

An item with a bound repeats an item of the same InstanceID and gives the least or the most of what
that one gives. Nothing but the values that differ needs to be in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lxml import etree

from kensho.appliances.ovf.elements import Notes, attribute, text
from kensho.appliances.ovf.quantities import to_int
from kensho.model.finding import Severity
from kensho.model.machine import Range

_SETTINGS = ("VirtualQuantity", "Reservation", "Limit", "Weight")


def is_bound(element: etree._Element) -> bool:
    """Tell whether an item is a limit of another one and no device."""
    return attribute(element, "bound").lower() in {"min", "max"}


def instance_of(element: etree._Element) -> str:
    """Return an item's InstanceID; empty without one."""
    return text(element, "InstanceID", "InstanceId")


def stand_ins(
    items: Sequence[etree._Element], bounds: Sequence[etree._Element], notes: Notes
) -> list[etree._Element]:
    """Return a bound for each device of which only bounds are there, the lower one if it is."""
    known = {instance_of(item) for item in items}
    found: dict[str, etree._Element] = {}
    for bound in sorted(bounds, key=lambda b: attribute(b, "bound").lower() != "min"):
        instance = instance_of(bound)
        if instance not in known and instance not in found:
            found[instance] = bound
            notes.add(
                "KF-136",
                Severity.WARNING,
                f"item {instance} has a range and no normal value",
                subject=instance,
                action=f"read with its {attribute(bound, 'bound').lower()} value",
            )
    return list(found.values())


def read_ranges(
    items: Sequence[etree._Element], bounds: Sequence[etree._Element], notes: Notes
) -> tuple[Range, ...]:
    """Return the ranges of the devices' values; a normal value outside its own is a finding."""
    normal = {instance_of(item): item for item in items}
    limits: dict[str, dict[str, etree._Element]] = {}
    for bound in bounds:
        limits.setdefault(instance_of(bound), {}).setdefault(
            attribute(bound, "bound").lower(), bound
        )
    ranges: list[Range] = []
    for instance, ends in limits.items():
        item = normal.get(instance)
        if item is not None:
            ranges.extend(_of_item(instance, item, ends, notes))
    return tuple(ranges)


def _of_item(
    instance: str, item: etree._Element, ends: Mapping[str, etree._Element], notes: Notes
) -> list[Range]:
    ranges = []
    for setting in _SETTINGS:
        low, high = (to_int(text(ends[e], setting)) if e in ends else None for e in ("min", "max"))
        if low is None and high is None:
            continue
        units = text(item, "AllocationUnits", "VirtualQuantityUnits")
        ranges.append(Range(instance, setting, low, high, units))
        value = to_int(text(item, setting))
        if value is None:
            continue
        if (low is not None and value < low) or (high is not None and value > high):
            notes.add(
                "KF-135",
                Severity.WARNING,
                f"{setting} of item {instance} is {value}, its range is"
                f" {'' if low is None else low}…{'' if high is None else high}",
                subject=instance,
                action="the value counts",
            )
    return ranges
