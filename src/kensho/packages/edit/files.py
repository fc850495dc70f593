"""References (DSP0243 §7.1): files added, replaced and removed, with what refers to them."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote, unquote

from lxml import etree

from kensho.appliances.names import unique
from kensho.appliances.ovf.elements import attribute, child, children
from kensho.appliances.ovf.items import ITEMS
from kensho.appliances.paths import candidates, safe_name
from kensho.model.errors import KenshoError, UsageError
from kensho.model.finding import Severity
from kensho.packages.edit.items import set_field
from kensho.packages.edit.payload import NewFile, Payload
from kensho.packages.edit.scope import Scope, machines, sections
from kensho.packages.edit.tree import add, remove, set_attribute
from kensho.packages.edit.values import unknown
from kensho.storage.locator import open_source


def references(root: etree._Element) -> list[etree._Element]:
    """Return the File elements."""
    return [f for r in children(root, "References") for f in children(r, "File")]


def add_file(scope: Scope, payload: Payload, locator: str, name: str = "", ident: str = "") -> str:
    """Take a file into the package and list it; return its id."""
    name = safe_name(name or _last_part(locator), locator)
    source = open_source(locator)  # so that what is not there is said at once
    size = source.size
    source.close()
    if name in payload.files:
        raise UsageError(
            f"there is a file {name!r} already", hint=f"--replace-file {name}={locator}"
        )
    return refer(scope, payload.add(name, NewFile(locator)), ident, size)


def refer(scope: Scope, name: str, ident: str = "", size: int | None = None) -> str:
    """List a file of the package in References; return its id."""
    taken = {attribute(f, "id").lower() for f in references(scope.root)}
    if ident and ident.lower() in taken:
        raise UsageError(f"there is a file with the id {ident!r} already")
    into = child(scope.root, "References")
    if into is None:
        into = add(scope.root, "References")
    ident = ident or unique(f"file{len(taken) + 1}", taken)
    element = add(into, "File", id=ident)
    set_attribute(element, "href", quote(name, safe="/!$&'()*+,;=:@ -._~"))
    if size is not None:
        set_attribute(element, "size", str(size))
    return ident


def replace_file(scope: Scope, payload: Payload, which: str, locator: str) -> None:
    """Put another file in a file's place, under its name."""
    element = find_file(scope.root, which)
    name = stored_name(payload, attribute(element, "href"))
    source = open_source(locator)
    size = source.size
    source.close()
    payload.remove(name)
    payload.files[name] = NewFile(locator)
    set_attribute(element, "size", str(size))
    for stale in ("compression", "chunkSize"):
        set_attribute(element, stale, None)


def remove_file(scope: Scope, payload: Payload, which: str) -> None:
    """Remove a file by id or name, with its disk and the drives it is in; findings say so."""
    element = find_file(scope.root, which)
    based = {attribute(d, "parentRef") for d in disks(scope.root)}
    for disk in disks_on(scope.root, attribute(element, "id")):
        if attribute(disk, "diskId") in based:
            raise UsageError(
                f"disk {attribute(disk, 'diskId')!r} is the base of another",
                hint="remove that one first",
            )
    ident, href = attribute(element, "id"), attribute(element, "href")
    for disk in disks_on(scope.root, ident):
        disk_id = attribute(disk, "diskId")
        for item in items_with(scope.root, "disk", disk_id):
            _gone(scope, f"the drive with {href}", disk_id)
            remove(item)
        remove(disk)
    for item in list(items_with(scope.root, "file", ident)):
        _gone(scope, f"{href} in a drive; the drive stays, empty", ident)
        set_field(item, "HostResource", None)
    remove(element)
    payload.remove(stored_name(payload, href))


def stored_name(payload: Payload, href: str) -> str:
    """Return the name of the file that ``href`` means, whole or in chunks."""
    try:
        names = candidates(href, "References")
    except KenshoError:  # of no file of the package
        return href
    there = (n for n in names if n in payload.files or f"{n}.000000000" in payload.files)
    return next(there, names[-1])


def find_file(root: etree._Element, which: str) -> etree._Element:
    """Return a File by id, href or decoded href."""
    for element in references(root):
        href = attribute(element, "href")
        if which in {attribute(element, "id"), href, unquote(href)}:
            return element
    known = [n for f in references(root) for n in (attribute(f, "id"), attribute(f, "href"))]
    raise unknown(f"there is no file {which!r}", which, known)


def disks(root: etree._Element) -> list[etree._Element]:
    """Return the Disk elements of DiskSection and SharedDiskSection."""
    found = sections(root, "DiskSection", "SharedDiskSection")
    return [d for s in found for d in children(s, "Disk", "SharedDisk")]


def disks_on(root: etree._Element, file_id: str) -> list[etree._Element]:
    """Return the disks whose content is in a file."""
    return [d for d in disks(root) if attribute(d, "fileRef") == file_id]


def items_with(root: etree._Element, kind: str, ident: str) -> Iterator[etree._Element]:
    """Yield the items that hold a ``disk`` or ``file``, however HostResource is spelled."""
    for machine in machines(root):
        for hardware in sections(machine, "VirtualHardwareSection"):
            for item in list(children(hardware, *ITEMS)):
                for host in children(item, "HostResource"):
                    if host_resource(host.text or "") == (kind, ident):
                        yield item


def host_resource(text: str) -> tuple[str, str]:
    """Return (``disk`` or ``file``, id) of ``ovf:/disk/x``, ``ovf://disk/x`` or ``disk/x``."""
    parts = [p for p in text.strip().removeprefix("ovf:").split("/") if p]
    return (parts[-2], parts[-1]) if len(parts) > 1 else ("", "")


def _last_part(locator: str) -> str:
    return locator.rpartition("#")[2].rpartition("/")[2]


def _gone(scope: Scope, what: str, subject: str) -> None:
    scope.notes.add("KF-741", Severity.NOTE, f"also removed: {what}", subject=subject)
