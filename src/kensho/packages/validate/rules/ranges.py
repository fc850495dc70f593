"""Ranges of values: DSP0243 §8.4."""

from __future__ import annotations

from collections.abc import Iterator

from kensho.appliances.ovf.elements import attribute
from kensho.packages.validate.rule import COMMON, MUST, Fault, Rule, clause
from kensho.packages.validate.subject import Item, Subject

_BOUNDS = {"min", "max", "normal"}


def bound_values(subject: Subject) -> Iterator[Fault]:
    """A bound is min, max or normal."""
    for _, _, item in subject.items():
        said = attribute(item.element, "bound")
        if said and said not in _BOUNDS:
            yield Fault(item.element, f"ovf:bound of {item.name} is {said!r}", item.id)


def no_normal(subject: Subject) -> Iterator[Fault]:
    """A range belongs to an item of the same InstanceID and ResourceType that has none."""
    for system in subject.systems:
        for hardware in system.hardware:
            normal = {(i.id, i.type) for i in hardware.items if i.bound == "normal"}
            for item in hardware.items:
                if item.bound != "normal" and (item.id, item.type) not in normal:
                    yield Fault(
                        item.element,
                        f"the {item.bound} of {item.name} has no normal value beside it",
                        item.id,
                    )


def backwards(subject: Subject) -> Iterator[Fault]:
    """The least is not above the normal value, that is not above the most."""
    for system in subject.systems:
        for hardware in system.hardware:
            groups: dict[tuple[str, int | None, frozenset[str]], dict[str, Item]] = {}
            for item in hardware.items:
                key = item.id, item.type, item.configurations
                groups.setdefault(key, {})[item.bound] = item
            for group in groups.values():
                values = [_quantity(group.get(b)) for b in ("min", "normal", "max")]
                known = [v for v in values if v is not None]
                if known != sorted(known):
                    item = next(iter(group.values()))
                    yield Fault(item.element, f"the range of {item.name} is {known}", item.id)


def _quantity(item: Item | None) -> int | None:
    text = "" if item is None else item.get("VirtualQuantity")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 20 else None


RULES = (
    Rule(
        "KF-652", MUST, "bounds", clause("8.4"),
        "min, max or normal", bound_values,
    ),
    Rule(
        "KF-653", COMMON, "a normal value for each range", clause("8.4"),
        "add the item without ovf:bound", no_normal,
    ),
    Rule(
        "KF-675", MUST, "ranges are not backwards", clause("8.4"),
        "correct the values", backwards,
    ),
)  # fmt: skip
