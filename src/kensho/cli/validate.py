"""``kensho validate``: whether a package is good, and who will take it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from kensho.cli import exits
from kensho.cli.flags import Flag, Json, OptionalLocator
from kensho.cli.render import console, print_json, table
from kensho.model.errors import PlanBlockedError, UsageError
from kensho.model.finding import Severity
from kensho.packages.validate.engine import validate as run_rules
from kensho.packages.validate.judge import judge
from kensho.packages.validate.profile import Effect, Verdict
from kensho.packages.validate.profiles.table import profiles_of
from kensho.packages.validate.rule import Mode, Violation

if TYPE_CHECKING:
    from collections.abc import Sequence

_COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.NOTE: "dim"}
_EFFECTS = {Effect.ACCEPT: "green", Effect.LOSS: "yellow", Effect.REFUSE: "red"}
_MOST_ROWS = 5  #: of one rule, for people; --json has all

For = Annotated[str, Parameter(name="--for")]


def validate(
    package: OptionalLocator = None,
    /,
    *,
    mode: Mode = Mode.SPEC,
    for_: For = "",
    descriptor: Annotated[bool, Flag] = False,
    rules: Annotated[bool, Flag] = False,
    notes: Annotated[bool, Flag] = False,
    json: Json = False,
) -> int:
    """Check an OVF package by the standard, and say which targets will take it.

    Exit code 0 without an error, 1 with one, 10 when a target refuses the package, 3 with nothing
    worse than warnings in strict mode. Codes and targets: docs/validation.md.

    Parameters
    ----------
    package
        OVA, OVF descriptor, the folder with it, or a URL; - reads the descriptor from a pipe.
    mode
        strict: the standard to the letter; spec: with patience for what importers forgive; lax:
        only what cannot be read is an error.
    for_
        Targets, divided by commas: portable-1, esxi-6.7, esxi-7, esxi-8, workstation,
        virtualbox-6, virtualbox-7, xencenter, xcp-ng (xo), proxmox, kvm, hyper-v.
    descriptor
        Look at the descriptor alone; its files need not be there.
    rules
        List the rules and stop.
    notes
        Show notes as well.
    """
    if rules:
        _list_rules(as_json=json)
        return exits.OK
    if package is None:
        raise UsageError("nothing to check", hint="kensho validate app.ova")
    profiles = profiles_of(for_)
    from kensho.packages.source import opened_ovf
    from kensho.packages.validate.subject import package_subject, subject_of

    with opened_ovf(package) as opened:
        # Of a pipe only the front is read: what stands behind it is not known.
        only = subject_of(opened.root, opened.name, notes=opened.findings)
        subject = only if descriptor or package == "-" else package_subject(opened)
        violations = run_rules(subject, mode)
        verdicts = tuple(judge(subject, profile) for profile in profiles)
    if json:
        print_json({"path": package, "mode": mode, "violations": violations, "verdicts": verdicts})
    else:
        show_violations(violations, notes=notes or mode is Mode.STRICT)
        show_verdicts(verdicts)
    return exit_code(violations, verdicts, mode)


def exit_code(violations: Sequence[Violation], verdicts: Sequence[Verdict], mode: Mode) -> int:
    """Return what the findings mean for the exit code."""
    worst = {v.severity for v in violations}
    if Severity.ERROR in worst:
        return exits.FAILURE
    if any(v.verdict is Effect.REFUSE for v in verdicts):
        return PlanBlockedError.exit_code
    return exits.WARNINGS if mode is Mode.STRICT and Severity.WARNING in worst else exits.OK


def show_violations(violations: Sequence[Violation], *, notes: bool) -> None:
    """Print what is wrong, a few places of each rule, and the sums."""
    from rich.markup import escape

    shown: dict[str, int] = {}
    rows = table("", "code", "", "where", "what", "what to do")
    for violation in violations:
        if violation.severity is Severity.NOTE and not notes:
            continue
        shown[violation.code] = shown.get(violation.code, 0) + 1
        if shown[violation.code] > _MOST_ROWS:
            continue
        place = f"{violation.file}:{violation.line}" if violation.line else violation.file
        rows.add_row(
            violation.code,
            f"[{_COLOURS[violation.severity]}]{violation.severity}[/]",
            escape(place),
            escape(f"{violation.message} ({violation.clause})"),
            escape(violation.fix + (" (kensho fix can)" if violation.mendable else "")),
        )
    if rows.row_count:
        console().print(rows)
    more = {code: n - _MOST_ROWS for code, n in shown.items() if n > _MOST_ROWS}
    for code, count in more.items():
        print(f"{code}: {count} more")
    sums = [sum(v.severity is s for v in violations) for s in _COLOURS]
    print(f"{sums[0]} errors, {sums[1]} warnings, {sums[2]} notes")


def show_verdicts(verdicts: Sequence[Verdict]) -> None:
    """Print each target's verdict and its reasons."""
    from rich.markup import escape

    for verdict in verdicts:
        out = console()
        colour = _EFFECTS[verdict.verdict]
        out.print(f"\n[bold]{escape(verdict.title)}[/]: [{colour}]{verdict.verdict}[/]")
        for reason in verdict.reasons:
            line = f"line {reason.line}: " if reason.line else ""
            mend = " (kensho fix can mend it)" if reason.mendable else ""
            effect = "note" if reason.effect is Effect.ACCEPT else reason.effect
            out.print(f"  {reason.code} {effect}: {escape(line + reason.message)}{mend}")
        if verdict.hint:
            out.print(f"  hint: {escape(verdict.hint)}")
        out.print(f"  [dim]basis: {escape(verdict.basis)}[/]")


def _list_rules(*, as_json: bool) -> None:
    from kensho.packages.validate.table import RULES

    if as_json:
        print_json(
            [
                {
                    "code": rule.code,
                    "grade": rule.grade.name,
                    "strict": rule.grade.strict,
                    "spec": rule.grade.spec,
                    "lax": rule.grade.lax,
                    "title": rule.title,
                    "clause": rule.clause,
                    "fix": rule.fix,
                    "mendable": rule.mend is not None,
                }
                for rule in RULES
            ]
        )
        return
    rows = table("", "code", "grade", "rule", "source")
    for rule in sorted(RULES, key=lambda r: r.code):
        rows.add_row(rule.code, rule.grade.name, rule.title, rule.clause)
    console().print(rows)
