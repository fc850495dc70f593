"""A collection of machines as a package per machine (glennmatthews/cot#71: ESXi takes no other).

Each part has the files its machine uses, and those of no machine; files that several machines use
go into each of their packages. Products and licences of the collection hold for each of its
machines and go along.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass

from lxml import etree

from kensho.appliances.names import file_stem, unique
from kensho.appliances.ovf.elements import Notes, attribute, children
from kensho.appliances.proof_file import proofs_among
from kensho.model.errors import LimitError
from kensho.model.finding import Finding, Severity
from kensho.packages.edit.files import disks, host_resource, references
from kensho.packages.edit.networks import prune_networks
from kensho.packages.edit.products import section_name
from kensho.packages.edit.scope import SYSTEMS, contents, find_machine, kind, machines, sections
from kensho.packages.edit.textual import merged
from kensho.packages.edit.tree import remove, settle
from kensho.packages.rewrite import serialise_descriptor
from kensho.packages.source import OvfPackage, stored_names

MOST_MACHINES = 1000  #: each is a copy of the descriptor
_INHERITED = ("ProductSection", "EulaSection", "AnnotationSection")
_OWN = ("Info", "Name", "StartupSection")


@dataclass(frozen=True, slots=True)
class Part:
    """One machine as a package: a plain name, its descriptor, the names of its files."""

    name: str
    machine: str
    descriptor: bytes
    files: tuple[str, ...]
    findings: tuple[Finding, ...]


def split_package(package: OvfPackage, machine: str | None = None) -> Iterator[Part]:
    """Yield a part for every machine, or for the one with that id or name.

    UsageError, naming those there are, for a machine that is not there; LimitError above
    `MOST_MACHINES`.
    """
    found = machines(package.root)
    wanted = range(len(found))
    if machine is not None or not found:
        wanted = range(n := found.index(find_machine(found, machine)), n + 1)
    if len(wanted) > MOST_MACHINES:
        raise LimitError(f"{len(found)} machines; at most {MOST_MACHINES}", path=package.path)
    before = serialise_descriptor(package.root)
    taken: set[str] = set()
    for number in wanted:
        ident = attribute(found[number], "id")
        notes = Notes(package.path)
        root = deepcopy(package.root.getroottree()).getroot()
        _keep(root, number, notes)
        name = unique(file_stem(ident), taken)
        after = merged(package.data, before, serialise_descriptor(root))
        yield Part(name, ident, after, _files(package, root), tuple(notes.findings))


def inherit(system: etree._Element, collections: Sequence[etree._Element], notes: Notes) -> None:
    """Give a machine what its collections, outermost first, say for all their machines."""
    for collection in collections:
        for element in list(children(collection)):
            what = kind(element)
            if what in SYSTEMS or what in _OWN:
                continue
            if what not in _INHERITED:
                notes.add(
                    "KF-745",
                    Severity.WARNING,
                    f"{what} of the collection {attribute(collection, 'id')!r} is for all machines",
                    subject=attribute(system, "id"),
                    action="left out: one machine alone has no place for it",
                )
                continue
            if what == "AnnotationSection" and sections(system, what):
                continue
            _take_over(system, deepcopy(element), what)


def _take_over(system: etree._Element, element: etree._Element, what: str) -> None:
    own = sections(system, what)
    if what == "ProductSection":
        for other in own:
            if section_name(other) == section_name(element):
                keys = {attribute(p, "key") for p in children(other, "Property")}
                for prop in list(children(element, "Property")):
                    if attribute(prop, "key") not in keys:
                        prop.tail = None
                        settle(other, len(other), prop)
                return
    element.tail = None
    inner = [n for n, e in enumerate(system) if kind(e) in SYSTEMS]  # a collection in a collection
    index = system.index(own[-1]) + 1 if own else (inner[0] if inner else len(system))
    settle(system, index, element)


def _keep(root: etree._Element, number: int, notes: Notes) -> None:
    """Leave one machine of a descriptor, on top, and what it uses."""
    everything = machines(root)
    system = everything[number]
    used = [_uses(s) for s in everything]
    above = [e for e in system.iterancestors() if kind(e) == "VirtualSystemCollection"]
    inherit(system, above[::-1], notes)
    top = above[-1] if above else system
    if above:
        place = root.index(top)
        for startup in list(root.iter("{*}StartupSection")):
            remove(startup)
        remove(system)
        system.tail = None
        settle(root, place, system)
    for other in contents(root):
        if other is not system:
            remove(other)
    _prune(root, used[number] | _uses(system), set().union(*used), notes)
    prune_networks(root)
    if len(everything) > 1:
        _leave_proofs(root, notes)


def _leave_proofs(root: etree._Element, notes: Notes) -> None:
    """Remove proofs: they are of other disks, too, which are not in this part."""
    for file in references(root):
        name = attribute(file, "href")
        if proofs_among((name,)):
            notes.add(
                "KF-987",
                Severity.NOTE,
                "the proof is of disks that are not all in this part",
                subject=name,
                action="left out; prove the part, or carry a proof of its machine alone: edit --proof",
            )
            remove(file)


def _uses(element: etree._Element) -> set[tuple[str, str]]:
    """Return what is referred to inside an element: (``disk`` or ``file``, id)."""
    found: set[tuple[str, str]] = set()
    for inside in element.iter("{*}*"):
        for key, value in inside.attrib.items():
            if str(key).rpartition("}")[2] == "fileRef":
                found.add(("file", str(value).strip()))
            elif "/file/" in str(value) or "/disk/" in str(value):
                found.add(host_resource(str(value)))  # vmw:ExtraConfig nvram
        if inside.text and ("file/" in inside.text or "disk/" in inside.text):
            found.add(host_resource(inside.text))
    return found


def _prune(
    root: etree._Element,
    own: set[tuple[str, str]],
    anyones: set[tuple[str, str]],
    notes: Notes,
) -> None:
    """Remove disks and files that this machine does not use; files that nobody uses stay."""
    parents = {attribute(d, "diskId"): attribute(d, "parentRef") for d in disks(root)}
    needed = {ident for what, ident in own if what == "disk"}
    waiting = list(needed)
    while waiting:
        parent = parents.get(waiting.pop(), "")
        if parent and parent not in needed:
            needed.add(parent)
            waiting.append(parent)
    on_disks = {attribute(d, "fileRef") for d in disks(root)}
    files = {ident for what, ident in own if what == "file"}
    for disk in disks(root):
        if attribute(disk, "diskId") in needed:
            files.add(attribute(disk, "fileRef"))
            continue
        if ("disk", attribute(disk, "diskId")) not in anyones:
            notes.add(
                "KF-746",
                Severity.WARNING,
                "the disk belongs to no machine",
                subject=attribute(disk, "diskId"),
                action="left out",
            )
        remove(disk)
    others = on_disks | {ident for what, ident in anyones if what == "file"}
    for file in references(root):
        ident = attribute(file, "id")
        if ident in others and ident not in files and not _elsewhere(root, ident):
            remove(file)


def _elsewhere(root: etree._Element, ident: str) -> bool:
    """Tell whether a file is used beside the machines: texts in another language, an icon."""
    return any(
        ("file", ident) in _uses(element)
        for element in children(root)
        if kind(element) not in SYSTEMS and kind(element) not in {"References", "DiskSection"}
    )


def _files(package: OvfPackage, root: etree._Element) -> tuple[str, ...]:
    """Return the package's files that References still lists, chunks included."""
    listed = {name for file in references(root) for name in stored_names(file, package.store)}
    return tuple(name for name in package.files if name in listed)
