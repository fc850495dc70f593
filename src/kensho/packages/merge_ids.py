"""Ids and names of one package made different from another's, wherever they are referred to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from urllib.parse import quote, unquote

from lxml import etree

from kensho.appliances.names import unique
from kensho.appliances.ovf.elements import Notes, attribute, children, local
from kensho.appliances.paths import plain_name
from kensho.model.finding import Severity
from kensho.packages.edit.files import host_resource, references
from kensho.packages.edit.payload import NewFile, Payload, numbered, taken_names, whole_name
from kensho.packages.edit.scope import SYSTEMS, contents, kind, sections
from kensho.packages.edit.tree import set_attribute
from kensho.packages.files import stated_digests
from kensho.packages.source import OvfPackage, stored_names
from kensho.storage import ByteSource


def make_unique(
    root: etree._Element,
    more: etree._Element,
    package: OvfPackage,
    payload: Payload,
    notes: Notes,
) -> None:
    """Rename in ``more`` what ``root`` has already, wherever it is referred to."""
    rename = partial(_renamed, package=package, notes=notes)
    files = rename(_ids(references(root), "id"), _ids(references(more), "id"), "file")
    disks = rename(_ids(_disks(root), "diskId"), _ids(_disks(more), "diskId"), "disk")
    systems = rename(_ids(_systems(root), "id"), _ids(_systems(more), "id"), "machine")
    strings = _texts(root, more)
    names = _file_names(root, more, package, payload, notes)
    take_files(package, names, payload)
    for element in more.iter("{*}*"):
        _follow(element, files, disks, systems, strings)


def _file_names(
    root: etree._Element,
    more: etree._Element,
    package: OvfPackage,
    payload: Payload,
    notes: Notes,
) -> dict[str, str]:
    """Give the files of ``more`` names that nothing in ``root`` refers to, missing files too."""
    # A name that only a reference has counts as well: it must not come to mean another's file.
    taken = taken_names((*payload.files, *map(_href, references(root))))
    names: dict[str, str] = {}
    for element in references(more):
        href = attribute(element, "href")
        if "://" in href:
            continue
        stored = stored_names(element, package.store)
        old = whole_name(stored[0]) if stored else plain_name(unquote(href))
        if old not in names:
            names[old] = numbered(old, taken)
        if names[old] != old:
            set_attribute(element, "href", quote(names[old]))
            notes.add(
                "KF-747",
                Severity.NOTE,
                f"the file {old} is called {names[old]} now",
                subject=package.path,
            )
    return names


def _href(element: etree._Element) -> str:
    return plain_name(unquote(attribute(element, "href")))


def _systems(root: etree._Element) -> list[etree._Element]:
    """Return machines and collections inside collections; one on top gives way to another."""
    tops = [t for t in contents(root) if kind(t) != "VirtualSystem"]
    return [e for e in root.iter("{*}*") if kind(e) in SYSTEMS and e not in tops]


def _follow(
    element: etree._Element,
    files: dict[str, str],
    disks: dict[str, str],
    systems: dict[str, str],
    strings: dict[str, str],
) -> None:
    what = kind(element)
    for key, value in list(element.attrib.items()):
        name, old = str(key).rpartition("}")[2], str(value).strip()
        new = None
        if name == "fileRef" or (name == "id" and what == "File"):
            new = files.get(old)
        elif name in {"diskId", "parentRef"}:
            new = disks.get(old)
        elif name == "id" and (what in SYSTEMS or what == "Item"):
            new = systems.get(old)
        elif name == "msgid":
            new = strings.get(old)
        else:
            new = _followed(old, files, disks)
        if new is not None and new != old:
            element.set(key, new)
    if element.text:
        followed = _followed(element.text, files, disks)
        if followed is not None:
            element.text = followed
        elif local(element) == "VirtualSystemIdentifier" and element.text.strip() in systems:
            element.text = systems[element.text.strip()]


def _followed(value: str, files: dict[str, str], disks: dict[str, str]) -> str | None:
    """Return a reference such as ``ovf:/disk/x`` with the new id, None for any other text."""
    what, ident = host_resource(value) if "/" in value and len(value) < 4096 else ("", "")
    new = {"file": files, "disk": disks}.get(what, {}).get(ident)
    return None if new is None else f"{value.strip()[: -len(ident)]}{new}"


def _texts(root: etree._Element, more: etree._Element) -> dict[str, str]:
    """Return new names for message ids of ``more`` that mean something else in ``root``."""
    known = {attribute(m, "msgid") for m in root.iter("{*}Msg")}
    own = dict.fromkeys(attribute(m, "msgid") for m in more.iter("{*}Msg"))
    taken = {ident.lower() for ident in (*known, *own)}
    return {ident: unique(ident, taken) for ident in own if ident in known}


def _ids(elements: Sequence[etree._Element], key: str) -> list[str]:
    return [attribute(e, key) for e in elements]


def _disks(root: etree._Element) -> list[etree._Element]:
    found = sections(root, "DiskSection", "SharedDiskSection")
    return [d for s in found for d in children(s) if attribute(d, "diskId")]


def _renamed(
    known: list[str], own: list[str], what: str, *, package: OvfPackage, notes: Notes
) -> dict[str, str]:
    taken = {k.lower() for k in known}
    clash = [ident for ident in own if ident.lower() in taken]
    taken |= {ident.lower() for ident in own}
    result = {ident: unique(ident, taken) for ident in clash}
    if what == "machine":
        for old, new in result.items():
            notes.add(
                "KF-747",
                Severity.NOTE,
                f"the machine {old} is called {new} now",
                subject=package.path,
            )
    return result


def take_files(package: OvfPackage, names: dict[str, str], payload: Payload) -> None:
    """Take in all files of a package, under new names where ``names`` has them."""
    known = stated_digests(package)
    taken = taken_names((*payload.files, *names.values()))
    for name in package.files:
        new = _new_name(name, names) or numbered(name, taken)
        payload.files[new] = NewFile(name, opener=_opener(package, name), digests=known.get(name))


def _new_name(name: str, names: dict[str, str]) -> str:
    whole = whole_name(name)
    return names.get(name) or (f"{names[whole]}{name[len(whole) :]}" if whole in names else "")


def _opener(package: OvfPackage, name: str) -> Callable[[], ByteSource]:
    return lambda: package.store.open(name)
