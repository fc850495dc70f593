"""What a check of evidence means, in sentences: what was proven, and what was not."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from kensho.proof.evidence.place import STATEMENT
from kensho.proof.evidence.portability import Portability, earlier_words
from kensho.proof.trial import Outcome
from kensho.proof.watch.serial import SHUTDOWN

if TYPE_CHECKING:
    from kensho.proof.evidence.check import Checked
    from kensho.proof.evidence.signed import SignedBy

_MOST = 500


def said_of(
    evidence: Portability, signed: SignedBy, files: Sequence[Checked], disks: Sequence[Checked]
) -> Iterator[str]:
    """Yield lines for people; words of the statement are made fit for a terminal."""
    return (plain(line) for line in _lines(evidence, signed, files, disks))


def plain(text: str) -> str:
    """Return text without what a terminal would take for commands, and not without end."""
    clean = "".join(c if c.isprintable() else " " for c in text[: _MOST + 1])
    return clean if len(clean) <= _MOST else clean[:_MOST] + "…"


def _lines(
    evidence: Portability, signed: SignedBy, files: Sequence[Checked], disks: Sequence[Checked]
) -> Iterator[str]:
    yield f"kensho {evidence.kensho} stated on {evidence.made}, of {evidence.source}:"
    yield from _outcomes(evidence)
    yield from _answers(evidence)
    if evidence.earlier:
        yield earlier_words(evidence)
    if evidence.changes:
        yield f"{len(evidence.changes)} files of the guest were changed for {', '.join(evidence.targets)}"
    blocked = [plan.target for plan in evidence.foreseen if plan.blocked]
    if blocked:
        yield f"could not be converted as it is, by its plan, to {', '.join(blocked)}"
    if evidence.accepted_eulas:
        yield f"{len(evidence.accepted_eulas)} licence agreements were accepted, to start it"
    yield _who(signed)
    yield from _of_signer(evidence, signed)
    for words, state in (
        ("changed since it was signed", "mismatch"), ("not there", "absent"),
        ("lies there, and nobody vouches for it", "not vouched for"),
    ):  # fmt: skip
        own = STATEMENT if state == "not vouched for" else ""  # of which `_who` tells
        names = [part.name for part in files if part.state == state and part.name != own]
        if names:
            yield f"{words}: {', '.join(names[:20])}{' …' if len(names) > 20 else ''}"
    yield from _of_disks(disks)
    for words in evidence.untested:
        yield f"not proven: {words}"


def _outcomes(evidence: Portability) -> Iterator[str]:
    for outcome, words in (
        (Outcome.PASS, "came up on"), (Outcome.FAIL, "did not come up on"),
        (Outcome.UNKNOWN, "nothing is known of"),
    ):  # fmt: skip
        started = [t for t in evidence.trials if t.outcome is outcome and t.started]
        failed = [t.name for t in started if outcome is Outcome.FAIL and t.came_up]
        undriven = [t.name for t in started if t.undriven]
        names = [t.name for t in started if t.name not in (*failed, *undriven)]
        if names:
            yield f"{words} {', '.join(names)}"
        if failed:
            yield f"came up, and did not do what is asked of it, on {', '.join(failed)}"
        if undriven:
            yield f"came up, and by which drivers is not known, on {', '.join(undriven)}"
        told = [t.name for t in evidence.trials if t.outcome is outcome and t.how == "static"]
        if told:
            judged = {
                Outcome.PASS: "has the drivers for", Outcome.FAIL: "lacks a driver for",
                Outcome.UNKNOWN: "nothing is known of",
            }  # fmt: skip
            yield f"{judged[outcome]} {', '.join(told)}, as its files tell: it was not started there"
    lost = [t.name for t in evidence.trials if t.how == "not started"]
    if lost:
        yield f"could not be started here, so that nothing was shown: {', '.join(lost)}"


def _answers(evidence: Portability) -> Iterator[str]:
    for ok, words in ((True, "answered"), (False, "was not answered")):
        where: dict[str, list[str]] = {}
        for trial in evidence.trials:
            for probe in trial.probes:
                if probe.ok is ok:
                    where.setdefault(probe.name, []).append(trial.name)
        for name, trials in where.items():
            yield f"probe {name} {words} on {', '.join(trials)}"
    ended = [t.name for t in evidence.trials if SHUTDOWN in t.milestones]
    if ended:
        yield f"shut down when asked by ACPI on {', '.join(ended)}"


def _who(signed: SignedBy) -> str:
    match signed.state:
        case "absent" if signed.wrong:
            return "its signature was taken away: who says this is not known"
        case "absent":
            return "nobody signed this: it shows nothing to those who do not know where it is from"
        case "unknown":
            return "signed, and not checked by whom: --public-key FILE tells whose it is"
        case "invalid":
            return "its signature does not hold"
    if signed.chain is None or (signed.trusted and signed.chain.state != "trusted"):
        return "signed with the key that was given"
    name = signed.chain.certificates[0].subject
    if signed.trusted:
        return f"signed by {name}, whose certificate leads to a trusted one"
    if signed.chain.state != "trusted":
        return (
            f"signed by somebody who calls himself {name}, as anybody can: the certificate leads to nobody"
            f" who is trusted ({signed.chain.state})"
        )
    if signed.dates is not None and signed.dates.state != "valid":
        return f"signed by {name}, whose certificates were {signed.dates.state} on {signed.dates.at[:10]}"
    return f"signed by {name}, whose certificate leads to a trusted one, and changed since"


def _of_signer(evidence: Portability, signed: SignedBy) -> Iterator[str]:
    """Yield what is odd about whoever signed."""
    if signed.purpose:
        yield f"{signed.purpose}; believed all the same"
    if signed.others:
        yield f"{signed.others} more signatures are in it, which were not looked at"
    if signed.chain is None or signed.state != "valid":
        return
    own = signed.chain.certificates[0]
    try:
        made = dt.datetime.fromisoformat(evidence.made)
        span = [dt.datetime.fromisoformat(day) for day in (own.not_before, own.not_after)]
        outside = not span[0] <= made <= span[1]
    except (ValueError, TypeError):  # no time, or one without a zone
        yield f"it says to be made on {evidence.made!r}, which is no time"
        return
    if outside:
        yield f"it says to be made on {evidence.made}, when the signer's certificate was not valid"


def _of_disks(disks: Sequence[Checked]) -> Iterator[str]:
    there = [part.name for part in disks if part.state == "ok"]
    if there:
        yield f"the disk that was proven, byte for byte as a guest reads it: {', '.join(there)}"
    for part in disks:
        if part.state == "mismatch":
            yield f"not the disk that was proven: {part.name}{f' ({part.why})' if part.why else ''}"
    absent = [part.name for part in disks if part.state == "absent"]
    if absent:
        yield f"not proven: that any disk here is the one that was started ({', '.join(absent)})"
    for part in disks:
        if part.state == "not vouched for":
            yield f"not proven: anything of the disk {part.name}, of which the statement says nothing"
