"""Mend what rules and targets complain of, in the tree; nothing is written here.

First what concerns the whole document (version, prefix), then rule by rule and target by target
until nothing changes any more. What a mend said and a second look still finds is not claimed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from lxml import etree
from msgspec import structs

from kensho.appliances.xmlsafe import parse_xml
from kensho.model.errors import UnsupportedError
from kensho.model.finding import Finding, Severity
from kensho.packages.edit.textual import merged
from kensho.packages.rewrite import serialise_descriptor
from kensho.packages.source import OvfPackage
from kensho.packages.validate.engine import broken, cut, line_of, validate
from kensho.packages.validate.judge import judge, reasons
from kensho.packages.validate.profile import Effect, Profile, Verdict
from kensho.packages.validate.rule import Fault, Mend, Mode, OnWriting, Violation
from kensho.packages.validate.subject import Subject, package_subject, subject_of
from kensho.packages.version import convert_version

_ROUNDS = 8  #: mends follow from mends; no case is known that needs more than three
#: Comments, CDATA and instructions, which stay; else a start or end tag.
_TAG = re.compile(
    rb"<!--.*?-->|<!\[CDATA\[.*?\]\]>|<\?.*?\?>|<(?P<end>/?)(?P<prefix>[A-Za-z_][\w.-]*):",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Change:
    """One mend: the code of what was wrong, where (line, 0 for nowhere), what was done."""

    code: str
    line: int
    problem: str
    done: str


@dataclass(frozen=True, slots=True)
class Mended:
    """The mended descriptor, what changed and what is left; ``before`` and ``after`` as bytes."""

    root: etree._Element
    before: bytes
    after: bytes
    changes: tuple[Change, ...]
    findings: tuple[Finding, ...]  #: what a conversion to OVF 1 could not say
    left: tuple[Violation, ...]
    verdicts: tuple[Verdict, ...]


def mend(package: OvfPackage, profiles: Sequence[Profile] = (), mode: Mode = Mode.SPEC) -> Mended:
    """Mend what counts in ``mode`` as error or warning, and what ``profiles`` complain of.

    The package's own tree stays as it is.
    """
    root, notes = parse_xml(package.data, path=package.path)
    serialised = serialise_descriptor(root)
    changes: dict[tuple[str, str, str], Change] = {}
    root, findings = _whole(root, package, profiles, changes)
    looks: dict[str, Any] = {}
    for _ in range(_ROUNDS):
        known = len(changes)
        subject = _subject(package, root, notes, looks)
        for code, fault, how in _mendable(subject, mode, profiles):
            _apply(subject, code, fault, how, changes)
        if len(changes) == known:
            break
    text = serialise_descriptor(root)
    after = text if findings or changes_all(changes) else merged(package.data, serialised, text)
    again, _ = parse_xml(after, path=package.path)
    final = subject_of(again, package.name)
    left = validate(final, mode)
    verdicts = tuple(judge(_subject(package, again, (), looks), profile) for profile in profiles)
    still = {(v.code, v.message) for v in left}
    still |= {(r.code, r.message) for v in verdicts for r in v.reasons}
    return Mended(
        root=again,
        before=package.data,
        after=after,
        changes=tuple(c for c in changes.values() if (c.code, c.problem) not in still),
        findings=(*findings, *_signed(package)),
        left=tuple(structs.replace(v, mendable=False) for v in left),
        verdicts=tuple(_unmended(v) for v in verdicts),
    )


def _unmended(verdict: Verdict) -> Verdict:
    """Promise no mends: what could be mended has been."""
    reasons = tuple(structs.replace(r, mendable=False) for r in verdict.reasons)
    return structs.replace(verdict, reasons=reasons)


def _signed(package: OvfPackage) -> tuple[Finding, ...]:
    if package.certificate is None:
        return ()
    return (
        Finding(
            "KF-740",
            Severity.WARNING,
            "the package is signed, and an edit makes the signature void",
            subject=package.path,
            action="left out; sign again with --key",
        ),
    )


def changes_all(changes: dict[tuple[str, str, str], Change]) -> bool:
    """Tell whether the whole document was written anew, so that its lines mean nothing."""
    return any(change.done.startswith("OVF's elements lost") for change in changes.values())


def _subject(
    package: OvfPackage, root: etree._Element, notes: tuple[Finding, ...], looks: dict[str, Any]
) -> Subject:
    """Index the mended tree with the package's files; its manifest is to be written anew."""
    there = replace(package, root=root, manifest=None, findings=(*package.findings, *notes))
    return replace(package_subject(there), notes=(), looks=looks)


