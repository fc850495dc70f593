"""Run the rules over a package."""

from __future__ import annotations

from collections.abc import Sequence

from kensho.model.finding import Severity
from kensho.packages.validate.rule import Fault, Mode, Rule, Violation
from kensho.packages.validate.subject import Subject
from kensho.packages.validate.table import RULES

_ORDER = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.NOTE: 2}
_LONGEST = 400  #: characters of a message; values may be megabytes
MOST_FAULTS = 1000  #: of one rule; a hostile descriptor could have millions


def broken(
    subject: Subject, mode: Mode, rules: Sequence[Rule] = RULES
) -> list[tuple[Rule, Severity, Fault]]:
    """Return each broken rule that counts in ``mode``, with its place, in the rules' order."""
    found = []
    for rule in rules:
        severity = rule.grade.at(mode)
        if severity is None:
            continue
        for number, fault in enumerate(rule.check(subject)):
            if number == MOST_FAULTS:
                break
            found.append((rule, severity, fault))
    return found


def validate(subject: Subject, mode: Mode = Mode.SPEC) -> tuple[Violation, ...]:
    """Return what is wrong, errors first, then by line."""
    violations = [as_violation(subject, *entry) for entry in broken(subject, mode)]
    violations.sort(key=lambda v: (_ORDER[v.severity], v.file != subject.name, v.line, v.code))
    return tuple(violations)


def as_violation(subject: Subject, rule: Rule, severity: Severity, fault: Fault) -> Violation:
    """Return a fault as it is shown."""
    return Violation(
        code=rule.code,
        severity=severity,
        message=cut(fault.message),
        file=fault.file or subject.name,
        line=line_of(fault),
        subject=fault.subject,
        clause=rule.clause,
        fix=rule.fix,
        mendable=rule.mend is not None and severity is not Severity.NOTE,
    )


def cut(text: str) -> str:
    """Return a message without the middle of what is too long to be shown."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST // 2]} … {text[-_LONGEST // 2 :]}"


def line_of(fault: Fault) -> int:
    """Return the fault's line, 0 when it has none."""
    line: object = None if fault.element is None else fault.element.sourceline
    return fault.line or (line if isinstance(line, int) else 0)
