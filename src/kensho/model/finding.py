"""What kensho noticed about a machine, a package or a disk.

A finding is how nothing gets dropped silently: each has a stable code, says
what was seen and what is done about it, and is part of plan and report.
"""

from __future__ import annotations

import enum

import msgspec


class Severity(enum.StrEnum):
    """How much a finding matters, mildest first."""

    NOTE = "note"  #: a fact worth knowing; nothing is lost
    WARNING = "warning"  #: something changes or is left out
    ERROR = "error"  #: a part of the input is wrong and was worked around
    BLOCKED = "blocked"  #: the run must not start


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """One observation: what, about what, and what is done.

    ``code`` is stable (``KF-…``) and listed in ``docs/findings.md``; ``subject``
    names the machine, device or file; ``action`` says what kensho does or what
    the user should do.
    """

    code: str
    severity: Severity
    message: str
    subject: str = ""
    action: str = ""


_RANK = {severity: rank for rank, severity in enumerate(Severity)}


def worst(findings: tuple[Finding, ...]) -> Severity | None:
    """Return the highest severity among ``findings``, None when there are none."""
    return max((f.severity for f in findings), key=_RANK.__getitem__, default=None)


def at_least(findings: tuple[Finding, ...], severity: Severity) -> tuple[Finding, ...]:
    """Return the findings that are as severe as ``severity`` or more."""
    return tuple(f for f in findings if _RANK[f.severity] >= _RANK[severity])
