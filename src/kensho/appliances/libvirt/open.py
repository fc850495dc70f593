"""Open a machine described by a libvirt domain's XML.

A domain names its disks by absolute paths, so unlike a package's they may lie anywhere: the file is
the user's own. What lies beside the domain's file comes first, as when both were copied together;
then the path itself, and each that is outside the folder is said. A domain from a web server or an
archive gets only what is beside it there.
"""

from __future__ import annotations

import dataclasses
import posixpath
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lxml import etree

from kensho.appliances.assemble import assemble
from kensho.appliances.libvirt.notes import Notes, Place
from kensho.appliances.libvirt.read import read_domain
from kensho.appliances.origin import Origin
from kensho.appliances.package import Package
from kensho.appliances.store import Store, fetching, find, read_text_file
from kensho.appliances.xmlsafe import MAX_XML, parse_xml
from kensho.disks import detect
from kensho.model.appliance import Appliance, DiskImage
from kensho.model.errors import KenshoError, UnsafePathError, UnsupportedError
from kensho.model.finding import Finding, Severity
from kensho.model.machine import Extra
from kensho.model.selection import Selection
from kensho.storage import ByteSource, FileSource
from kensho.storage.locator import sibling_opener

_SURE = 90  #: of a format's own mark, which raw images lack


@dataclass(frozen=True, slots=True)
class Loaded:
    """A domain as elements; ``extras`` is what else was in the file, None when it is libvirt's own.

    Only a file of libvirt's own has elements to keep word for word.
    """

    root: etree._Element
    findings: tuple[Finding, ...] = ()
    extras: tuple[Extra, ...] | None = None


def open_domain(origin: Origin, selection: Selection) -> Package:
    """Open the machine a domain describes; see above for where its disks are looked for."""
    return open_loaded(origin, selection, "libvirt", _parse)


def _parse(data: bytes, path: str) -> Loaded:
    return Loaded(*parse_xml(data, path=path))


def open_loaded(
    origin: Origin, selection: Selection, kind: str, load: Callable[[bytes, str], Loaded]
) -> Package:
    """Open the machine in a file that ``load`` turns into a domain; ``kind`` names the reader."""
    path = origin.path
    beside = origin.beside()
    try:
        loaded = load(read_text_file(beside, origin.name, MAX_XML), path)
        root = loaded.root
        named = _absolute_names(root) if Path(path).is_file() else frozenset()
        store = _with_named(fetching(beside) if selection.fetch else beside, named)
        often = _shared_base_names(root)
        is_own = loaded.extras is None
        notes = Notes(path, lambda name: _locate(store, name, often), keeps=is_own)
        notes.extras.extend(loaded.extras or ())
        appliance = read_domain(root, notes, fallback=origin.stem)
        about_formats = _check_formats(appliance, store)
        package = assemble(
            kind,
            path,
            appliance,
            store,
            (*loaded.findings, *notes.findings, *about_formats),
            own=(origin.name,),
        )
    except BaseException:
        beside.close()
        raise
    return dataclasses.replace(package, beside=lambda file_id: _siblings(package, path, file_id))


def _names(root: etree._Element) -> frozenset[str]:
    """Return the names of all files and devices that the domain refers to for reading."""
    names = {e.get(key) for e in root.iter("source") for key in ("file", "dev")}
    names |= {(e.text or "").strip() for e in root.iter("nvram")}
    return frozenset(name for name in names if name)


def _absolute_names(root: etree._Element) -> frozenset[str]:
    odd = re.compile(r"[\x00-\x1f\x7f]")
    return frozenset(
        name
        for name in _names(root)
        if name.startswith("/") and ".." not in name.split("/") and not odd.search(name)
    )


def _shared_base_names(root: etree._Element) -> frozenset[str]:
    counts = Counter(posixpath.basename(name) for name in _names(root))
    return frozenset(name for name, count in counts.items() if count > 1)


def _with_named(store: Store, named: frozenset[str]) -> Store:
    """Return the store with the absolute paths that the domain itself names as files in it."""
    opened: list[ByteSource] = []

    def size_of(name: str) -> int | None:
        if name not in named:
            return store.size_of(name)
        target = Path(name)
        try:
            there = target.is_file() or target.is_block_device()
            return target.stat().st_size if there else None
        except OSError:
            return None

    def open_name(name: str) -> ByteSource:
        if name not in named:
            return store.open(name)
        opened.append(FileSource(name))
        return opened[-1]

    def close() -> None:
        while opened:
            opened.pop().close()
        store.close()

    return dataclasses.replace(store, size_of=size_of, open=open_name, close=close, named=named)


def _locate(store: Store, name: str, often: frozenset[str]) -> Place:
    """Return where a named file is: beside the domain's file, else at the path it has."""
    base = re.split(r"[/\\\]]", name.rstrip("/\\"))[-1].strip()
    is_path = name.startswith(("/", "[")) or "\\" in name or ".." in name.split("/")
    beside = base if is_path else name
    # Of two files with one name in different folders, none can be told by its name alone.
    if not (is_path and base in often) and _is_there(store, beside):
        return Place(beside, there=True)
    if name in store.named:
        there = _is_there(store, name)
        if there or base in often:
            return Place(name, there)
    return Place(beside or "unnamed", there=False)


def _is_there(store: Store, name: str) -> bool:
    try:
        return bool(name) and find(store, name) is not None
    except (UnsafePathError, UnsupportedError):
        return False


def _check_formats(appliance: Appliance, store: Store) -> list[Finding]:
    """Compare what the domain says of its images with what they are; the image is believed."""
    findings = []
    for image in appliance.images:
        file = appliance.file(image.file)
        if file is None:
            continue
        found = _format_of(store, file.href)
        if found and found != (image.format or "raw"):
            findings.append(
                Finding(
                    "KF-227",
                    Severity.WARNING if image.format else Severity.NOTE,
                    f"the domain calls {file.href} {image.format or 'raw, by saying nothing'};"
                    f" it is {found}",
                    subject=file.id,
                    action=f"read as {found}"
                    + ("" if image.format not in {"", "raw"} else ", without any other file"),
                )
            )
    return findings


def _format_of(store: Store, href: str) -> str:
    """Return the format whose mark a file has, empty for raw images and what is not there."""
    try:
        if not _is_there(store, href):
            return ""
        source = store.open(href)
        try:
            best = max(detect(source), key=lambda c: c.confidence, default=None)
        finally:
            source.close()
    except KenshoError:
        return ""
    return best.name if best is not None and best.confidence >= _SURE else ""


def _siblings(package: Package, path: str, file_id: str) -> Callable[[str], ByteSource]:
    """Return what opens the files beside one of the domain's, in that file's own folder.

    A guest can write what it likes to a disk that is raw: a header in it must not make kensho read
    other files of the host.
    """
    appliance = package.appliance
    file = appliance.file(file_id)
    image = next((i for i in appliance.images if i.file == file_id), None)
    if image is not None and _is_raw(image, appliance):

        def refuse(name: str) -> ByteSource:
            raise UnsupportedError(
                f"asks for the file {name!r}, and the domain says that it is raw",
                path=path,
                field="driver/@type",
                hint="correct the type in the domain if the disk is no raw one",
            )

        return refuse
    if file is not None and file.href.startswith("/"):
        return sibling_opener(file.href)
    return package.open_sibling


def _is_raw(image: DiskImage, appliance: Appliance) -> bool:
    """Tell whether the guest sees the bytes of the file as they are."""
    if image.format:
        return image.format == "raw"
    kind = appliance.machines[0].hardware_versions
    return bool(kind) and kind[0] in {"qemu", "kvm", "hvf"}
