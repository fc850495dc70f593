"""What a real hypervisor showed, as it is kept: steps, milestones, what the guest said of itself."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import msgspec

from kensho.guest.devices import CONTROLLERS, NICS
from kensho.model.machine import ControllerModel, NicModel
from kensho.proof.inside.read import Inside


class Step(msgspec.Struct, frozen=True):
    """One thing that was done; ``said`` is the hypervisor's word for it, or why it went wrong."""

    name: str
    ok: bool
    said: str = ""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One result of kensho's and what became of it. It passed when all steps did."""

    name: str
    title: str
    steps: tuple[Step, ...]
    milestones: dict[str, float] = {}
    inside: Inside | None = None

    @property
    def passed(self) -> bool:
        """Whether every step went well."""
        return bool(self.steps) and all(step.ok for step in self.steps)


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """All rows of a hypervisor, what ran (name: version), and what the run was not."""

    hypervisor: str
    made: str
    versions: dict[str, str]
    rows: tuple[Row, ...]
    not_shown: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether every row passed."""
        return bool(self.rows) and all(row.passed for row in self.rows)


def on_devices(inside: Inside, controller: ControllerModel, adapter: NicModel) -> str:
    """Return what is wrong with the drivers a guest reported, empty when they are the devices' own."""
    drivers = {name.replace("-", "_") for name in inside.drivers}
    if drivers.isdisjoint(CONTROLLERS[controller].linux):
        return f"the root is on {', '.join(inside.drivers) or 'nothing known'}, not on {controller}"
    nics = {name.replace("-", "_") for nic in inside.nics for name in nic.drivers}
    if nics.isdisjoint(NICS[adapter].linux):
        return f"no adapter has the driver of {adapter}: {', '.join(sorted(nics)) or 'none'}"
    return ""


def version(*command: str) -> str:
    """Return the first line a program says of its version, empty without the program."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return next(iter((done.stdout or done.stderr).strip().splitlines()), "")


def table(rows: Sequence[Row]) -> str:
    """Return the rows as a Markdown table."""
    lines = [
        "| result | outcome | root on | adapter | login after | said |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        wrong = next((step for step in row.steps if not step.ok), None)
        said = f"{wrong.name}: {wrong.said}" if wrong else ""
        root = ", ".join(row.inside.drivers) if row.inside else ""
        nics = (
            ", ".join(f"{n.drivers[0]} {n.address}" for n in row.inside.nics if n.drivers)
            if row.inside
            else ""
        )
        login = f"{row.milestones['login']:.0f} s" if "login" in row.milestones else ""
        words = (row.title, "pass" if row.passed else "FAIL", root, nics, login, said)
        lines.append(
            "| " + " | ".join(w.replace("|", "/").replace("\n", " ") for w in words) + " |"
        )
    return "\n".join(lines) + "\n"


def write(verdict: Verdict, folder: Path) -> None:
    """Write ``verdict.json`` and ``table.md``."""
    data = msgspec.json.format(msgspec.json.encode(verdict), indent=2)
    (folder / "verdict.json").write_bytes(data)
    (folder / "table.md").write_text(table(verdict.rows))
