"""What the parts of a domain's reader share: findings, what is kept, and safe look-ups."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from lxml import etree

from kensho.model.finding import Finding, Severity
from kensho.model.machine import Extra

_MOST_KEPT = 1 << 20  #: characters of one kept element; libvirt's own are a few hundred
_MOST_EXTRAS = 1024  #: kept elements; real domains have fewer than 100
_DIGITS = 18


@dataclass(frozen=True, slots=True)
class Place:
    """Where a file that a domain names is: ``href`` for the model, and whether it is there."""

    href: str
    there: bool


@dataclass(slots=True)
class Notes:
    """Findings and kept elements, in the order of the file; ``locate`` finds named files."""

    path: str
    locate: Callable[[str], Place]
    keeps: bool = True  #: whether elements are the file's own words
    findings: list[Finding] = field(default_factory=list)
    extras: list[Extra] = field(default_factory=list)

    def note(
        self, code: str, severity: Severity, message: str, *, subject: str = "", action: str = ""
    ) -> None:
        """Add a finding."""
        self.findings.append(Finding(code, severity, message, subject=subject, action=action))

    def keep(self, element: etree._Element) -> None:
        """Keep an element word for word; one of absurd size is named and left out."""
        if not self.keeps:
            return
        if len(self.extras) == _MOST_EXTRAS:
            self.keeps = False
            self.note(
                "KF-125",
                Severity.WARNING,
                f"more than {_MOST_EXTRAS} elements have no place in the model",
                action="the others are left out",
            )
            return
        where = element.getroottree().getpath(element)
        text = etree.tostring(element, encoding="unicode", with_tail=False)
        if len(text) > _MOST_KEPT:
            self.note(
                "KF-125",
                Severity.WARNING,
                f"{where} has {len(text)} characters",
                action="left out; it is too large to keep",
            )
            return
        self.extras.append(Extra("libvirt", where, text))

    def number(self, text: str | None, *, default: int, most: int, what: str) -> int:
        """Return a whole number from 0 to ``most``; KF-112 and ``default`` for anything else."""
        word = (text or "").strip()
        if not word:
            return default
        if word.isascii() and word.isdigit() and len(word) <= _DIGITS and int(word) <= most:
            return int(word)
        self.note(
            "KF-112",
            Severity.WARNING,
            f"{what} is {word[:60]!r}",
            subject=what,
            action=f"{default} is assumed",
        )
        return default


def children(element: etree._Element | None) -> list[etree._Element]:
    """Return the child elements, without comments and processing instructions."""
    return [] if element is None else [c for c in element if isinstance(c.tag, str)]


def value(element: etree._Element | None, path: str, name: str) -> str:
    """Return an attribute of the first element at ``path``, stripped; empty when it is missing."""
    found = None if element is None else element.find(path)
    return "" if found is None else (found.get(name) or "").strip()


def text_of(element: etree._Element | None, path: str) -> str:
    """Return the text of the first element at ``path``, stripped; empty when it is missing."""
    found = None if element is None else element.findtext(path)
    return (found or "").strip()
