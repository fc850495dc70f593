"""Why a guest did not come up, and what would mend it: from what it said, and what was told before.

What a guest says is matched line by line on its serial port and its text screen (`last_words.py`); a root
that was not found is a driver that is not there in time, unless the static verdict says that it is: then
it is the name of the root.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from kensho.proof.qemu.bounds import Stop
from kensho.proof.watch.last_words import ROOT, ROWS, Words
from kensho.proof.watch.result import BootResult, Verdict
from kensho.proof.watch.screen import Look
from kensho.proof.watch.serial import LOGIN, plain

_MOST = 1 << 20  #: characters of a log that are looked at, from its begin and as many from its end
_LONGEST = 1000  #: characters of a line


class Cause(msgspec.Struct, frozen=True, omit_defaults=True):
    """A likely cause: ``code`` as in docs/findings.md, ``evidence`` the line that told it.

    ``mends`` is the code of the finding that told of it before any start, or of what is changed to mend
    it; empty where there is none.
    """

    code: str
    what: str
    remedy: str
    evidence: str = ""
    mends: str = ""


_ADAPT = "kensho adapt gives its initramfs the drivers"


def likely_cause(result: BootResult, said: str, *, driver: bool | None, controller: str) -> Cause:
    """Return why a guest did not come up, or did not stay up.

    ``said`` is the serial log; ``driver`` what the static verdict says of the boot disk's
    ``controller``, None when it says nothing.
    """
    if result.stop in _STOPS:
        code, what, remedy = _STOPS[result.stop]
        return Cause(code, what, remedy, result.reason)
    # Of one that came up, and ended then, earlier lines do not tell why.
    came_up = LOGIN in result.milestones
    lines = [result.reason] if came_up else [*_lines(said), *result.text, result.reason]
    for row in ROWS:
        found = None if row.before in result.milestones else _first(row, lines)
        if found is None:
            continue
        if row.code != ROOT:
            return Cause(row.code, row.what, row.remedy, found, row.mends)
        if driver is False:
            what = f"the root was not found: no driver for {controller} is there in time"
            return Cause("KF-960", what, _ADAPT, found, "KF-925")
        what = "the root was not found, though its disk is driven"
        if driver is None:
            what = "the root was not found"
        return Cause("KF-961", what, row.remedy, found, "KF-860")
    return _by_end(result, controller)


_STOPS: dict[Stop | None, tuple[str, str, str]] = {
    Stop.SERIAL: (
        "KF-993", "the guest floods its serial port, and was stopped",
        "the log's first lines show what it repeats",
    ),
    Stop.DISK: (
        "KF-993", "the guest writes to its disks without end, and was stopped",
        "what it writes is thrown away; more room where the evidence goes allows it more",
    ),
    Stop.ROOM: (
        "KF-994", "there is no room here for what a guest writes",
        "make room in the folder of the evidence, or name another one",
    ),
    Stop.QEMU: (
        "KF-994", "QEMU ended, not the guest",
        "its own words say why; another profile, or less --memory, may do",
    ),
}  # fmt: skip


def not_started(reason: str, remedy: str) -> Cause:
    """Return why a guest could not be tried here at all."""
    return Cause("KF-994", f"it could not be started here: {reason}", remedy or "see the reason")


def unreadable(where: str) -> Cause:
    """Return the cause of a failure after a read of the image that failed; ``where`` says which."""
    what = f"the image could not be read: {where}"
    return Cause(
        "KF-995", what, "fetch or copy the image again; kensho disk check looks at all of it"
    )


def stop_screen(what: str, controller: str) -> Cause:
    """Return the cause of a failure after what looks like Windows' stop screen."""
    return Cause(
        "KF-971", f"{what}: if its code is 7B, no driver for {controller} starts with it",
        "kensho adapt enables the drivers that Windows brings; others: --drivers", mends="KF-887",
    )  # fmt: skip


def _by_end(result: BootResult, controller: str) -> Cause:
    """Return what the way it ended tells, when nothing that was said does."""
    looks = [shot.look for shot in result.screenshots]
    shown = looks if result.stop is Stop.RESTARTS else looks[-1:]  # else it may have got past it
    if Look.STOPPED in shown or (Look.DARK in shown and result.stop is Stop.RESTARTS):
        return stop_screen("Windows' stop screen", controller)
    if result.stop is Stop.RESTARTS:
        return Cause(
            "KF-966", "the guest restarts", "the last lines of its log may say why", result.reason
        )
    if result.verdict is Verdict.EXITED:
        return Cause("KF-968", "the guest ended its machine", "see the reason", result.reason)
    if not result.milestones.keys() - {"firmware"}:
        return Cause(
            "KF-967", "the guest said nothing",
            "it may have no console on the serial port: kensho adapt adds one",
        )  # fmt: skip
    last = list(result.milestones)[-1]
    return Cause(
        "KF-970", f"the guest got as far as: {last}", "give it more time: --timeout", result.reason
    )


def _lines(said: str) -> list[str]:
    """Return the lines of a log that are looked at, printable and bounded."""
    if len(said) > 2 * _MOST:
        said = f"{said[:_MOST]}\n{said[-_MOST:]}"
    return [plain(line[:_LONGEST]) for line in said.splitlines()]


def _first(row: Words, lines: Sequence[str]) -> str | None:
    at = next((n for n, line in enumerate(lines) if row.pattern.search(line)), None)
    if at is None:
        return None
    before = lines[:at] if row.because is not None else ()
    told = next((line for line in before if row.because and row.because.search(line)), lines[at])
    return told.strip()[:200]
