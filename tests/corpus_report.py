"""Open every machine's file of a corpus and count what happened.

::

    python tests/corpus_report.py [CORPUS]      # default: $KENSHO_CORPUS, ../shared/corpus

The corpus is a folder with a MANIFEST.csv (path, kind, expected, producer and more). Exit status 1
when anything but a KenshoError came up, when fewer than 98 % of the OVF packages that should open
did, or fewer than 95 % of the hypervisors' own files (VMX, libvirt domains, .vbox, xl and xm, .vmcx),
or when one did not that VMware itself calls right (``xmltestfiles/*/Pos``). Pointers of Git LFS, where
the corpus has no file, are counted apart.
"""

from __future__ import annotations

import csv
import os
import re
import sys
import traceback
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from kensho.appliances import open_package
from kensho.model.errors import KenshoError

PACKAGES = ("ovf", "ova")
OWN = ("vmx", "xml", "vbox", "cfg", "vmcx")
LEAST = {PACKAGES: 0.98, OWN: 0.95}
_POSITIVE = "/Pos/"
_OPENED, _REFUSED, _CRASHED = "opened", "refused", "traceback"
_REJECT = "reject-or-warn"
_LFS = b"version https://git-lfs"


def corpus_folder(argument: str | None = None) -> Path:
    """Return where the corpus is, or would be."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "corpus"
    return Path(argument or os.environ.get("KENSHO_CORPUS") or beside)


def try_open(path: Path) -> tuple[str, str]:
    """Return what opening the file led to, and the error's text."""
    try:
        package = open_package(path)
        package.close()
    except KenshoError as error:
        return _REFUSED, f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001 - the point of the report
        return _CRASHED, traceback.format_exc()
    return _OPENED, ""


def report(corpus: Path) -> int:
    """Print the counts and what did not open; return the exit status."""
    counts: Counter[tuple[str, str, str]] = Counter()
    producers: Counter[tuple[str, str]] = Counter()
    positive: Counter[str] = Counter()
    problems: list[str] = []
    pointers = 0
    with (corpus / "MANIFEST.csv").open(newline="", encoding="utf-8") as table:
        for row in csv.DictReader(table):
            if row["kind"] not in (*PACKAGES, *OWN) or not _is_machine(row, corpus):
                continue
            if (corpus / row["path"]).read_bytes()[:40].startswith(_LFS):
                pointers += 1
                continue
            expected = row["expected"] or "unmarked"
            outcome, error = try_open(corpus / row["path"])
            counts[row["kind"], expected, outcome] += 1
            if row["kind"] == "ovf" and _POSITIVE in row["path"]:
                positive[outcome] += 1
            if expected != _REJECT:
                producers[_producer(row), outcome] += 1
            if outcome == _CRASHED or (outcome == _REFUSED and expected != _REJECT):
                problems.append(f"{row['path']}\n    {error}")
    lines = [*problems, *_table("producer", producers), ""]
    lines += _table(
        "kind, expected", Counter({(f"{k} {e}", o): n for (k, e, o), n in counts.items()})
    )
    crashed = sum(n for (_, _, o), n in counts.items() if o == _CRASHED)
    low = False
    for kinds, least in LEAST.items():
        wanted = Counter[str]()
        for (kind, expected, outcome), number in counts.items():
            if kind in kinds and expected != _REJECT:
                wanted[outcome] += number
        share = wanted[_OPENED] / wanted.total() if wanted else 0.0
        low = low or share < least
        lines.append(
            f"{', '.join(kinds)}: opened {wanted[_OPENED]} of {wanted.total()} that should ({share:.1%})"
        )
    lines.append(
        f"{crashed} tracebacks; {positive[_OPENED]} of VMware's {positive.total()} Pos;"
        f" {pointers} pointers of Git LFS"
    )
    sys.stdout.write("\n".join(lines) + "\n")
    return int(bool(crashed) or low or positive[_OPENED] < positive.total())


def _is_machine(row: Mapping[str, str], corpus: Path) -> bool:
    """Tell whether an XML file is a libvirt domain; all others are what their kind says."""
    if row["kind"] != "xml":
        return True
    text = (corpus / row["path"]).read_bytes()
    return row["path"].startswith("libvirt") or re.search(rb"<domain[ >]", text[:4096]) is not None


def _producer(row: Mapping[str, str]) -> str:
    """Return who wrote the file, else where it was found."""
    named = row["producer"].partition("(")[0].strip()
    return named or f"? {row['repo']}"


def _table(title: str, counts: Mapping[tuple[str, str], int]) -> Iterator[str]:
    """Yield lines of a table: a row per subject, a column per outcome, the largest row first."""
    yield f"{title:34}{_OPENED:>8}{_REFUSED:>9}{_CRASHED:>11}"
    rows = {s: [counts.get((s, o), 0) for o in (_OPENED, _REFUSED, _CRASHED)] for s, _ in counts}
    for subject, numbers in sorted(rows.items(), key=lambda row: (-sum(row[1]), row[0])):
        yield f"{subject[:33]:34}{numbers[0]:8}{numbers[1]:9}{numbers[2]:11}"


if __name__ == "__main__":
    sys.exit(report(corpus_folder(sys.argv[1] if len(sys.argv) > 1 else None)))
