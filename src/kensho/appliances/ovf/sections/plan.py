"""How a struct's fields become XML, worked out once per class from names and types."""

from __future__ import annotations

import functools
import types
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec

from kensho.appliances.ovf.sections.parts import Part, Raw

_OWN = {"unknown", "unknown_attributes"}


class Kind(Enum):
    """What a field is in XML."""

    CONTENT = auto()  #: the element's own text
    ATTRIBUTE = auto()
    TEXT = auto()  #: a child element that has only text
    PART = auto()  #: a child element with a struct of its own
    RAW = auto()  #: a child element kept word for word


@dataclass(frozen=True, slots=True, eq=False)
class Slot:
    """One field: its names, what it holds, and how often."""

    field: str
    name: str
    kind: Kind
    many: bool
    required: bool
    default: Any
    scalar: type
    lowest: int | None
    highest: int | None  #: the first number that is too high
    parts: Mapping[str, type[Part]]  #: by element name
    since_2: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """All fields of a class: attributes, and elements in the schema's order."""

    slots: tuple[Slot, ...]
    content: Slot | None
    attributes: Mapping[str, Slot]
    elements: Mapping[str, Slot]


@functools.cache
def plan_of(cls: type[Part]) -> Plan:
    """Return how ``cls`` is read and written."""
    aside = _OWN | cls.ASIDE
    slots = tuple(
        _slot(cls, info) for info in msgspec.structs.fields(cls) if info.name not in aside
    )
    elements: dict[str, Slot] = {}
    for slot in slots:
        if slot.kind in {Kind.PART, Kind.RAW}:
            elements.update(dict.fromkeys(slot.parts or slot.name.split("|"), slot))
        elif slot.kind is Kind.TEXT:
            elements[slot.name] = slot
    return Plan(
        slots,
        next((s for s in slots if s.kind is Kind.CONTENT), None),
        {s.name: s for s in slots if s.kind is Kind.ATTRIBUTE},
        elements,
    )


def _slot(cls: type[Part], info: msgspec.structs.FieldInfo) -> Slot:
    kinds, many = _types(info.type)
    metas = [m for kind in kinds for m in getattr(kind, "__metadata__", ())]
    plain = [get_args(kind)[0] if get_origin(kind) is Annotated else kind for kind in kinds]
    required = info.required
    parts: dict[str, type[Part]] = {}
    if plain == [Raw]:
        kind = Kind.RAW
    elif issubclass(plain[0], Part):
        kind = Kind.PART
        parts = {part.ELEMENT or info.encode_name: part for part in plain}
    elif info.encode_name == "#text":
        kind = Kind.CONTENT
    else:
        kind = Kind.TEXT if info.encode_name[0].isupper() else Kind.ATTRIBUTE
    return Slot(
        field=info.name,
        name=info.encode_name,
        kind=kind,
        many=many,
        required=required,
        default=_zero(plain[0], many=many) if required else info.default,
        scalar=plain[0],
        lowest=next((m.ge for m in metas), None),
        highest=next((m.lt for m in metas), None),
        parts=parts,
        since_2=not cls.SINCE_2.isdisjoint({info.encode_name, *parts}),
    )


def _types(annotation: Any) -> tuple[list[Any], bool]:
    """Return the types of an annotation without None, and whether it is a tuple of them."""
    origin = get_origin(annotation)
    if origin is tuple:
        return _types(get_args(annotation)[0])[0], True
    if origin in {Union, types.UnionType}:
        inner = [a for a in get_args(annotation) if a is not types.NoneType]
        if len(inner) == 1:
            return _types(inner[0])
        return inner, False
    return [annotation], False


def _zero(kind: type, *, many: bool) -> Any:
    """Return what a required field is when the document leaves it out."""
    if many:
        return ()
    if issubclass(kind, Part):
        contents = plan_of(kind).slots
        return kind(**{s.field: s.default for s in contents if s.required})
    return kind()
