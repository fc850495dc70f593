"""Read an element into its struct, whatever prefix, namespace or spelling it is written with."""

from __future__ import annotations

from collections import Counter
from typing import Any, TypeVar

from lxml import etree

from kensho.appliances.ovf.elements import Notes, dialect, is_true, local, section_kind
from kensho.appliances.ovf.quantities import to_int
from kensho.appliances.ovf.sections.keeping import keep, namespace_of, unbound, valid_namespace
from kensho.appliances.ovf.sections.parts import (
    OVF,
    OVF_NAMESPACES,
    PREFIXES,
    XML,
    Part,
    Raw,
    Unknown,
    UnknownAttribute,
)
from kensho.appliances.ovf.sections.plan import Kind, Plan, Slot, plan_of
from kensho.model.errors import LimitError
from kensho.model.finding import Severity

P = TypeVar("P", bound=Part)

MAX_NESTING = 64
#: How drafts and oVirt spell CIM's names.
_ALIASES = {"InstanceId": "InstanceID", "BusNumber": "Address"}
_OVF_DIALECTS = frozenset({"ovf", "cim", "rasd", "vssd", "sasd", "epasd"})
_XSI_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"


def read_part(cls: type[P], element: etree._Element, notes: Notes | None = None) -> P:
    """Read ``element`` as ``cls``. What it is not made for is kept, what it lacks is noted."""
    return _read(cls, element, own_namespace(element), notes or Notes(""), 0)


def own_namespace(element: etree._Element) -> str:
    """Return OVF's namespace in the element: its own, else that of the envelope it is in."""
    if namespace_of(element) in OVF_NAMESPACES.values():
        return namespace_of(element)
    root = element.getroottree().getroot()
    envelope = root if local(root) == "Envelope" else element
    return namespace_of(envelope)


def _read(cls: type[P], element: etree._Element, own: str, notes: Notes, depth: int) -> P:
    if depth > MAX_NESTING:
        raise LimitError(f"nested more than {MAX_NESTING} deep", path=notes.path)
    plan = plan_of(cls)
    name = cls.ELEMENT or local(element)
    values, unknown_attributes = _attributes(plan, element, own, name, notes)
    many: dict[str, list[Any]] = {slot.field: [] for slot in plan.slots if slot.many}
    unknown: list[Unknown] = []
    counts: Counter[str] = Counter()
    anchor, last = "", -1
    places = {"": (-1, 0)}  # of anchors, in the order of writing
    if plan.content is not None:
        values[plan.content.field] = _text_of(element)
    for node in element:
        slot, child = _slot_for(plan, node, own, cls)
        if slot is None:
            unknown.append(Unknown(keep(node, own, notes), anchor))
            continue
        if not slot.many and slot.field in values:  # once too often; the first one counts
            unknown.append(Unknown(keep(node, own, notes), f"{child}[1]"))
            continue
        position = plan.slots.index(slot)
        if position < last:
            _note_place(name, child, anchor, notes)
        last = position
        value = _value(slot, node, child, own, f"{name}/{child}", notes, depth)
        attributes = (
            tuple(_foreign(node, own, f"{child}[{counts[child] + 1}]"))
            if slot.kind is Kind.TEXT
            else ()
        )
        if slot.many and value == ():
            continue  # no number
        if slot.many:
            many[slot.field].append(value)
        elif value == slot.default and not slot.required and not attributes:
            continue  # nothing that will be written again, so nothing to stand after
        else:
            values[slot.field] = value
        unknown_attributes.extend(attributes)
        counts[child] += 1
        anchor = f"{child}[{counts[child]}]"
        places[anchor] = (position, len(places))
    unknown.sort(key=lambda u: places.get(u.after, (len(plan.slots), 0)))
    for slot in plan.slots:
        if slot.many:
            values[slot.field] = tuple(many[slot.field])
        if slot.required and slot.field not in values:
            values[slot.field] = slot.default
            _note_missing(name, slot, notes)
    return cls(**values, unknown=tuple(unknown), unknown_attributes=tuple(unknown_attributes))


def _attributes(
    plan: Plan, element: etree._Element, own: str, name: str, notes: Notes
) -> tuple[dict[str, Any], list[UnknownAttribute]]:
    values: dict[str, Any] = {}
    unknown: list[UnknownAttribute] = []
    for key, text in element.attrib.items():
        slot = plan.attributes.get(_attribute_name(str(key), own))
        if slot is None or slot.field in values:
            unknown.extend(_one_foreign(element, str(key), str(text), own, ""))
        else:
            values[slot.field] = _scalar(slot, str(text), f"{name}@{slot.name}", notes)
    return values, unknown


