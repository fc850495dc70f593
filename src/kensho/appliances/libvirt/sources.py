"""What the disks of a domain are made of: files, block devices, and what cannot be opened.

A file is listed by the name under which it was found. A network disk or a pool's volume is listed
by an address that nobody follows, so that the machine can be inspected and a conversion says what
is missing. What is below a disk is read from the disk itself; the domain's ``<backingStore>`` only
counts where a chain leaves the folder of its disk.
"""

from __future__ import annotations

import posixpath
import re

from lxml import etree

from kensho.appliances.libvirt import words
from kensho.appliances.libvirt.notes import Notes, value
from kensho.appliances.paths import is_web_address
from kensho.model.appliance import DiskImage, File
from kensho.model.finding import Severity
from kensho.model.machine import Controller, Drive

_MOST_BELOW = 64


class Storage:
    """What was found so far; ``models`` is what the controllers are said to be."""

    def __init__(self, notes: Notes, kind: str, models: dict[tuple[str, int], str]) -> None:
        self.notes = notes
        self.kind = kind
        self.models = models
        self.controllers: dict[str, Controller] = {}
        self.drives: list[Drive] = []
        self.images: dict[str, DiskImage] = {}
        self.files: dict[str, File] = {}
        self.taken: set[tuple[str, int]] = set()
        self.names: set[str] = set()


def image_of(storage: Storage, element: etree._Element, name: str) -> str | None:
    """Return the id of a disk's image, listing it if it is new; None for a disk without content."""
    href, locatable = _source(element)
    if not href:
        storage.notes.note(
            "KF-116",
            Severity.ERROR,
            f"{name} is a disk without a file",
            subject=name,
            action="left out of the machine",
        )
        return None
    cipher = _cipher(element)
    if cipher:  # its bytes would pass for a raw disk's
        href, locatable = f"{cipher}://{href.lstrip('/')}", False
    if not locatable and not is_web_address(href):  # KF-216 says how to get that
        storage.notes.note(
            "KF-149",
            Severity.ERROR,
            f"its content is {href}, which is no file",
            subject=name,
            action="copy it to a file and name that in the domain, such as with qemu-img convert",
        )
    file = _file(storage, href, name, locatable=locatable)
    word = value(element, "driver", "type").lower()
    image = f"disk-{file}"
    if image not in storage.images:
        parent = _below(storage, element, href, name) if locatable else None
        storage.images[image] = DiskImage(
            image, file, format=words.FORMATS.get(word, word), parent=parent
        )
    return image


def medium_of(storage: Storage, element: etree._Element, name: str) -> str | None:
    """Return the id of the file in a CD or floppy drive; None for an empty or a host's drive."""
    href, locatable = _source(element)
    if not href or element.get("type") == "block" or not locatable:
        return None
    return _file(storage, href, name, locatable=True)


def _source(element: etree._Element) -> tuple[str, bool]:
    """Return the name of a disk's content, and whether it can be a file here."""
    kind = element.get("type") or "file"
    source = element.find("source")
    if source is None:
        return "", False
    if kind in {"file", "block"}:
        return source.get("file" if kind == "file" else "dev") or "", True
    if kind == "volume":
        return f"volume://{source.get('pool') or ''}/{source.get('volume') or ''}", False
    if kind == "network":
        host = source.find("host")
        port = f":{host.get('port')}" if host is not None and host.get("port") else ""
        address = "" if host is None else (host.get("name") or "") + port
        name = (source.get("name") or "").lstrip("/")
        return f"{source.get('protocol') or 'network'}://{address}/{name}", False
    where = source.get("dir") or source.get("path") or source.get("dev") or ""
    return f"{kind}://{where.lstrip('/')}", False


def _cipher(element: etree._Element) -> str:
    """Return what a disk is encrypted with, ``luks`` as a rule; empty when it is not."""
    found = element.find("source/encryption")
    found = element.find("encryption") if found is None else found
    if found is None:
        return ""
    word = re.sub(r"[^a-z0-9]", "", (found.get("format") or "").lower())
    return word if len(word) > 1 else "encrypted"


def _file(storage: Storage, name: str, drive: str, *, locatable: bool) -> str:
    """Return the id of the file that a drive names, listing it if it is new."""
    href = name
    if locatable:
        place = storage.notes.locate(name)
        href = place.href
        _say_where(storage, drive, name, href, there=place.there)
    for file in storage.files.values():
        if file.href == href:
            return file.id
    file_id = f"file{len(storage.files) + 1}"
    storage.files[file_id] = File(file_id, href)
    return file_id


def _say_where(storage: Storage, drive: str, name: str, href: str, *, there: bool) -> None:
    if href.startswith("/") and there:
        storage.notes.note(
            "KF-146",
            Severity.NOTE,
            f"{href} is outside the folder of the domain's file",
            subject=drive,
            action="read from there, as the domain says",
        )
    elif href != name and posixpath.basename(name) != name:
        storage.notes.note(
            "KF-147",
            Severity.NOTE if there else Severity.WARNING,
            f"the domain names {name}",
            subject=drive,
            action=f"{href} beside the domain's file is read"
            if there
            else f"neither there nor, as {href}, beside the domain's file",
        )


def _below(storage: Storage, element: etree._Element, name: str, drive: str) -> str | None:
    """Return the image below a disk, from ``<backingStore>``, where the disk cannot find it."""
    names: list[tuple[str, str]] = []
    folder = posixpath.dirname(name)
    store = element.find("backingStore")
    while store is not None and len(names) < _MOST_BELOW:
        source, locatable = _source(store)
        if not source:
            break
        if not locatable:
            return None  # the disk's own word for it is refused when it is opened
        names.append((source, value(store, "format", "type").lower()))
        store = store.find("backingStore")
    inside = all(posixpath.dirname(n) == folder for n, _ in names)
    if not names or inside or not storage.notes.locate(name).href.startswith("/"):
        return None
    parent: str | None = None
    for below, word in reversed(names):
        file = _file(storage, below, drive, locatable=True)
        image = f"disk-{file}"
        storage.images.setdefault(image, DiskImage(image, file, format=word, parent=parent))
        parent = image
    return parent
