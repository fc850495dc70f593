"""What differs between two OVF packages: by machine, device, property, text, file and digest.

Elements are matched by what names them (ovf:id, InstanceID, key, name), not by where they stand;
comments, prefixes, blanks and order are no difference. Unknown XML is compared like the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Literal

import msgspec
from lxml import etree

from kensho.appliances.ovf.elements import attributes, children, dialect, local, text
from kensho.appliances.ovf.items import ITEMS
from kensho.appliances.ovf.manifest import read_manifest
from kensho.packages.edit.scope import SYSTEMS, kind
from kensho.packages.edit.tree import namespace
from kensho.packages.source import OvfPackage
from kensho.storage.digest import digest_source

Kind = Literal["added", "removed", "changed"]
#: Element → the attribute that names it.
_KEYS = {
    "File": "href",
    "Disk": "diskId",
    "SharedDisk": "diskId",
    "Network": "name",
    "Configuration": "id",
    "Property": "key",
    "Config": "key",
    "ExtraConfig": "key",
    "Msg": "msgid",
    "VirtualSystem": "id",
    "VirtualSystemCollection": "id",
    "Value": "configuration",
    "Strings": "lang",
}
_DIALECTS = frozenset({"vmw", "vcloud", "vbox", "xenovf", "xenclient", "ibmpvc"})
_MOST_SHOWN = 200  #: characters of a text


class Change(msgspec.Struct, frozen=True, omit_defaults=True):
    """One difference. ``subject`` is a path of names, ``field`` what of it; texts are as written."""

    kind: Kind
    subject: str
    field: str = ""
    before: str | None = None
    after: str | None = None
    title: str = ""  #: what people call the subject, such as an ElementName


@dataclass(slots=True)
class _Node:
    title: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    children: dict[str, _Node] = field(default_factory=dict)


def compare_packages(
    one: OvfPackage,
    other: OvfPackage,
    *,
    content: bool = True,
    on_bytes: Callable[[int], None] | None = None,
) -> tuple[Change, ...]:
    """Return the differences, descriptor first; ``content`` reads files of equal size as well."""
    return (
        *compare_descriptors(one.root, other.root),
        *_package(one, other),
        *_files(one, other, content, on_bytes),
    )


def compare_descriptors(one: etree._Element, other: etree._Element) -> tuple[Change, ...]:
    """Return the differences between two descriptors."""
    return tuple(_compare(_node(one), _node(other), ""))


def _compare(one: _Node, other: _Node, path: str) -> Iterator[Change]:
    for name in dict.fromkeys((*one.fields, *other.fields)):
        before, after = one.fields.get(name), other.fields.get(name)
        if before != after:
            kind_: Kind = (
                "changed"
                if None not in {before, after}
                else ("added" if before is None else "removed")
            )
            yield Change(
                kind_, path or "Envelope", name, _short(before), _short(after), other.title
            )
    for name in dict.fromkeys((*one.children, *other.children)):
        inside = f"{path} / {name}" if path else name
        left, right = one.children.get(name), other.children.get(name)
        if left is None and right is not None:
            yield Change("added", inside, title=right.title)
        elif right is None and left is not None:
            yield Change("removed", inside, title=left.title)
        elif left is not None and right is not None:
            yield from _compare(left, right, inside)


def _node(element: etree._Element) -> _Node:
    node = _Node(title=text(element, "ElementName", "Name", "Label", "Product"))
    key = _KEYS.get(_name(element), "")
    if element.getparent() is None:
        node.fields["namespace"] = namespace(element)
    for who, name, value in attributes(element):
        if name != key:
            node.fields["@" + _qualified(who, name, who)] = value
    own = (element.text or "").strip()
    if own:
        node.fields["text"] = own
    counts: dict[str, int] = {}
    repeated: dict[str, list[str]] = {}
    for child in children(element):
        simple = not len(child) and not child.attrib and _name(child) not in _KEYS
        name = _label(child)
        if simple:
            value = (child.text or "").strip()
            repeated.setdefault(name, []).append(value)
        else:
            counts[name] = counts.get(name, 0) + 1
            unique = name if counts[name] == 1 else f"{name}#{counts[name]}"
            node.children[unique] = _node(child)
    node.fields.update((name, "\n".join(values)) for name, values in repeated.items())
    return node


def _label(element: etree._Element) -> str:
    """Return an element's name and what it is called by: ``Item[3]``, ``Property[port]``."""
    name, who = _name(element), dialect(element)
    shown = _qualified(who, name, namespace(element))
    found = {n: v for _, n, v in attributes(element)}
    key = found.get(_KEYS.get(name, ""), "")
    if name in ITEMS and text(element, "InstanceID", "InstanceId"):
        key = text(element, "InstanceID", "InstanceId")
        if found.get("configuration"):
            key += f", {found['configuration']}"
        if found.get("bound"):
            key += f", {found['bound']}"
    elif name == "ProductSection":
        key = ".".join(filter(None, (found.get("class"), found.get("instance"))))
    elif name == "Item":  # of a StartupSection
        key = found.get("id", "")
    return f"{shown}[{key}]" if key else shown


def _qualified(who: str, name: str, uri: str) -> str:
    """Return a name as people know it; what nobody knows goes by its namespace, not its prefix."""
    if who in {"", "ovf", "cim"}:
        return name
    return f"{who}:{name}" if who in _DIALECTS or not uri else f"{{{uri}}}{name}"


def _name(element: etree._Element) -> str:
    return kind(element) if kind(element) in SYSTEMS else local(element)


def _package(one: OvfPackage, other: OvfPackage) -> Iterator[Change]:
    facts = [
        {"descriptor": p.name, "manifest": _algorithms(p), "signature": p.certificate is not None}
        for p in (one, other)
    ]
    for name in facts[0]:
        before, after = (_word(f[name]) for f in facts)
        if before != after:
            yield Change("changed", "package", name, before, after)


def _word(value: object) -> str:
    return ("there" if value else "none") if isinstance(value, bool) else str(value)


def _algorithms(package: OvfPackage) -> str:
    if package.manifest is None:
        return "none"
    found = read_manifest(package.manifest, path=package.path)[0]
    return ", ".join(sorted({d.algorithm for digests in found.values() for d in digests}))


def _files(
    one: OvfPackage,
    other: OvfPackage,
    content: bool,  # noqa: FBT001
    on_bytes: Callable[[int], None] | None,
) -> Iterator[Change]:
    for name in dict.fromkeys((*one.files, *other.files)):
        if name not in other.files:
            yield Change("removed", f"file {name}")
            continue
        if name not in one.files:
            yield Change("added", f"file {name}")
            continue
        sizes = [p.store.size_of(name) for p in (one, other)]
        if sizes[0] != sizes[1]:
            yield Change("changed", f"file {name}", "size", str(sizes[0]), str(sizes[1]))
        elif content:
            before, after = (_digest(p, name, on_bytes) for p in (one, other))
            if before != after:
                yield Change("changed", f"file {name}", "sha256", before, after)


def _digest(package: OvfPackage, name: str, on_bytes: Callable[[int], None] | None) -> str:
    done = 0

    def count(now: int, total: int) -> None:
        nonlocal done
        del total
        if on_bytes is not None:
            on_bytes(now - done)
        done = now

    with closing(package.store.open(name)) as source:
        return digest_source(source, ("sha256",), count)["sha256"]


def _short(value: str | None) -> str | None:
    if value is None or len(value) <= _MOST_SHOWN:
        return value
    return f"{value[:_MOST_SHOWN]}… ({len(value)} characters)"
