"""The manifest beside the descriptor: DSP0243 §5.1. Digests themselves: ``kensho verify``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote

from kensho.appliances.ovf.elements import attribute
from kensho.appliances.ovf.manifest import read_manifest
from kensho.appliances.paths import candidates
from kensho.model.errors import KenshoError
from kensho.packages.validate.rule import FIELD, MUST, SHOULD, Fault, OnWriting, Rule, clause
from kensho.packages.validate.subject import Subject

#: What every importer reads: no blank before the bracket, one after the sign (or none), the
#: algorithm's plain name.
_EXACT = re.compile(r"(MD5|SHA1|SHA256|SHA384|SHA512)\([^)]+\)= ?[0-9a-fA-F]+")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")


def name_of(subject: Subject) -> str:
    """Return the manifest's name."""
    return subject.name.rpartition(".")[0] + ".mf"


def lines(subject: Subject) -> Iterator[tuple[int, str]]:
    """Yield the manifest's lines with their numbers, those with nothing in them left out."""
    data = None if subject.package is None else subject.package.manifest
    text = (data or b"").decode("utf-8-sig", errors="replace")
    for number, line in enumerate(re.split(r"\r\n|\r|\n", text), 1):
        plain = line.strip("\0\t ")
        if plain and not plain.startswith("#"):
            yield number, plain


def algorithms(subject: Subject) -> frozenset[str]:
    """Return the digest algorithms of the manifest, hashlib's names."""
    if subject.package is None or subject.package.manifest is None:
        return frozenset()
    digests, _ = read_manifest(subject.package.manifest, path=name_of(subject))
    return frozenset(d.algorithm for found in digests.values() for d in found)


def _fault(subject: Subject, number: int, message: str) -> Fault:
    return Fault(None, message, line=number, file=name_of(subject))


def unreadable(subject: Subject) -> Iterator[Fault]:
    """Each line is a digest of a file."""
    for number, line in lines(subject):
        digests, _ = read_manifest(line.encode(), path="")
        if not digests:
            yield _fault(subject, number, f"not a line of a manifest: {line[:60]!r}")


def spelling(subject: Subject) -> Iterator[Fault]:
    """Each line is spelled as every importer reads it."""
    for number, line in lines(subject):
        if read_manifest(line.encode(), path="")[0] and not _EXACT.fullmatch(line):
            yield _fault(
                subject, number, f"{line[:40]!r} is spelled as vSphere and others refuse it"
            )


def coverage(subject: Subject) -> Iterator[Fault]:
    """The manifest vouches for the descriptor and every file."""
    if subject.package is None or subject.package.manifest is None:
        return
    digests, _ = read_manifest(subject.package.manifest, path=name_of(subject))
    named = {*digests, *(unquote(name) for name in digests)}
    if subject.name not in named:
        yield Fault(None, f"the descriptor {subject.name} is not in it", file=name_of(subject))
    for file in subject.files:
        href = attribute(file, "href")
        if not href or _URL.match(href) or {href, unquote(href)} & named:
            continue
        if not any(name.startswith(f"{href}.") for name in named):  # chunks
            yield Fault(file, f"the manifest does not vouch for {href}", href)


def absent(subject: Subject) -> Iterator[Fault]:
    """What the manifest vouches for is there."""
    if subject.package is None or subject.package.manifest is None:
        return
    digests, _ = read_manifest(subject.package.manifest, path=name_of(subject))
    for name in digests:
        try:
            names = candidates(name, subject.name)
        except KenshoError:
            yield Fault(None, f"it names {name!r}, which is outside", file=name_of(subject))
            continue
        if not any(subject.package.store.size_of(n) is not None for n in names):
            yield Fault(None, f"it names {name}, which is not there", file=name_of(subject))


def layout(subject: Subject) -> Iterator[Fault]:
    """The descriptor is the archive's first member, and the only one."""
    for note in () if subject.package is None else subject.package.findings:
        if note.code in {"KF-214", "KF-215"}:
            yield Fault(None, note.message)


RULES = (
    Rule(
        "KF-690", MUST, "lines of the manifest", clause("5.1"),
        "write ALGORITHM(file)= digest", unreadable, OnWriting("the manifest is written new"),
    ),
    Rule(
        "KF-691", FIELD, "spelling of the manifest", clause("5.1"),
        "write SHA256(file)= digest, without a blank before the bracket", spelling,
        OnWriting("the manifest is written new"),
    ),
    Rule(
        "KF-692", SHOULD, "the manifest covers everything", clause("5.1"),
        "write the manifest new", coverage, OnWriting("the manifest is written new"),
    ),
    Rule(
        "KF-693", MUST, "what the manifest covers is there", clause("5.1"),
        "fetch the file, or write the manifest new", absent,
        OnWriting("the manifest is written new"),
    ),
    Rule(
        "KF-695", SHOULD, "the descriptor comes first", clause("5.3"),
        "write the archive new", layout, OnWriting("the archive is written new"),
    ),
)  # fmt: skip
