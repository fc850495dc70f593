"""Show the results in the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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


def print_proofs(before: Mapping[str, dict], after: Mapping[str, dict]) -> None:
    """Print a line per profile: what became of the guest as it was made, and adapted."""
    rows = [("profile", "as made", "s", "adapted", "s", "root on", "adapter")]
    for name, trial in after.items():
        was = before[name]
        rows.append((name, *_came_to(was), *_came_to(trial), *_inside(trial)))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    print()
    for row in rows:
        print("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip())


def _came_to(trial: dict) -> tuple[str, str]:
    code = trial.get("cause", {}).get("code", "")
    seconds = f"{trial.get('seconds', 0):.0f}" if trial["started"] else "static"
    return f"{trial['outcome']} {code}".rstrip(), seconds


def _inside(trial: dict) -> tuple[str, str]:
    """Return the drivers that the guest reported, of its root and its adapters, and their addresses."""
    inside = trial.get("inside")
    if inside is None:
        return "", ""
    nics = (
        f"{nic['name']}: {', '.join(nic['drivers'])} {nic.get('address', '')}".rstrip()
        for nic in inside.get("nics", ())
    )
    return f"{inside['root']}: {', '.join(inside['drivers'])}", "; ".join(nics)
