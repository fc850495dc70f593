"""Process 1 of the namespaces: starts libvirt, takes the results through it, writes the verdict's rows.

python -m tests.hypervisors.libvirt.inside PLAN WORK KEPT ROWS
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import msgspec

from tests.hypervisors.libvirt.daemons import LOGS, start, virsh
from tests.hypervisors.libvirt.journey import Case, travel
from tests.hypervisors.libvirt.shapes import build_all
from tests.hypervisors.verdict import Row, version


class Plan(msgspec.Struct, frozen=True):
    """What to do: journeys, whether the shapes are built, whether KVM is of no use."""

    cases: tuple[Case, ...]
    shapes: bool
    emulated: bool


class Told(msgspec.Struct, frozen=True):
    """What was seen: rows, and what libvirt says of itself and of the machine."""

    rows: tuple[Row, ...]
    libvirt: str
    validated: str


def main(plan_file: str, work: str, kept_folder: str, told_file: str) -> int:
    """Carry out a plan, in a process beside the one that takes leave of what ended.

    Without it a QEMU that ended stays a zombie, which libvirt waits for.
    """
    worker = os.fork()
    while worker:
        ended, status = os.wait()
        if ended == worker:
            return os.waitstatus_to_exitcode(status)
    return _carry_out(plan_file, work, kept_folder, told_file)


def _carry_out(plan_file: str, work: str, kept_folder: str, told_file: str) -> int:
    plan = msgspec.json.decode(Path(plan_file).read_bytes(), type=Plan)
    kept = Path(kept_folder)
    start(Path(work))
    rows: list[Row] = []
    try:
        if plan.shapes:
            rows.append(build_all(kept / "shapes", emulated=plan.emulated))
            _say(rows[-1])
        for case in plan.cases:
            rows.append(travel(case, kept / case.name))
            _say(rows[-1])
    finally:
        log = LOGS / "libvirtd.log"
        if log.exists():
            (kept / "libvirtd.log").write_bytes(log.read_bytes())
    told = Told(tuple(rows), virsh("version"), version("virt-host-validate", "qemu"))
    Path(told_file).write_bytes(msgspec.json.encode(told))
    return 0


def _say(row: Row) -> None:
    for step in row.steps:
        sys.stdout.write(f"{row.name}: {step.name}: {'' if step.ok else 'WRONG: '}{step.said}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
