"""What a start that was watched shows: passed, failed or not known, by rules in their order.

Nothing is run or read here. Of each list the first rule that applies is the judgement; a rule that does not
apply returns None.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from kensho.proof.causes.hardware import NOT_KNOWN, hardware_fault
from kensho.proof.causes.likely import Cause, likely_cause, stop_screen, unreadable
from kensho.proof.causes.static import Foretold
from kensho.proof.causes.unanswered import STAYS_ON, not_done, probe_failure
from kensho.proof.inside.read import Inside
from kensho.proof.profiles.base import Profile
from kensho.proof.qemu.bounds import Stop
from kensho.proof.trial import Outcome
from kensho.proof.watch.result import BootResult, Verdict
from kensho.proof.watch.screen import Look
from kensho.proof.watch.serial import LOGIN, SERVICE

#: How a system looks that comes up and says nothing of it: Windows has no login on a serial port.
_SILENT, _SILENT_SYSTEMS = {"KF-967", "KF-970"}, {"windows", "bsd"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """A start on ``profile`` and what it showed: ``said`` on the serial port, ``inside`` in its report.

    ``foretold`` is of its files, ``macs`` are its adapters', ``unreadable`` the reads of its disks that
    failed, in words. What was asked of it: ``reports`` to say what it started from, ``agent`` to answer as
    one, ``power_off`` to shut down, which it ``must`` or fails. ``anywhere`` tells that probes reach any
    address, not those of QEMU's own network alone.
    """

    profile: Profile
    result: BootResult
    said: str
    inside: Inside | None
    foretold: Foretold
    macs: Sequence[str] = ()
    unreadable: tuple[str, ...] = ()
    reports: bool = False
    agent: bool = False
    power_off: bool = False
    must_power_off: bool = False
    anywhere: bool = False

    @property
    def came_up(self) -> bool:
        """Whether it came up, in time or, without the report that was awaited, at its end."""
        if self.result.verdict is Verdict.TIMEOUT:
            return not {LOGIN, SERVICE}.isdisjoint(self.result.milestones)
        return self.result.verdict is Verdict.LOGIN

    @property
    def not_done(self) -> tuple[Cause, ...]:
        """What a guest that came up did not do although it was asked, beside its probes."""
        return not_done(self.result, power_off=self.power_off, agent=self.agent)


class Judgement(NamedTuple):
    """The outcome in a word and in a sentence, and its cause where it is not a plain pass."""

    outcome: Outcome
    reason: str
    cause: Cause | None = None


def judge(seen: Observed) -> Judgement:
    """Return what a start showed."""
    if seen.came_up:
        rulings = (rule(seen) for rule in _OF_ONE_THAT_CAME_UP)
    else:
        cause = _why(seen)
        rulings = (rule(seen, cause) for rule in _OF_ONE_THAT_DID_NOT)
    return next(found for found in rulings if found is not None)


def notes(seen: Observed, cause: Cause | None) -> tuple[Cause, ...]:
    """Return what it did not do although it was asked, and what is no failure: it is not the ``cause``."""
    return tuple(note for note in seen.not_done if note != cause) if seen.came_up else ()


def agrees(seen: Observed, cause: Cause | None) -> bool | None:
    """Tell whether it showed of the disk what was foretold; None when that is not known."""
    if seen.foretold.disk is None:
        return None
    if seen.came_up:
        return seen.foretold.disk
    # One that failed by something else shows nothing of its disk.
    return not seen.foretold.disk if cause is not None and cause.code == "KF-960" else None


def _why(seen: Observed) -> Cause:
    controller = seen.profile.controller.value
    return likely_cause(seen.result, seen.said, driver=seen.foretold.disk, controller=controller)


def _ended_later(seen: Observed) -> Judgement | None:
    if not seen.result.lost:
        return None
    cause = Cause("KF-981", "it came up, and did not stay up until all was asked",
                  "the end of its log may say why", seen.result.lost)  # fmt: skip
    return Judgement(Outcome.FAIL, _line(cause), cause)


def _on_other_hardware(seen: Observed) -> Judgement | None:
    fault = _hardware_fault(seen)
    if fault is None or fault.code == NOT_KNOWN:
        return None
    return Judgement(Outcome.FAIL, fault.what, fault)


def _leaves_probes_unanswered(seen: Observed) -> Judgement | None:
    cause = probe_failure(seen.result, seen.inside, anywhere=seen.anywhere)
    return None if cause is None else Judgement(Outcome.FAIL, cause.what, cause)


def _stays_on(seen: Observed) -> Judgement | None:
    stays = [note for note in seen.not_done if note.code == STAYS_ON]
    if not stays or not seen.must_power_off:
        return None
    return Judgement(Outcome.FAIL, stays[0].what, stays[0])


def _on_hardware_not_known(seen: Observed) -> Judgement | None:
    fault = _hardware_fault(seen)
    return None if fault is None else Judgement(Outcome.UNKNOWN, fault.what, fault)


def _passes(seen: Observed) -> Judgement:
    if seen.result.verdict is Verdict.TIMEOUT and SERVICE in seen.result.milestones:
        return Judgement(Outcome.PASS, "its probes are answered")
    return Judgement(Outcome.PASS, seen.result.reason)


def _hardware_fault(seen: Observed) -> Cause | None:
    if not seen.reports and seen.inside is None:
        return None
    return hardware_fault(seen.profile, seen.result, seen.inside, seen.macs)


def _had_no_chance(seen: Observed, cause: Cause) -> Judgement | None:
    """QEMU, or the room for what is written here, is no fault of the guest."""
    if seen.result.stop not in {Stop.ROOM, Stop.QEMU}:
        return None
    return Judgement(Outcome.UNKNOWN, seen.result.reason, cause)


def _could_not_be_read(seen: Observed, _: Cause) -> Judgement | None:
    if not seen.unreadable:
        return None
    cause = unreadable(seen.unreadable[0])
    return Judgement(Outcome.FAIL, _reason(seen, cause), cause)


def _says_nothing_when_up(seen: Observed, cause: Cause) -> Judgement | None:
    if cause.code not in _SILENT or seen.foretold.system not in _SILENT_SYSTEMS:
        return None
    shown, found = seen.result.screenshots[-1:], None
    if Look.DARK in (shot.look for shot in shown):
        what = "its last picture looks like Windows 11's black stop screen"
        found = stop_screen(what, seen.profile.controller.value)
    reason = "that it came up cannot be told without a probe, only seen in the pictures"
    return Judgement(Outcome.UNKNOWN, f"{reason}; {seen.result.reason}", found)


def _failed(seen: Observed, cause: Cause) -> Judgement:
    return Judgement(Outcome.FAIL, _reason(seen, cause), cause)


def _reason(seen: Observed, cause: Cause) -> str:
    """Of a guest that said that it cannot go on, the line that tells most; else how its run ended."""
    said_so = seen.result.verdict is Verdict.FAILED and seen.result.stop is None
    return _line(cause) if said_so else seen.result.reason


def _line(cause: Cause) -> str:
    return f"{cause.what}: {cause.evidence}" if cause.evidence else cause.what


_OF_ONE_THAT_CAME_UP: tuple[Callable[[Observed], Judgement | None], ...] = (
    _ended_later,
    _on_other_hardware,
    _leaves_probes_unanswered,
    _stays_on,
    _on_hardware_not_known,
    _passes,
)
_OF_ONE_THAT_DID_NOT: tuple[Callable[[Observed, Cause], Judgement | None], ...] = (
    _had_no_chance,
    _could_not_be_read,
    _says_nothing_when_up,
    _failed,
)
