"""Write a struct as an element: right namespaces, children in the schema's order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from lxml import etree

from kensho.appliances.ovf.sections.keeping import hoisted, restore, used_prefixes
from kensho.appliances.ovf.sections.parts import (
    OVF,
    OVF_NAMESPACES,
    PREFIXES,
    XML,
    Part,
    UnknownAttribute,
    Version,
)
from kensho.appliances.ovf.sections.plan import Kind, Slot, plan_of
from kensho.appliances.ovf.write_xml import clean

_PREFIXES = {uri: prefix for prefix, uri in PREFIXES.items()}


def write_part(part: Part, version: Version) -> etree._Element:
    """Return ``part`` as an element of its own, indented."""
    kept: list[etree._Element] = []
    element = build(part, type(part).ELEMENT, version, kept)
    tidy(element, kept)
    return element


def tidy(element: etree._Element, kept: Iterable[etree._Element]) -> None:
    """Drop declarations that nothing uses, and indent what is not in ``kept``."""
    nodes = set(kept)
    in_values = {p for n in nodes if isinstance(n.tag, str) for p in used_prefixes(n)}
    keep = ["ovf", *sorted(in_values)]
    etree.cleanup_namespaces(element, top_nsmap=hoisted(element), keep_ns_prefixes=keep)
    _indent(element, nodes, 0)


def build(part: Part, name: str, version: Version, kept: list[etree._Element]) -> etree._Element:
    """Return ``part`` as an element; unknown nodes put into it are added to ``kept``."""
    cls = type(part)
    own = OVF_NAMESPACES[version]
    element = etree.Element(
        f"{{{cls.NAMESPACE or own}}}{name}",
        nsmap=_prefixes(part, own),  # type: ignore[arg-type]
    )
    plan = plan_of(cls)
    children: list[tuple[str, etree._Element]] = []
    attributes: dict[str, list[UnknownAttribute]] = defaultdict(list)
    for attribute in part.unknown_attributes:
        attributes[attribute.on].append(attribute)
    for slot in plan.slots:
        value = getattr(part, slot.field)
        if slot.kind is Kind.CONTENT:
            element.text = clean(value) or None
        elif slot.kind is Kind.ATTRIBUTE:
            if value is not None and (slot.required or value != slot.default):
                element.set(_qualified(slot.name, own), _text(value))
        else:
            children.extend(_children(part, slot, value, attributes, version, kept))
    _set_unknown(element, attributes.get("", ()), own)
    counts: dict[str, int] = defaultdict(int)
    anchored: list[tuple[str, etree._Element]] = []
    for child_name, child in children:
        counts[child_name] += 1
        place = f"{child_name}[{counts[child_name]}]"
        _set_unknown(child, attributes.get(place, ()), own)
        anchored.append((place, child))
    for node in _placed(part, anchored, own, kept):
        element.append(node)
    return element


def _children(
    part: Part,
    slot: Slot,
    value: Any,
    attributes: dict[str, list[UnknownAttribute]],
    version: Version,
    kept: list[etree._Element],
) -> Iterator[tuple[str, etree._Element]]:
    own = OVF_NAMESPACES[version]
    prefixes = _prefixes(part, own)
    if slot.kind is Kind.RAW:
        for raw in value if slot.many else (value,):
            node = restore(raw.xml, own)
            kept.append(node)
            yield etree.QName(node).localname, node
    elif slot.kind is Kind.PART:
        for inner in value if slot.many else (value,):
            if inner is not None:
                name = type(inner).ELEMENT or slot.name
                yield name, build(inner, name, version, kept)
    else:
        namespace = type(part).PROPERTIES or own
        stated = slot.required or value != slot.default or f"{slot.name}[1]" in attributes
        for text in value if slot.many else (value,) if stated else ():
            node = etree.Element(f"{{{namespace}}}{slot.name}", nsmap=prefixes)  # type: ignore[arg-type]
            node.text = None if text is None else _text(text) or None
            yield slot.name, node


def _placed(
    part: Part,
    children: Iterable[tuple[str, etree._Element]],
    own: str,
    kept: list[etree._Element],
) -> Iterator[etree._Element]:
    """Yield the children, each followed by the unknown nodes that belong after it."""
    waiting: dict[str, list[str]] = defaultdict(list)
    for unknown in part.unknown:
        waiting[unknown.after].append(unknown.xml)

    def follow(texts: Iterable[str]) -> Iterator[etree._Element]:
        for text in texts:
            node = restore(text, own)
            kept.append(node)
            yield node

    yield from follow(waiting.pop("", ()))
    for place, child in children:
        yield child
        yield from follow(waiting.pop(place, ()))
    for texts in waiting.values():
        yield from follow(texts)


def _set_unknown(element: etree._Element, attributes: Iterable[UnknownAttribute], own: str) -> None:
    for attribute in attributes:
        namespace, brace, name = attribute.name[1:].partition("}")
        if not brace or not attribute.name.startswith("{"):
            element.set(attribute.name.rpartition(":")[2], attribute.value)
        else:
            element.set(f"{{{own if namespace == OVF else namespace}}}{name}", attribute.value)


def _qualified(name: str, own: str) -> str:
    if name.startswith("xml:"):
        return f"{{{XML}}}{name[4:]}"
    return f"{{{own}}}{name}"


def _prefixes(part: Part, own: str) -> dict[str | None, str]:
    """Return OVF's prefixes, the class's own and those of unknown attributes."""
    found: dict[str | None, str] = {None: own, "ovf": own}
    for uri in (type(part).NAMESPACE, type(part).PROPERTIES):
        if uri in _PREFIXES:
            found[_PREFIXES[uri]] = uri
    for attribute in part.unknown_attributes:
        namespace = attribute.name[1:].partition("}")[0]
        if attribute.prefix and namespace != OVF:
            found.setdefault(attribute.prefix, namespace)
    return found


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return clean(str(value))


def _indent(element: etree._Element, kept: set[etree._Element], level: int) -> None:
    if element in kept or (element.text or "").strip():
        return
    if next(element.iterchildren(etree.Element), None) is None:
        return  # a comment alone; an empty type does not even bear white space
    element.text = "\n" + "  " * (level + 1)
    for child in element:
        child.tail = "\n" + "  " * (level + 1)
        if isinstance(child.tag, str):
            _indent(child, kept, level + 1)
    element[-1].tail = "\n" + "  " * level
