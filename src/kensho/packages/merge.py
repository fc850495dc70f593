"""Several packages as one collection of machines, in OVF's version of the first.

Ids, file names and translated texts are made unique and followed wherever they are used; networks
and configurations of one name become one. The machines start package by package, in the order
given, unless a package says more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass

from lxml import etree

from kensho.appliances.names import dns_name, unique
from kensho.appliances.ovf.elements import Notes, attribute, children, dialect
from kensho.model.errors import PackageError, UsageError
from kensho.model.finding import Finding, Severity
from kensho.packages.edit.files import references
from kensho.packages.edit.payload import Payload
from kensho.packages.edit.scope import SYSTEMS, contents, kind, machines, sections
from kensho.packages.edit.startup import PLACE
from kensho.packages.edit.tree import add, append, namespace, section, set_attribute, settle
from kensho.packages.merge_ids import make_unique, take_files
from kensho.packages.rewrite import serialise_descriptor, with_sizes
from kensho.packages.source import OvfPackage
from kensho.packages.split import inherit
from kensho.packages.version import convert_version

_TOP = ("References", "DiskSection", "SharedDiskSection", "NetworkSection")
_LISTS = {"DiskSection": "diskId", "SharedDiskSection": "diskId", "NetworkSection": "name"}


@dataclass(frozen=True, slots=True)
class Merged:
    """A collection in memory: its descriptor and its files."""

    root: etree._Element
    payload: Payload
    findings: tuple[Finding, ...]

    def descriptor(self, sizes: Mapping[str, int] | None = None) -> bytes:
        """Return the descriptor as text, with these sizes of files in bytes."""
        with_sizes(self.root, sizes or {})
        return serialise_descriptor(self.root)


def merge_packages(packages: Sequence[OvfPackage], name: str) -> Merged:
    """Put the machines of all ``packages`` into one collection called ``name``.

    The packages stay open until the result is written. UsageError for less than two.
    """
    if len(packages) < 2:
        raise UsageError("there is nothing to merge", hint="name two packages or more")
    notes = Notes(packages[0].path)
    root = deepcopy(packages[0].root.getroottree()).getroot()
    payload = Payload()
    take_files(packages[0], {}, payload)
    collection = _collection(root, name)
    _complete_order(collection, 0)
    for number, package in enumerate(packages[1:], 1):
        more = deepcopy(package.root.getroottree()).getroot()
        if namespace(more) != namespace(root):
            version = 2 if namespace(root).endswith("/2") else 1
            more, findings = convert_version(more, version, path=package.path)  # type: ignore[arg-type]
            notes.findings.update(dict.fromkeys(findings))
        make_unique(root, more, package, payload, notes)
        _shift_order(more, number)
        _append(root, collection, more, notes)
        _complete_order(collection, number)
    etree.indent(root, space="  ")
    return Merged(root, payload, tuple(notes.findings))


def _collection(root: etree._Element, name: str) -> etree._Element:
    """Return the collection that takes the machines: the first package's own, or a new one."""
    found = contents(root)
    if not found:
        raise PackageError("the first package has no machine")
    if len(found) == 1 and kind(found[0]) == "VirtualSystemCollection":
        return found[0]
    taken = {attribute(m, "id").lower() for m in machines(root)}
    place = root.index(found[0])
    collection = append(root, f"{{{namespace(root)}}}VirtualSystemCollection")
    root.remove(collection)
    collection.tail = None
    settle(root, place, collection)
    set_attribute(collection, "id", unique(dns_name(name), taken))
    add(collection, "Info", "A collection of virtual machines")
    add(collection, "Name", name)
    for system in found:
        _move(system, collection)
    return collection


def _shift_order(root: etree._Element, number: int) -> None:
    """Move a package's own start order behind that of the packages before it."""
    for startup in root.iter("{*}StartupSection"):
        for item in children(startup, "Item"):
            order = attribute(item, "order")
            own = min(int(order), 99) if order.isdigit() else 0
            set_attribute(item, "order", str(number * 100 + own))


