"""The files a package refers to: DSP0243 §7.1; compared with what is really there."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lxml import etree

from kensho.appliances.ovf.elements import attribute
from kensho.appliances.paths import candidates
from kensho.appliances.store import find
from kensho.model.errors import KenshoError, UnsafePathError, UnsupportedError
from kensho.packages.validate.rule import (
    COMMON,
    FATAL,
    FIELD,
    MUST,
    RISK,
    Fault,
    Rule,
    clause,
)
from kensho.packages.validate.subject import Subject

_COMPRESSIONS = {"", "identity", "gzip"}
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
_GZIP = b"\x1f\x8b"
_MOST_CHUNKS = 100_000


def size_of(subject: Subject, element: etree._Element) -> int | None:
    """Return the size of a File that is one stored file, None when it is not there as such."""
    name = stored(subject, element)
    if name is None or subject.package is None:
        return None
    return subject.package.store.size_of(name)


def stored(subject: Subject, element: etree._Element) -> str | None:
    """Return the stored name of a File, None when it is not there or elsewhere."""
    if subject.package is None or not attribute(element, "href"):
        return None
    try:
        return find(subject.package.store, attribute(element, "href"))
    except (UnsafePathError, UnsupportedError):
        return None


def unsafe(subject: Subject) -> Iterator[Fault]:
    """A reference stays inside the package's folder."""
    for file in subject.files:
        href = attribute(file, "href")
        if not href or _URL.match(href):
            continue
        try:
            candidates(href, subject.name)
        except UnsafePathError:
            yield Fault(
                file, f"{href!r} leads out of the package's folder; kensho never opens it", href
            )
        except KenshoError:
            continue


def elsewhere(subject: Subject) -> Iterator[Fault]:
    """A file that is not in the package is known to be elsewhere."""
    for file in subject.files:
        href = attribute(file, "href")
        if _URL.match(href):
            yield Fault(file, f"{href} is not in the package; many importers fetch nothing", href)


def no_size(subject: Subject) -> Iterator[Fault]:
    """A file's size is known before it is transferred."""
    for file in subject.files:
        if not attribute(file, "size"):
            yield Fault(file, f"the file {attribute(file, 'href')} has no ovf:size")


def set_size(subject: Subject, fault: Fault) -> str | None:
    """Write the real size."""
    element = fault.element
    size = None if element is None else size_of(subject, element)
    if element is None or size is None or attribute(element, "chunkSize"):
        return None
    names = [str(n) for n in element.attrib if str(n).rpartition("}")[2] == "size"]
    like = [str(n) for n in element.attrib if str(n).rpartition("}")[2] == "href"]
    for name in names[1:]:
        del element.attrib[name]
    element.set(names[0] if names else like[0].removesuffix("href") + "size", str(size))
    return f"the size of {attribute(element, 'href')} is {size}"


def wrong_size(subject: Subject) -> Iterator[Fault]:
    """The size said is the size found."""
    for file in subject.files:
        said, found = attribute(file, "size"), size_of(subject, file)
        number = int(said) if said.isascii() and said.isdigit() and len(said) < 20 else None
        if number is not None and found is not None and number != found:
            href = attribute(file, "href")
            yield Fault(file, f"{href} has {found} bytes, ovf:size says {said}", href)


def absent(subject: Subject) -> Iterator[Fault]:
    """A file that is referred to is there."""
    if subject.package is None:
        return
    for file in subject.files:
        href = attribute(file, "href")
        if not href or _URL.match(href) or attribute(file, "chunkSize"):
            continue
        try:
            if find(subject.package.store, href) is None:
                yield Fault(file, f"{href} is missing", href)
        except KenshoError:
            continue


def compression(subject: Subject) -> Iterator[Fault]:
    """Compression is one the standard knows, and is what the file has."""
    for file in subject.files:
        how = attribute(file, "compression")
        if how not in _COMPRESSIONS:
            yield Fault(file, f"compression {how!r}; the standard knows gzip")
            continue
        name = stored(subject, file)
        if how != "gzip" or name is None or subject.package is None:
            continue
        source = subject.package.store.open(name)
        try:
            if source.read_at(0, min(2, source.size)) != _GZIP:
                yield Fault(file, f"{name} is said to be gzip and is not")
        finally:
            source.close()


def chunks(subject: Subject) -> Iterator[Fault]:
    """All chunks are there, and all but the last are as long as said."""
    if subject.package is None:
        return
    for file in subject.files:
        text, href = attribute(file, "chunkSize"), attribute(file, "href")
        if not text.isascii() or not text.isdigit() or len(text) > 18 or int(text) == 0:
            continue
        sizes: list[int] = []
        try:
            while len(sizes) < _MOST_CHUNKS:
                size = subject.package.store.size_of(f"{href}.{len(sizes):09d}")
                if size is None:
                    break
                sizes.append(size)
        except KenshoError:
            continue
        said = attribute(file, "size")
        if not sizes:
            yield Fault(file, f"{href}.000000000, the first chunk, is missing", href)
        elif any(s != int(text) for s in sizes[:-1]) or sizes[-1] > int(text):
            yield Fault(file, f"a chunk of {href} is not {text} bytes long", href)
        elif said.isascii() and said.isdigit() and len(said) < 20 and sum(sizes) != int(said):
            yield Fault(
                file, f"{len(sizes)} chunks of {href} have {sum(sizes)} bytes, not {said}", href
            )


def twice(subject: Subject) -> Iterator[Fault]:
    """A file is listed once."""
    seen: set[str] = set()
    for file in subject.files:
        href = attribute(file, "href")
        if href and href in seen:
            yield Fault(file, f"{href} is listed twice", href)
        seen.add(href)


RULES = (
    Rule(
        "KF-621", RISK, "references inside the package", "RFC 3986 §5.2; kensho",
        "put the file beside the descriptor and name it alone", unsafe,
    ),
    Rule(
        "KF-622", FIELD, "files in the package", clause("7.1"),
        "fetch the file and put it beside the descriptor", elsewhere,
    ),
    Rule(
        "KF-623", FIELD, "sizes are given", clause("7.1"),
        "add ovf:size with the number of bytes", no_size, set_size,
    ),
    Rule(
        "KF-624", MUST, "sizes are true", clause("7.1"),
        "correct ovf:size, or fetch the file again", wrong_size, set_size,
    ),
    Rule(
        "KF-625", FATAL, "files are there", clause("7.1"),
        "put the file beside the descriptor", absent,
    ),
    Rule(
        "KF-626", MUST, "compression", clause("7.1"),
        "use gzip or none", compression,
    ),
    Rule(
        "KF-627", FATAL, "chunks", clause("7.1"),
        "fetch the missing chunks: NAME.000000000, NAME.000000001, …", chunks,
    ),
    Rule(
        "KF-628", COMMON, "files are listed once", clause("7.1"),
        "let both users refer to one File", twice,
    ),
)  # fmt: skip
