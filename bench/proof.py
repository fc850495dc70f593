"""Proofs of a guest on every profile that QEMU starts: how long all of it takes, and where a start's time goes.

    .venv/bin/python bench/proof.py [--image GUEST.img] [--on PROFILE,…] [--runs 1]

Without ``--image`` it is the demo's Debian as its maker had it (built once), as it is and adapted. Wall and
CPU time are medians of the runs, with QEMU's in them; the rest is of the last run: medians over the profiles
of the seconds from one milestone to the next, for guests that came up and for those that did not. Guests
run side by side, so the sum of their seconds is more than the wall time. Nothing else should run: how idle the
machine was is said for each proof, and what little of it is idle then is the guests' own waiting.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import tempfile
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

from kensho.proof.profiles import DISTINCT
from measuring import KENSHO, Machine, Spawner, demo, medians, warm

_DID_NOT_COME_UP = 15
_STATES = {"as it is": [], "adapted": ["--adapt"]}


def main() -> None:
    """Run what is asked for and print it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--image", type=Path)
    parser.add_argument("--on", default=",".join(p.name for p in DISTINCT if not p.static))
    parser.add_argument("--runs", type=int, default=1)
    arguments = parser.parse_args()
    image = (arguments.image or demo(as_made=True)).resolve()
    warm(image)
    with tempfile.TemporaryDirectory(dir=image.parent, prefix=".bench-") as folder:
        spawner = Spawner(Path(folder) / "bytecode")
        for state, more in _STATES.items():
            words = [str(image), "--on", arguments.on, "--memory", "512", *more]
            bench(spawner, words, arguments.runs, state, Path(folder))


def bench(spawner: Spawner, arguments: list[str], runs: int, state: str, folder: Path) -> None:
    """Prove the guest so many times, and say what it took; proofs go to ``folder``."""
    usages, trials = [], []
    machine = Machine()
    for _ in range(runs):
        kept = folder / "proof"
        command = [KENSHO, "prove", *arguments, "-o", str(kept), "--json"]
        usages.append(spawner.run(command, fine=(0, _DID_NOT_COME_UP)))
        trials = json.loads((kept / "statement.json").read_text())["predicate"]["trials"]
        shutil.rmtree(kept)
    took = medians(usages)
    up = [trial for trial in trials if trial["outcome"] == "pass"]
    down = [trial for trial in trials if trial["outcome"] != "pass"]
    print(f"{state}: {len(trials)} starts, {len(up)} came up: {took.wall:.0f} s wall, "
          f"{took.cpu:.0f} s CPU; the machine was idle for {machine.idle()} % of the time")  # fmt: skip
    for words, group in (("came up", up), ("did not", down)):
        if group:
            print(f"  {words}: {'; '.join(phases(group))}", flush=True)


def phases(trials: list[dict]) -> Iterable[str]:
    """Yield what the medians of the phases are, in the order they come in."""
    found: dict[str, list[float]] = {}
    for trial in trials:
        marks = {"start": 0.0, **trial.get("milestones", {}), "end": trial.get("seconds", 0)}
        for (before, at), (name, then) in pairwise(sorted(marks.items(), key=lambda m: m[1])):
            found.setdefault(f"{before} → {name}", []).append(then - at)
    common = {name: times for name, times in found.items() if len(times) * 2 > len(trials)}
    for name, times in common.items():
        yield f"{name} {statistics.median(times):.1f} s"
    yield f"all {statistics.median(trial.get('seconds', 0) for trial in trials):.1f} s"


if __name__ == "__main__":
    main()
