"""Open an OVF package as what it is made of: descriptor, manifest, certificate and files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from lxml import etree

from kensho.appliances.origin import find_origin
from kensho.appliances.ova.pipe import front_of
from kensho.appliances.ova.read import open_archive
from kensho.appliances.ovf.elements import attribute, children, local
from kensho.appliances.ovf.manifest import MAX_MANIFEST
from kensho.appliances.ovf.open import refuse_other
from kensho.appliances.ovf.quantities import to_int
from kensho.appliances.packed import chunk_names
from kensho.appliances.paths import is_web_address
from kensho.appliances.sniff import is_tar, is_xml, refuse_empty
from kensho.appliances.store import Store, fetching, find, read_text_file
from kensho.appliances.whole_packed import unpacked
from kensho.appliances.xmlsafe import MAX_XML, parse_xml
from kensho.model.appliance import File
from kensho.model.errors import KenshoError, UnsupportedError
from kensho.model.finding import Finding
from kensho.storage.locator import is_pipe
from kensho.storage.pipe import PipeReader


@dataclass(frozen=True, slots=True)
class OvfPackage:
    """A package as files. Names are relative to the descriptor's folder.

    ``data`` is the descriptor byte for byte, ``root`` the same parsed: it belongs to the caller,
    who may change it. ``files`` are the others in the order of the archive, or of References in a
    folder: without descriptor, manifest and certificate, and without what is missing or at other
    web addresses. A split file is its chunks.
    """

    kind: Literal["ova", "ovf"]
    path: str
    name: str
    data: bytes
    root: etree._Element
    store: Store
    files: tuple[str, ...]
    manifest: bytes | None
    certificate: bytes | None
    findings: tuple[Finding, ...]


def demand_whole(*locators: str) -> None:
    """Raise UnsupportedError for a pipe: of it comes the descriptor, and none of the files behind."""
    if "-" in locators and is_pipe():
        raise UnsupportedError(
            "a pipe is read once, and only up to the descriptor",
            path="-",
            hint="save the package to a file, or name its URL, and use that",
        )


@contextmanager
def opened_ovf(locator: str | Path, *, fetch: bool = False) -> Iterator[OvfPackage]:
    """Open the OVA, the OVF descriptor or the folder at ``locator`` until the block is left.

    ``locator`` is a path, a URL, ``archive#member``, or ``-`` for standard input: a pipe gives
    the descriptor and what stands right behind it. Both may be packed with gzip. ``fetch`` allows
    files at other web addresses. LocatorError when nothing is there, UnsupportedError for what is
    no OVF package, and what reading a descriptor raises.
    """
    kind, store, name, findings = _open(locator)
    store = fetching(store) if fetch else store
    try:
        yield _read(kind, store, name, findings)
    finally:
        store.close()


def _open(
    locator: str | Path,
) -> tuple[Literal["ova", "ovf"], Store, str, tuple[Finding, ...]]:
    if os.fspath(locator) == "-" and is_pipe():
        kind, store, name = front_of(PipeReader())
        return kind, store, name, ()
    origin = find_origin(locator)
    with closing(origin.open()) as source:
        origin, head = unpacked(origin, source) or (origin, source)
        refuse_empty(head)
        archive, xml = is_tar(head), is_xml(head)
    if archive:
        store, name, findings = open_archive(origin)
        return "ova", store, name, tuple(findings)
    if xml:
        return "ovf", origin.beside(), origin.name, ()
    raise UnsupportedError(
        "is no OVF package", path=origin.path, hint="name an OVA or an OVF descriptor"
    )


def _read(
    kind: Literal["ova", "ovf"], store: Store, name: str, findings: tuple[Finding, ...]
) -> OvfPackage:
    path = f"{store.path}#{name}" if store.names else store.path
    data = read_text_file(store, name, MAX_XML)
    root, more = parse_xml(data, path=path)
    refuse_other(root, path)
    manifest = _own(store, PurePosixPath(name).stem, ".mf")
    own = {".mf": manifest, ".cert": _own(store, PurePosixPath(manifest).stem, ".cert")}
    contents = {
        suffix: read_text_file(store, file, MAX_MANIFEST)
        for suffix, file in own.items()
        if store.size_of(file) is not None
    }
    aside = {name, *own.values()}
    files = (
        tuple(n for n in store.names if n not in aside) if kind == "ova" else _listed(root, store)
    )
    return OvfPackage(
        kind,
        store.path,
        name,
        data,
        root,
        store,
        files,
        contents.get(".mf"),
        contents.get(".cert"),
        (*findings, *more),
    )


def _own(store: Store, stem: str, suffix: str) -> str:
    """Return the name of the manifest or certificate: the descriptor's, else the only one's."""
    named = f"{stem}{suffix}"
    if store.size_of(named) is not None:
        return named
    others = [n for n in store.names if n.lower().endswith(suffix) and "/" not in n]
    return others[0] if len(others) == 1 else named


def stored_names(element: etree._Element, store: Store) -> Sequence[str]:
    """Return the stored names of what a File means: one, its chunks, or none of this package."""
    with suppress(KenshoError):
        href = attribute(element, "href")
        name = find(store, href)
        if name is not None:
            return () if is_web_address(name) else (name,)
        chunk, size = to_int(attribute(element, "chunkSize")), to_int(attribute(element, "size"))
        if chunk and chunk > 0:
            file = File("", href, size, attribute(element, "compression"), chunk)
            return chunk_names(store, file)
    return ()


def _listed(root: etree._Element, store: Store) -> tuple[str, ...]:
    """Return the files of a folder that References names and that are there."""
    names: list[str] = []
    for references in children(root, "References"):
        for element in children(references):
            if local(element) == "File":
                names.extend(stored_names(element, store))
    return tuple(dict.fromkeys(names))