def _whole(
    root: etree._Element,
    package: OvfPackage,
    profiles: Sequence[Profile],
    changes: dict[tuple[str, str, str], Change],
) -> tuple[etree._Element, tuple[Finding, ...]]:
    findings: tuple[Finding, ...] = ()
    before = package_subject(package)
    for profile in profiles:
        for found in reasons(before, profile):
            if isinstance(found.mend, OnWriting):
                problem = _problem(found.fault, found.why)
                _note(changes, found.code, found.fault, problem, found.mend.text)
    for rule, severity, fault in broken(before, Mode.STRICT):
        if isinstance(rule.mend, OnWriting) and severity is not Severity.NOTE:
            _note(changes, rule.code, fault, fault.message, rule.mend.text)
    if any(change.done.endswith("written as OVF 1") for change in changes.values()):
        with suppress(UnsupportedError):  # encrypted: the target's verdict stays
            root, findings = convert_version(root, 1, path=package.path)
    if root.prefix and any("lost their prefix" in c.done for c in changes.values()):
        root = without_prefix(root)
    return root, findings


def without_prefix(root: etree._Element) -> etree._Element:
    """Return the document with OVF's elements in the default namespace; attributes keep theirs.

    Unchanged when elements inside declare another default namespace.
    """
    prefix, uri = root.prefix, root.nsmap.get(root.prefix)
    if prefix is None or uri is None or any(e.nsmap.get(None, uri) != uri for e in root.iter("*")):
        return root
    wanted = prefix.encode()

    def plain(match: re.Match[bytes]) -> bytes:
        return b"<" + match["end"] if match["prefix"] == wanted else match[0]

    data = _TAG.sub(plain, serialise_descriptor(root))
    if None not in root.nsmap:
        start = data.index(b"<Envelope") + len(b"<Envelope")
        data = data[:start] + f' xmlns="{uri}"'.encode() + data[start:]
    return parse_xml(data, path="descriptor")[0]


def _mendable(
    subject: Subject, mode: Mode, profiles: Sequence[Profile]
) -> Iterator[tuple[str, Fault, Mend]]:
    # Rules first: a target's complaint is often gone with the standard's.
    for rule, severity, fault in broken(subject, mode):
        if rule.mend is not None and severity is not Severity.NOTE:
            yield rule.code, fault, rule.mend
    for profile in profiles:
        for found in list(reasons(subject, profile)):
            if found.mend is not None and found.effect is not Effect.ACCEPT:
                fault = replace(found.fault, message=_problem(found.fault, found.why))
                yield found.code, fault, found.mend


def _problem(fault: Fault, why: str) -> str:
    return f"{fault.message}: {why}" if why else fault.message


def _apply(
    subject: Subject,
    code: str,
    fault: Fault,
    how: Callable[[Subject, Fault], str | None],
    changes: dict[tuple[str, str, str], Change],
) -> None:
    if isinstance(how, OnWriting):
        return
    done = how(subject, fault)
    if done is not None:
        _note(changes, code, fault, fault.message, done)


def _note(
    changes: dict[tuple[str, str, str], Change], code: str, fault: Fault, problem: str, done: str
) -> None:
    change = Change(code, line_of(fault), cut(problem), cut(done))
    changes.setdefault((code, change.problem, change.done), change)
