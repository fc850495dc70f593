"""A profile and what it showed: of a guest that was booted on its hardware, or judged where there is none."""

from __future__ import annotations

import enum
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from kensho.model.errors import KenshoError
from kensho.proof.causes.hardware import NOT_KNOWN, lacking
from kensho.proof.causes.likely import Cause, not_started
from kensho.proof.causes.static import Foretold
from kensho.proof.inside.read import Inside
from kensho.proof.private import without_folders
from kensho.proof.probes import ProbeResult
from kensho.proof.profiles.base import Profile
from kensho.proof.qemu.agent import AgentSeen
from kensho.proof.watch.capture import Heard
from kensho.proof.watch.pictures import Screenshot
from kensho.proof.watch.serial import LOGIN, REPORT, SERVICE


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


def file_ref(path: Path) -> FileRef:
    """Return the name, digest and size of a file, read once."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return FileRef(path.name, digest, os.fstat(file.fileno()).st_size)
