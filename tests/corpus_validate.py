"""Validate every OVF and OVA of a corpus and count what happened, by producer and by label.

::

    python tests/corpus_validate.py [CORPUS] [--cot PYTHON] [--list]

The corpus is a folder with a MANIFEST.csv; VMware's own conformance files are in
``xmltestfiles/*/{Pos,Neg}``. They are stored without the files they refer to, so descriptors are
looked at alone; archives are looked at whole. ``--cot`` names a Python that has COT 2.2.1, whose
verdict (does it read the file?) is counted beside. Exit status 1 when a number is below its mark.

A `Neg` that equals some `Pos` byte for byte has its fault in the package, not in the descriptor,
and is not counted; nor is one that differs from a `Pos` only in which file it names.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import subprocess
import sys
import traceback
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import msgspec

from kensho.model.errors import KenshoError
from kensho.packages.source import opened_ovf
from kensho.packages.validate.engine import validate
from kensho.packages.validate.rule import Mode, Violation
from kensho.packages.validate.subject import package_subject, read_subject
from kensho.packages.validate.table import RULES

_HREF = re.compile(rb'(href|size)="[^"]*"')
_COT = """
import contextlib, io, json, logging, os, sys
from COT.vm_description import VMDescription
logging.disable(logging.CRITICAL)
out = {}
for path in json.load(sys.stdin):
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            VMDescription.factory(path, None).info_string()
        out[path] = 'ok'
    except BaseException as error:
        out[path] = type(error).__name__
