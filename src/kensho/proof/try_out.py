"""One profile tried: a guest is booted on its hardware, watched, and judged by what was seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from kensho.proof.causes.static import Foretold
from kensho.proof.inside.read import read_report
from kensho.proof.judge import Observed, agrees, judge, notes
from kensho.proof.profiles.base import Profile
from kensho.proof.qemu.devices import Drive, machine_of
from kensho.proof.trial import Trial, file_ref
from kensho.proof.watch.asking import Questions
from kensho.proof.watch.boot import boot_machine
from kensho.proof.watch.network import Wiring
from kensho.proof.watch.result import Watch
from kensho.proof.watch.serial import LOGIN, REPORT


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How any guest is run: ``timeout`` and ``power_off`` in seconds.

    One that does not shut down when it is asked fails where it ``must_power_off``.
    """

    timeout: float
    cpus: int = 1
    power_off: float = 0
    must_power_off: bool = False
    questions: Questions = Questions()
    restarts: int = 1
    accelerator: str = "tcg"


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """A guest as it is started: its drives, its adapters' addresses, ``memory`` in bytes.

    Logs and pictures go to ``folder``. With ``reports`` the boot is over when the guest has said what it
    started from, else at its login; ``foretold`` is what its files tell.
    """

    drives: Sequence[Drive]
    macs: Sequence[str]
    memory: int
    folder: Path
    reports: bool
    foretold: Foretold


@dataclass(frozen=True, slots=True)
class Together:
    """A guest among others: what its adapters are connected to, and what waits for the others.

    ``at_goal`` is called when it came up, ``at_end`` when all was asked of it; see `Watch`.
    """

    wiring: Wiring
    at_goal: Callable[[], None]
    at_end: Callable[[], None]


def try_out(
    profile: Profile,
    start: Start,
    limits: Limits,
    *,
    on_event: Callable[[str], None],
    stopped: Callable[[], bool],
    together: Together | None = None,
) -> Trial:
    """Boot a guest on a profile.

    ``together`` is for a guest that runs at the same time as others. ``stopped`` tells that nobody waits
    for it any more. A Windows or a BSD without a login on its serial port is neither passed nor failed.
    """
    machine = machine_of(
        profile, start.drives, macs=start.macs, memory=start.memory, cpus=limits.cpus
    )
    log = start.folder / "serial.log"
    watch = _watch(start, limits, together, stopped)
    result = boot_machine(machine, log=log, timeout=limits.timeout, on_event=on_event, watch=watch)
    said = log.read_text("utf-8", "replace")
    faults = [drive.faults for drive in start.drives if drive.faults is not None]
    seen = Observed(
        profile=profile, result=result, said=said, inside=read_report(said), foretold=start.foretold,
        macs=start.macs, unreadable=tuple(place for fault in faults for place in fault.seen),
        reports=start.reports, agent=limits.questions.agent, power_off=limits.power_off > 0,
        must_power_off=limits.must_power_off, anywhere=together is not None,
    )  # fmt: skip
    return _trial(seen, start, limits, log)


def _watch(
    start: Start, limits: Limits, together: Together | None, stopped: Callable[[], bool]
) -> Watch:
    return Watch(
        folder=start.folder, goal=REPORT if start.reports else LOGIN,
        windows=start.foretold.system == "windows", restarts=limits.restarts,
        power_off=limits.power_off, accelerator=limits.accelerator, stopped=stopped,
        wiring=together.wiring if together else None,
        at_goal=together.at_goal if together else None,
        at_end=together.at_end if together else None,
        questions=limits.questions,
    )  # fmt: skip


def _trial(seen: Observed, start: Start, limits: Limits, log: Path) -> Trial:
    profile, result = seen.profile, seen.result
    outcome, reason, cause = judge(seen)
    return Trial(
        profile=profile.name, platform=profile.platform, title=profile.title, started=True,
        outcome=outcome, reason=reason, nearest=profile.nearest, cause=cause,
        foretold=seen.foretold, agrees=agrees(seen, cause), notes=notes(seen, cause),
        seconds=result.seconds, milestones=result.milestones, accelerator=limits.accelerator,
        memory=start.memory, inside=seen.inside, heard=result.heard,
        log=file_ref(log), screenshots=result.screenshots,
        probes=result.asked.probes, agent=result.asked.agent,
        agent_port=limits.questions.needs_agent,
    )  # fmt: skip
