"""One profile tried: a guest booted on its hardware, or judged where there is none, and what was seen."""

from __future__ import annotations

import enum
import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from kensho.model.errors import KenshoError
from kensho.proof.causes.hardware import NOT_KNOWN, hardware_fault, lacking
from kensho.proof.causes.likely import Cause, likely_cause, not_started, stop_screen, unreadable
from kensho.proof.causes.static import Foretold
from kensho.proof.causes.unanswered import STAYS_ON, not_done, probe_failure
from kensho.proof.inside.read import Inside, read_report
from kensho.proof.private import without_folders
from kensho.proof.probes import ProbeResult
from kensho.proof.profiles.base import Profile
from kensho.proof.qemu.bounds import Stop
from kensho.proof.qemu.devices import Drive, machine_of
from kensho.proof.watch.agent import AgentSeen
from kensho.proof.watch.asking import Questions
from kensho.proof.watch.boot import boot_machine
from kensho.proof.watch.capture import Heard
from kensho.proof.watch.observe import Screenshot, Wiring
from kensho.proof.watch.result import Verdict, Watch
from kensho.proof.watch.screen import Look
from kensho.proof.watch.serial import LOGIN, REPORT, SERVICE

#: How a system looks that comes up and says nothing of it: Windows has no login on a serial port.
_SILENT, _SILENT_SYSTEMS = {"KF-967", "KF-970"}, {"windows", "bsd"}


class Outcome(enum.StrEnum):
    """What a trial showed."""

    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    UNKNOWN = "unknown"


class FileRef(msgspec.Struct, frozen=True):
    """A file of the evidence: its name in the folder, SHA-256, and bytes."""

    name: str
    sha256: str
    size: int


