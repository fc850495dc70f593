"""What a rule is, and what it finds."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
from lxml import etree

from kensho.model.finding import Severity

if TYPE_CHECKING:
    from kensho.packages.validate.subject import Subject


class Mode(enum.StrEnum):
    """How strictly rules count."""

    STRICT = "strict"  #: the standard to the letter, and what importers are known to trip over
    SPEC = "spec"  #: the standard, with patience for what every importer reads all the same
    LAX = "lax"  #: only what cannot be read at all is an error


@dataclass(frozen=True, slots=True)
class Grade:
    """How much breaking a rule counts in each mode; None is not reported."""

    name: str
    strict: Severity | None
    spec: Severity | None
    lax: Severity | None

    def at(self, mode: Mode) -> Severity | None:
        """Return the severity in a mode."""
        severity: Severity | None = getattr(self, mode.value)
        return severity


_E, _W, _N = Severity.ERROR, Severity.WARNING, Severity.NOTE
FATAL = Grade("fatal", _E, _E, _E)  #: nobody can use the package
MUST = Grade("must", _E, _E, _W)  #: a "shall" of the standard; kensho reads on all the same
RISK = Grade("risk", _E, _W, _W)  #: may be meant so, and is dangerous
COMMON = Grade("common", _E, _W, _N)  #: a "shall" that known exporters break and importers forgive
SHOULD = Grade("should", _W, _W, _N)  #: no "shall", and a fault in most cases
FIELD = Grade("field", _W, _N, None)  #: allowed, and some importer trips over it
INFO = Grade("info", _N, _N, None)  #: worth knowing
GRADES = (FATAL, MUST, RISK, COMMON, SHOULD, FIELD, INFO)


@dataclass(frozen=True, slots=True)
class Fault:
    """One place where a rule is broken.

    ``element`` is where in the descriptor; ``line`` and ``file`` are given for other files.
    ``data`` is what the rule's mend needs.
    """

    element: etree._Element | None
    message: str
    subject: str = ""
    line: int = 0
    file: str = ""
    data: Any = None


#: Changes the tree and says what it did; None when this case cannot be mended.
Mend = Callable[["Subject", Fault], str | None]


@dataclass(frozen=True, slots=True)
class OnWriting:
    """A mend that the writing of a package is, whatever else changes."""

    text: str

    def __call__(self, subject: Subject, fault: Fault) -> str:
        """Say what writing does."""
        del subject, fault
        return self.text


@dataclass(frozen=True, slots=True)
class Rule:
    """A row of the table. ``clause`` names the standard's section, ``fix`` what to do."""

    code: str
    grade: Grade
    title: str
    clause: str
    fix: str
    check: Callable[[Subject], Iterator[Fault]]
    mend: Mend | None = None


class Violation(msgspec.Struct, frozen=True, omit_defaults=True):
    """A broken rule as shown to users. ``line`` is 1-based in ``file``, 0 when there is none."""

    code: str
    severity: Severity
    message: str
    file: str
    line: int = 0
    subject: str = ""
    clause: str = ""
    fix: str = ""
    mendable: bool = False


def clause(section: str) -> str:
    """Return how a section of DSP0243 is cited; 1.1.1 and 2.1 number these alike."""
    return f"DSP0243 §{section}"
