"""Change parts of a model, wherever they are, and keep unknown XML beside what it was beside."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

import msgspec

from kensho.appliances.ovf.sections.parts import Part, Unknown, UnknownAttribute
from kensho.appliances.ovf.sections.plan import Kind, plan_of

P = TypeVar("P", bound=Part)


def changed(part: P, change: Callable[[Part], Part]) -> P:
    """Return ``part`` with ``change`` applied to all parts in it, innermost first, then to it."""
    new: dict[str, Any] = {}
    for slot in plan_of(type(part)).slots:
        if slot.kind is not Kind.PART:
            continue
        value = getattr(part, slot.field)
        if slot.many:
            items = tuple(changed(item, change) for item in value)
            if any(a is not b for a, b in zip(items, value, strict=True)):
                new[slot.field] = items
        elif value is not None and (item := changed(value, change)) is not value:
            new[slot.field] = item
    result = change(msgspec.structs.replace(part, **new) if new else part)
    assert isinstance(result, type(part))
    return result


def placed(children: Iterable[Part]) -> Iterator[tuple[str, Part]]:
    """Yield children of one parent with their places, as in ``Item[3]``."""
    counts: Counter[str] = Counter()
    for child in children:
        name = type(child).ELEMENT
        counts[name] += 1
        yield f"{name}[{counts[name]}]", child


def moved(unknown: Iterable[Unknown], places: Mapping[str, str]) -> tuple[Unknown, ...]:
    """Return unknown XML with the places it stands after renamed."""
    return tuple(Unknown(u.xml, places.get(u.after, u.after)) for u in unknown)


def without(
    attributes: Iterable[UnknownAttribute], names: Iterable[str]
) -> tuple[UnknownAttribute, ...]:
    """Return the attributes that are not on simple children of these names."""
    gone = frozenset(names)
    return tuple(a for a in attributes if a.on.partition("[")[0] not in gone)