sys.stdout.write(json.dumps(out))
sys.stdout.flush()
os._exit(0)
"""


@dataclass(frozen=True)
class Row:
    path: Path
    kind: str
    label: str  #: Pos, Neg or empty
    expected: str
    producer: str
    same_as_pos: bool


@dataclass(frozen=True)
class Outcome:
    refused: str  #: why it could not be opened at all
    crash: str
    violations: dict[Mode, tuple[Violation, ...]]

    def worst(self, mode: Mode) -> str:
        if self.crash or self.refused:
            return "refused"
        found = {v.severity.value for v in self.violations[mode]}
        return "error" if "error" in found else "warning" if "warning" in found else "clean"


Outcomes = dict[Path, Outcome]


def corpus_folder(argument: str | None = None) -> Path:
    beside = Path(__file__).resolve().parents[2] / "shared" / "corpus"
    return Path(argument or os.environ.get("KENSHO_CORPUS") or beside)


def rows(corpus: Path) -> list[Row]:
    with (corpus / "MANIFEST.csv").open(newline="", encoding="utf-8") as table:
        found = [r for r in csv.DictReader(table) if r["kind"] in {"ovf", "ova"}]
    labels = {r["path"]: _label(r["repo_path"]) for r in found}
    good = {_skeleton(corpus / r["path"]) for r in found if labels[r["path"]] == "Pos"}
    return [
        Row(
            corpus / r["path"],
            r["kind"],
            labels[r["path"]],
            r["expected"],
            re.split(r"[\d(]", r["producer"])[0].strip() or r["repo"] or "?",
            labels[r["path"]] == "Neg" and _skeleton(corpus / r["path"]) in good,
        )
        for r in found
    ]


def _label(path: str) -> str:
    match = re.search(r"xmltestfiles/.*/(Pos|Neg)/", path)
    return match[1] if match else ""


def _skeleton(path: Path) -> bytes:
    return _HREF.sub(b"", path.read_bytes())


def look(row: Row) -> Outcome:
    try:
        if row.kind == "ova":
            with opened_ovf(row.path) as package:
                subject = package_subject(package)
                return Outcome("", "", in_modes(validate(subject, Mode.STRICT)))
        subject = read_subject(row.path.read_bytes(), row.path.name)
        return Outcome("", "", in_modes(validate(subject, Mode.STRICT)))
    except KenshoError as error:
        return Outcome(f"{type(error).__name__}: {error.message}", "", {})
    except Exception:  # noqa: BLE001 - the point of the report
        return Outcome("", traceback.format_exc(), {})


def in_modes(strict: tuple[Violation, ...]) -> dict[Mode, tuple[Violation, ...]]:
    """Return what the modes make of it; strict mode reports every rule."""
    grades = {rule.code: rule.grade for rule in RULES}
    return {
        mode: tuple(
            msgspec.structs.replace(v, severity=severity)
            for v in strict
            if (severity := grades[v.code].at(mode)) is not None
        )
        for mode in Mode
    }


def ask_cot(python: str, found: list[Row]) -> dict[str, str]:
    paths = [str(row.path) for row in found]
    run = subprocess.run(
        [python, "-c", _COT], input=json.dumps(paths), capture_output=True, text=True, check=False
    )
    return dict(json.loads(run.stdout or "{}"))


def report(corpus: Path, cot: str | None, *, listed: bool) -> int:
    found = rows(corpus)
    outcomes = {row.path: look(row) for row in found}
    read_by_cot = ask_cot(cot, found) if cot else {}
    crashes = [path for path, outcome in outcomes.items() if outcome.crash]
    for path in crashes:
        say(f"{path}\n{outcomes[path].crash}")
    say(f"{len(found)} files, {len(crashes)} tracebacks\n")
    failed = ["tracebacks"] * bool(crashes)
    failed += report_pos([r for r in found if r.label == "Pos"], outcomes)
    failed += report_neg(found, outcomes)
    report_producers([r for r in found if not r.label], outcomes, read_by_cot)
    field = [r for r in found if not r.label and r.expected != "reject-or-warn"]
    opened = sum(not outcomes[r.path].refused for r in field)
    say(f"field files not marked reject-or-warn: {len(field)}, read {opened} "
        f"({opened / len(field):.1%})")  # fmt: skip
    if cot:
        report_cot(found, field, read_by_cot)
    report_codes(field, outcomes)
    for row in field if listed else ():
        if why := why_not(outcomes[row.path], Mode.SPEC):
            say(f"{short(row.path)}: {why}")
    say(f"FAILED: {', '.join(failed)}" if failed else "all marks reached")
    return int(bool(failed))


def report_pos(pos: list[Row], outcomes: Outcomes) -> list[str]:
    failed = []
    for mode, least in ((Mode.LAX, 1.0), (Mode.SPEC, 0.95), (Mode.STRICT, 0.0)):
        good = [r for r in pos if outcomes[r.path].worst(mode) in {"clean", "warning"}]
        say(f"Pos without an error, {mode}: {len(good)} of {len(pos)} ({len(good) / len(pos):.1%})")
        if len(good) < least * len(pos):
            failed.append(f"Pos {mode}")
        for row in () if mode is Mode.STRICT else pos:
            if row not in good:
                say(f"    {short(row.path)}: {why_not(outcomes[row.path], mode)}")
    return failed


def report_neg(found: list[Row], outcomes: Outcomes) -> list[str]:
    failed = []
    pos = [r for r in found if r.label == "Pos"]
    neg = [r for r in found if r.label == "Neg" and not r.same_as_pos]
    say(f"\nNeg: {sum(r.label == 'Neg' for r in found)}, {len(neg)} of them with their fault in "
        "the descriptor; the others are the same as a Pos but for the file they name:")  # fmt: skip
    for row in found:
        if row.label == "Neg" and row.same_as_pos:
            say(f"    {short(row.path)}")
    for mode in (Mode.STRICT, Mode.SPEC, Mode.LAX):
        caught = sum(outcomes[r.path].worst(mode) != "clean" for r in neg)
        errors = sum(outcomes[r.path].worst(mode) in {"error", "refused"} for r in neg)
        say(f"  {mode}: {caught} refused or warned ({caught / len(neg):.1%}), {errors} refused")
        if mode is Mode.STRICT and caught < 0.9 * len(neg):
            failed.append("Neg strict")
    # Stricter than "something was said": said of this file and not of nearly every good one.
    usual = Counter(code for r in pos for code in told(outcomes[r.path]))
    common = {code for code, number in usual.items() if number > 0.1 * len(pos)}
    missed = [
        r for r in neg if not outcomes[r.path].refused and not told(outcomes[r.path]) - common
    ]
    say(f"  strict, without the codes that more than 10 % of Pos have: {len(neg) - len(missed)} of "
        f"{len(neg)} ({1 - len(missed) / len(neg):.1%}); those codes: {', '.join(sorted(common))}")  # fmt: skip
    for row in missed:
        say(f"    not told apart: {short(row.path)}")
    if len(missed) > 0.1 * len(neg):
        failed.append("Neg told apart")
    return failed


def report_producers(field: list[Row], outcomes: Outcomes, cot: dict[str, str]) -> None:
    head = f"{'producer':45}{'files':>7}{'strict':>8}{'spec':>7}{'lax':>7}{'refused':>9}"
    say("\nfiles with errors by mode, and files that cannot be read at all")
    say(head + f"{'COT reads':>11}" * bool(cot))
    for producer in sorted({r.producer for r in field}):
        group = [r for r in field if r.producer == producer]
        worst = {m: Counter(outcomes[r.path].worst(m) for r in group) for m in Mode}
        line = f"{producer[:45]:45}{len(group):7}{worst[Mode.STRICT]['error']:8}"
        line += f"{worst[Mode.SPEC]['error']:7}{worst[Mode.LAX]['error']:7}"
        line += f"{worst[Mode.LAX]['refused']:9}"
        if cot:
            line += f"{sum(cot.get(str(r.path)) == 'ok' for r in group):11}"
        say(line)


def report_cot(found: list[Row], field: list[Row], cot: dict[str, str]) -> None:
    groups = {"field": field, "Pos": [r for r in found if r.label == "Pos"]}
    for what, group in groups.items():
        read = sum(cot.get(str(r.path)) == "ok" for r in group)
        say(f"COT reads {read} of {len(group)} {what} files ({read / len(group):.1%})")
    neg = [r for r in found if r.label == "Neg" and not r.same_as_pos]
    refused = sum(cot.get(str(r.path)) != "ok" for r in neg)
    say(f"COT refuses {refused} of {len(neg)} Neg files ({refused / len(neg):.1%})")


def report_codes(field: list[Row], outcomes: Outcomes) -> None:
    say("\ncodes in field files: files in strict mode, files where it is an error in spec mode")
    strict: Counter[str] = Counter()
    spec: Counter[str] = Counter()
    for row in field:
        violations = outcomes[row.path].violations
        strict.update({v.code for v in violations.get(Mode.STRICT, ())})
        spec.update({v.code for v in violations.get(Mode.SPEC, ()) if v.severity == "error"})
    for code, count in strict.most_common():
        say(f"    {code} {count:4} {spec[code]:4}")


def told(outcome: Outcome) -> set[str]:
    """Return the codes of errors and warnings in strict mode."""
    return {v.code for v in outcome.violations.get(Mode.STRICT, ()) if v.severity != "note"}


def why_not(outcome: Outcome, mode: Mode) -> str:
    if outcome.refused:
        return outcome.refused
    errors = [v for v in outcome.violations.get(mode, ()) if v.severity == "error"]
    return "; ".join(f"{v.code} line {v.line}: {v.message}" for v in errors[:3])


def short(path: Path) -> str:
    return "/".join(path.parts[-4:])


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("corpus", nargs="?")
    parser.add_argument("--cot")
    parser.add_argument("--list", action="store_true")
    given = parser.parse_args()
    sys.exit(report(corpus_folder(given.corpus), given.cot, listed=given.list))
