"""What `kensho prove` shows: the profiles there are, and what became of each trial."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from kensho.cli.render import console, print_json, table
from kensho.proof.evidence.page_words import adapter_words, root_words
from kensho.proof.evidence.portability import Portability
from kensho.proof.evidence.seen import answer_words
from kensho.proof.profiles import PROFILES
from kensho.proof.trial import Outcome, Trial, unproven


def list_profiles(*, as_json: bool) -> None:
    """Print the profiles, and what each of them is not."""
    if as_json:
        print_json({"profiles": PROFILES})
        return
    rows = table("", "profile", "platform", "hardware", "what it is not")
    for row in PROFILES:
        rows.add_row(
            row.name,
            row.platform,
            row.title,
            f"static, judged from files: {row.static}" if row.static else row.nearest,
        )
    console().print(rows)


def answer(trials: Sequence[Trial], evidence: Portability, output: Path) -> dict[str, object]:
    """Return what a program is told; ``proven`` is what the exit code says."""
    files = sorted(str(path.relative_to(output)) for path in output.rglob("*") if path.is_file())
    return {
        "proven": not unproven(trials),
        "trials": [{"how": trial.how, **msgspec.to_builtins(trial)} for trial in trials],
        "earlier": evidence.earlier,
        "findings": evidence.findings,
        "output": str(output),
        "files": files,
    }


def show_trials(trials: Sequence[Trial], output: Path) -> None:
    """Print a table of trials, and where the evidence is."""
    from rich.markup import escape

    colours = {Outcome.PASS: "green", Outcome.FAIL: "red", Outcome.UNKNOWN: "yellow"}
    rows = table("", "profile", "how", "outcome", "root on", "adapter", "s>", "what was seen")
    for trial in trials:
        said = trial.reason if trial.cause is None else f"{trial.cause.what} ({trial.cause.code})"
        answers = answer_words(trial)
        said += f"; {answers}" if answers else ""
        rows.add_row(
            escape(trial.name),
            trial.how,
            f"[{colours[trial.outcome]}]{trial.outcome.value}[/]",
            escape(root_words(trial)),
            escape(adapter_words(trial)),
            f"{trial.seconds:.0f}" if trial.started else "",
            escape(said),
        )
    console().print(rows)
    console().print(f"written: {escape(str(output))}", soft_wrap=True)