class Trial(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A profile and what it showed. ``started`` is False for a static verdict.

    ``agrees`` tells whether the static verdict said of the disk what the boot showed; None where one
    of them said nothing. ``root`` and ``adapters`` are drivers that the guest itself reported.

    Of machines that were started together each has a trial of its own: ``machine`` is its id, empty
    for one alone, ``folder`` that of its files within the profile's, ``began`` the seconds from the
    start of the first one to its own, ``met`` the machines it exchanged packets with.

    ``memory`` is the bytes that a guest which was started had.

    ``probes`` and ``agent`` are what a guest that came up answered, ``agent_port`` whether it had a port
    for an agent; ``notes`` what it did not do although it was asked, which is no failure.
    """

    profile: str
    platform: str
    title: str
    started: bool
    outcome: Outcome
    reason: str
    nearest: str = ""
    cause: Cause | None = None
    foretold: Foretold = Foretold()
    agrees: bool | None = None
    seconds: float = 0
    milestones: dict[str, float] = {}
    accelerator: str = ""
    memory: int = 0
    inside: Inside | None = None
    heard: tuple[Heard, ...] = ()
    log: FileRef | None = None
    screenshots: tuple[Screenshot, ...] = ()
    machine: str = ""
    folder: str = ""
    began: float = 0
    met: tuple[str, ...] = ()
    probes: tuple[ProbeResult, ...] = ()
    agent: AgentSeen | None = None
    agent_port: bool = False
    notes: tuple[Cause, ...] = ()

    @property
    def place(self) -> str:
        """The folder of its files, below that of the evidence, with slashes."""
        return f"{self.profile}/{self.folder}" if self.folder else self.profile

    @property
    def came_up(self) -> bool:
        """Whether a guest that was started came up, whatever became of it then."""
        return self.started and not {LOGIN, REPORT, SERVICE}.isdisjoint(self.milestones)

    @property
    def undriven(self) -> bool:
        """Whether it came up, and by which drivers is not known."""
        return self.cause is not None and self.cause.code == NOT_KNOWN

    @property
    def how(self) -> str:
        """``booted``, ``static``, or ``not started`` for what could not be tried here."""
        if self.started:
            return "booted"
        lost = self.outcome is Outcome.UNKNOWN and self.cause is not None
        return "not started" if lost else "static"

    @property
    def name(self) -> str:
        """The profile, and the machine where there are several."""
        return f"{self.profile}: {self.machine}" if self.machine else self.profile


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How a guest is run: ``memory`` in bytes, ``timeout`` and ``power_off`` in seconds.

    One that does not shut down when it is asked fails where it ``must_power_off``.
    """

    memory: int
    timeout: float
    cpus: int = 1
    power_off: float = 0
    must_power_off: bool = False
    questions: Questions = Questions()
    restarts: int = 1
    accelerator: str = "tcg"


@dataclass(frozen=True, slots=True)
class Together:
    """A guest among others: what its adapters are connected to, and what waits for the others.

    ``at_goal`` is called when it came up, ``at_end`` when all was asked of it; see `Watch`.
    """

    wiring: Wiring
    at_goal: Callable[[], None]
    at_end: Callable[[], None]


def judge_only(profile: Profile, foretold: Foretold) -> Trial:
    """Return the trial of a profile that QEMU has no hardware for."""
    told = (foretold.disk, foretold.adapter)
    outcome = Outcome.PASS if all(told) else Outcome.FAIL if False in told else Outcome.UNKNOWN
    reason = f"told from the guest's files alone: {profile.static}"
    if outcome is Outcome.UNKNOWN:
        parts = [
            word
            for word, is_known in zip(("disk", "adapter"), told, strict=True)
            if is_known is None
        ]
        reason += f"; nothing is known of its driver for the {' and '.join(parts)}"
    return Trial(
        profile=profile.name, platform=profile.platform, title=profile.title, started=False,
        outcome=outcome, reason=reason, nearest=profile.nearest, foretold=foretold,
        cause=lacking(foretold, profile) if outcome is Outcome.FAIL else None,
    )  # fmt: skip


def judge_unstarted(profile: Profile, foretold: Foretold, error: Exception) -> Trial:
    """Return the trial of a profile that could not be started here, as ``error`` says why."""
    reason = without_folders(str(error))
    remedy = without_folders(error.hint) if isinstance(error, KenshoError) else ""
    return Trial(
        profile=profile.name, platform=profile.platform, title=profile.title, started=False,
        outcome=Outcome.UNKNOWN, reason=f"not started: {reason}", nearest=profile.nearest,
        foretold=foretold, cause=not_started(reason, remedy),
    )  # fmt: skip


def unproven(trials: Sequence[Trial]) -> bool:
    """Tell whether something failed, was to be started and did not show that it comes up, or nothing passed."""
    return not any(t.outcome is Outcome.PASS for t in trials) or any(
        t.outcome is Outcome.FAIL or (t.outcome is Outcome.UNKNOWN and t.how != "static")
        for t in trials
    )


def try_out(
    profile: Profile,
    drives: Sequence[Drive],
    macs: Sequence[str],
    folder: Path,
    limits: Limits,
    foretold: Foretold,
    *,
    reports: bool,
    on_event: Callable[[str], None],
    stopped: Callable[[], bool],
    together: Together | None = None,
) -> Trial:
    """Boot a guest on a profile; logs and pictures go to ``folder``.

    ``together`` is for a guest that runs at the same time as others.
    ``stopped`` tells that nobody waits for it any more. With ``reports``, the boot is over when the guest
    has said what it started from, else at its login. A Windows or a BSD without a login on its serial port
    is neither passed nor failed.
    """
    machine = machine_of(profile, drives, macs=macs, memory=limits.memory, cpus=limits.cpus)
    log = folder / "serial.log"
    watch = Watch(
        folder=folder, goal=REPORT if reports else LOGIN, windows=foretold.system == "windows", restarts=limits.restarts,
        power_off=limits.power_off, accelerator=limits.accelerator, stopped=stopped,
        wiring=together.wiring if together else None,
        at_goal=together.at_goal if together else None,
        at_end=together.at_end if together else None,
        questions=limits.questions,
    )  # fmt: skip
    result = boot_machine(machine, log=log, timeout=limits.timeout, on_event=on_event, watch=watch)
    said = log.read_text("utf-8", "replace")
    inside = read_report(said)
    up = result.verdict is Verdict.LOGIN or (
        result.verdict is Verdict.TIMEOUT and not {LOGIN, SERVICE}.isdisjoint(result.milestones)
    )
    cause = None if up else likely_cause(
        result, said, driver=foretold.disk, controller=profile.controller.value
    )  # fmt: skip
    outcome, reason = (Outcome.PASS if up else Outcome.FAIL), result.reason
    if up and result.verdict is Verdict.TIMEOUT and SERVICE in result.milestones:
        reason = "its probes are answered"
    lost = [place for drive in drives if drive.faults is not None for place in drive.faults.seen]
    if cause is not None and result.stop in {Stop.ROOM, Stop.QEMU}:
        outcome = Outcome.UNKNOWN
    elif cause is not None and lost:
        cause = unreadable(lost[0])
    elif cause is not None and cause.code in _SILENT and foretold.system in _SILENT_SYSTEMS:
        outcome, cause = Outcome.UNKNOWN, None
        reason = (
            f"that it came up cannot be told without a probe, only seen in the pictures; {reason}"
        )
        if Look.DARK in (shot.look for shot in result.screenshots[-1:]):
            controller = profile.controller.value
            cause = stop_screen(
                "its last picture looks like Windows 11's black stop screen", controller
            )
    if cause is not None and result.verdict is Verdict.FAILED and result.stop is None:
        reason = f"{cause.what}: {cause.evidence}"  # of what it said, the line that tells most
    if up and (reports or inside is not None):
        wrong = hardware_fault(profile, result, inside, macs)
        if wrong is not None:
            outcome = Outcome.UNKNOWN if wrong.code == NOT_KNOWN else Outcome.FAIL
            reason, cause = wrong.what, wrong
    if result.lost:
        cause = Cause("KF-981", "it came up, and did not stay up until all was asked",
                      "the end of its log may say why", result.lost)  # fmt: skip
        outcome, reason = Outcome.FAIL, f"{cause.what}: {result.lost}"
    undone = (
        not_done(result, power_off=limits.power_off > 0, agent=limits.questions.agent) if up else ()
    )
    if up and outcome is not Outcome.FAIL:
        stays = next((note for note in undone if note.code == STAYS_ON), None)
        lack = probe_failure(result, inside, anywhere=together is not None) or (
            stays if limits.must_power_off else None
        )
        if lack is not None:
            outcome, reason, cause = Outcome.FAIL, lack.what, lack
    return Trial(
        profile=profile.name, platform=profile.platform, title=profile.title, started=True,
        outcome=outcome, reason=reason, nearest=profile.nearest, cause=cause, foretold=foretold,
        agrees=None if foretold.disk is None else _agrees(foretold, up=up, cause=cause),
        seconds=result.seconds, milestones=result.milestones, accelerator=limits.accelerator,
        memory=limits.memory, inside=inside, heard=result.heard, log=file_ref(log), screenshots=result.screenshots,
        probes=result.asked.probes, agent=result.asked.agent,
        agent_port=limits.questions.needs_agent, notes=tuple(n for n in undone if n != cause),
    )  # fmt: skip


def _agrees(foretold: Foretold, *, up: bool, cause: Cause | None) -> bool | None:
    """Tell whether the boot showed of the disk what was told; None when it failed by something else."""
    if up:
        return foretold.disk is True
    if cause is not None and cause.code == "KF-960":
        return foretold.disk is False
    return None


def file_ref(path: Path) -> FileRef:
    """Return the name, digest and size of a file, read once."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return FileRef(path.name, digest, os.fstat(file.fileno()).st_size)