def _attribute_name(key: str, own: str) -> str:
    """Return the name of an OVF attribute, empty when it is of another namespace."""
    if key.startswith(f"{{{XML}}}"):
        return f"xml:{key.rpartition('}')[2]}"
    if key.startswith("{"):
        namespace, _, name = key[1:].rpartition("}")
        is_ovf = namespace.startswith(("http://schemas.dmtf.org/ovf/envelope", _DRAFT))
        return name if is_ovf or namespace == own else ""
    prefix, _, name = key.rpartition(":")
    return name if not prefix or prefix.startswith("ovf") else ""


_DRAFT = "http://www.vmware.com/schema/ovf/1/envelope"


def _foreign(element: etree._Element, own: str, on: str) -> list[UnknownAttribute]:
    found = []
    for key, text in element.attrib.items():
        found.extend(_one_foreign(element, str(key), str(text), own, on))
    return found


def _one_foreign(
    element: etree._Element, key: str, text: str, own: str, on: str
) -> list[UnknownAttribute]:
    """Return the attribute to keep; none for xsi:type, which elements' names say."""
    if key == _XSI_TYPE:
        return []
    prefix = ""
    if key.startswith("{"):
        namespace, _, name = key[1:].rpartition("}")
        if namespace in {own, OVF}:
            return [UnknownAttribute(f"{{{OVF}}}{name}", text, "ovf", on)]
        prefix = next((p for p, uri in element.nsmap.items() if p and uri == namespace), "")
        if prefix in _OVF_DIALECTS and PREFIXES.get(prefix) != namespace:
            prefix += "0"  # the writer's own
        key = f"{{{valid_namespace(namespace)}}}{name}"
    elif ":" in key:
        prefix, _, name = key.rpartition(":")
        prefix = prefix.replace(":", "_") or "_"
        name = name if name[:1].isalpha() or name[:1] == "_" else f"_{name}"
        key = f"{{{unbound(prefix)}}}{name}"
    return [UnknownAttribute(key, text, prefix, on)]


def _slot_for(
    plan: Plan, node: etree._Element, own: str, cls: type[Part]
) -> tuple[Slot | None, str]:
    name = section_kind(node) if local(node) else ""
    name = _ALIASES.get(name, name)
    slot = plan.elements.get(name)
    if slot is None:
        return None, name
    if slot.kind is Kind.TEXT and next(node.iterchildren(etree.Element), None) is not None:
        return None, name
    namespace = namespace_of(node)
    if slot.kind is Kind.PART and namespace == slot.parts[name].NAMESPACE:
        return slot, name
    if slot.kind is Kind.RAW or (cls.PROPERTIES and namespace == cls.PROPERTIES):
        return slot, name
    # VMware puts sections of OVF 2 into an envelope of OVF 1: they are extensions there.
    is_extension = (
        namespace == OVF_NAMESPACES[2]
        and own == OVF_NAMESPACES[1]
        and getattr(slot.parts.get(name), "ONLY_2", False)
    )
    is_ours = namespace == own or dialect(node) in _OVF_DIALECTS
    return (slot if is_ours and not is_extension else None), name


def _value(
    slot: Slot, node: etree._Element, name: str, own: str, where: str, notes: Notes, depth: int
) -> Any:
    match slot.kind:
        case Kind.PART:
            return _read(slot.parts[name], node, own, notes, depth + 1)
        case Kind.RAW:
            return Raw(keep(node, own, notes))
        case _:
            return _scalar(slot, _text_of(node), where, notes)


def _scalar(slot: Slot, text: str, where: str, notes: Notes) -> Any:
    if slot.scalar is str:
        return text.strip() if slot.kind is Kind.TEXT else text
    if not text.strip():
        return slot.default
    if slot.scalar is bool:
        return is_true(text)
    number = to_int(text)
    if (
        number is None
        or (slot.lowest is not None and number < slot.lowest)
        or (slot.highest is not None and number >= slot.highest)
    ):
        notes.add(
            "KF-721",
            Severity.WARNING,
            f"{where} is {text.strip()[:200]!r}, which is no number that the schema allows",
            action="left out" if not slot.required else f"written as {slot.default}",
        )
        return slot.default
    return number


def _text_of(element: etree._Element) -> str:
    text = (element.text or "") + "".join(child.tail or "" for child in element)
    return text if text.strip() else ""


def _note_place(name: str, child: str, before: str, notes: Notes) -> None:
    notes.add(
        "KF-722",
        Severity.NOTE,
        f"{name} has {child} after {before.partition('[')[0]}",
        action="written in the schema's order",
    )


def _note_missing(name: str, slot: Slot, notes: Notes) -> None:
    notes.add(
        "KF-720",
        Severity.NOTE,
        f"{name} has no {slot.name}, which the schema requires",
        action="written with the least the schema allows",
    )