def _complete_order(collection: etree._Element, number: int) -> None:
    """Give the machines that have no place in the start order that of their package."""
    found = sections(collection, "StartupSection")
    startup = (
        found[0]
        if found
        else section(collection, "StartupSection", "The order in which the machines start", PLACE)
    )
    there = {attribute(i, "id") for i in children(startup, "Item")}
    for system in [e for e in children(collection) if kind(e) in SYSTEMS]:
        if attribute(system, "id") not in there:
            item = add(startup, "Item", id=attribute(system, "id"))
            set_attribute(item, "order", str(number * 100))


def _append(
    root: etree._Element, collection: etree._Element, more: etree._Element, notes: Notes
) -> None:
    into = next(children(root, "References"), None)
    if into is None:
        into = add(root, "References")
    for element in references(more):
        _move(element, into)
    for element in list(children(more)):
        what = kind(element)
        if what in _LISTS:
            _append_list(root, element, what, notes)
        elif what == "DeploymentOptionSection":
            _append_options(root, element, notes)
        elif what == "VirtualSystem":
            _move(element, collection)
        elif what == "VirtualSystemCollection":
            _append_collection(collection, element, notes)
        elif what == "Strings":
            _append_strings(root, element)
        elif what != "References" and dialect(element) != "":
            index = root.index(contents(root)[0])
            element.tail = None
            settle(root, index, element)


def _append_list(root: etree._Element, element: etree._Element, what: str, notes: Notes) -> None:
    found = sections(root, what)
    key = _LISTS[what]
    if not found:
        behind = [n for n, e in enumerate(root) if kind(e) in _TOP[: _TOP.index(what)]]
        element.tail = None
        settle(root, behind[-1] + 1 if behind else 0, element)
        return
    known = {attribute(e, key) for s in found for e in children(s)}
    for entry in [e for e in children(element) if attribute(e, key)]:
        if attribute(entry, key) in known:  # disks are unique by now
            notes.add(
                "KF-748",
                Severity.NOTE,
                f"several packages have a network {attribute(entry, key)!r}",
                subject=attribute(entry, key),
                action="they are one network now; rename one first if they are not",
            )
            continue
        _move(entry, found[0])


def _append_options(root: etree._Element, element: etree._Element, notes: Notes) -> None:
    found = sections(root, "DeploymentOptionSection")
    theirs = {attribute(c, "id") for c in children(element, "Configuration")}
    ours = {attribute(c, "id") for s in found for c in children(s, "Configuration")}
    if theirs != ours:
        notes.add(
            "KF-749",
            Severity.WARNING,
            "the packages offer different configurations: "
            f"{', '.join(sorted(ours)) or 'none'}; {', '.join(sorted(theirs))}",
            action="all are offered; devices of one package know nothing of the other's",
        )
    if not found:
        behind = [n for n, e in enumerate(root) if kind(e) in _TOP]
        element.tail = None
        settle(root, behind[-1] + 1 if behind else 0, element)
        return
    for option in [c for c in children(element, "Configuration") if attribute(c, "id") not in ours]:
        set_attribute(option, "default", None)
        _move(option, found[0])


def _append_collection(into: etree._Element, element: etree._Element, notes: Notes) -> None:
    for system in [e for e in children(element) if kind(e).startswith("VirtualSystem")]:
        inherit(system, [element], notes)
        _move(system, into)
    for startup in sections(element, "StartupSection"):
        found = sections(into, "StartupSection")
        if not found:
            _move(startup, into)
            continue
        for item in list(children(startup, "Item")):
            _move(item, found[0])


def _append_strings(root: etree._Element, element: etree._Element) -> None:
    language = _language(element)
    same = [s for s in children(root, "Strings") if _language(s) == language]
    if same and not attribute(element, "fileRef") and not attribute(same[0], "fileRef"):
        for message in list(children(element, "Msg")):
            _move(message, same[0])
    else:
        _move(element, root)


def _language(element: etree._Element) -> str:
    return attribute(element, "lang")


def _move(element: etree._Element, into: etree._Element) -> None:
    parent = element.getparent()
    if parent is not None:
        parent.remove(element)
    element.tail = None
    what = kind(element)  # looked for from the end: that is where it is, of thousands
    behind = next((n for n, e in enumerate(reversed(into)) if kind(e) == what), 0)
    settle(into, len(into) - behind, element)
