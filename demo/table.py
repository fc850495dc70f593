"""Show the results in the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from kensho.model.units import format_bytes
from results import Boot, Outcome

HEADINGS = ("target", "files", "size", "seconds", "findings", "check", "other programs")


def print_table(outcomes: Sequence[Outcome], boot: Boot) -> None:
    """Print a line per conversion, then what went wrong, then the boot."""
    rows = [HEADINGS, *(_row(outcome) for outcome in outcomes)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEADINGS))]
    print()
    for row in rows:
        print(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        )
    for outcome in outcomes:
        if outcome.error:
            print(f"\n{outcome.target.title}: {outcome.error}")
        for check in outcome.checks:
            if check.ok is not True:
                word = "FAILED" if check.ok is False else "not checked"
                print(f"\n{outcome.target.title}: {check.name}: {word}: {check.detail}")
    print(f"\nboot: {boot.title}")


def _row(outcome: Outcome) -> tuple[str, ...]:
    packed = outcome.result is not None and outcome.result["plan"]["source_kind"] == "disk"
    title = f"{outcome.target.title}{' (packed)' if packed else ''}"
    if outcome.result is None:
        return title, "-", "-", "-", "-", outcome.check, "-"
    return (
        title,
        str(len(outcome.file_names)),
        format_bytes(outcome.size),
        f"{outcome.result['seconds']:.1f}",
        outcome.findings,
        outcome.check,
        outcome.verdict,
    )
