"""What a start shows: each rule, and which one wins where several apply."""

from __future__ import annotations

import pytest

from kensho.proof.causes.static import Foretold
from kensho.proof.inside.read import Inside, NicSeen
from kensho.proof.judge import Observed, agrees, judge, notes
from kensho.proof.probes import ProbeResult
from kensho.proof.profiles import profile
from kensho.proof.qemu.bounds import Stop
from kensho.proof.trial import Outcome
from kensho.proof.watch.asking import Asked
from kensho.proof.watch.capture import Heard
from kensho.proof.watch.pictures import Screenshot
from kensho.proof.watch.result import BootResult, Verdict
from kensho.proof.watch.screen import Look

MAC = "52:54:00:12:34:56"
LEASED = Heard(MAC, 9, asked=True, lease="10.0.2.15", addresses=("10.0.2.15",))
SHUT = ProbeResult("tcp:80", ok=False, seen="closed", seconds=1)
ANSWERED = ProbeResult("tcp:80", ok=True, seen="connected", seconds=1)
NO_ROOT = "ALERT!  UUID=1 does not exist.  Dropping to a shell!"
WINDOWS, BSD = Foretold("10", True, system="windows"), Foretold("14", True, True, system="bsd")
HERE = Inside("6.1", "bios", "/dev/sda1", ("sd", "vmw_pvscsi"),
              (NicSeen("eth0", ("vmxnet3",), MAC, "up"),))  # fmt: skip
ELSEWHERE = Inside("6.1", "bios", "/dev/sda1", ("sd", "ahci"), HERE.nics)
UNTOLD = Inside("6.1", "bios", "zroot", (), HERE.nics)


def result(verdict: Verdict, *milestones: str, reason: str = "why", stop: Stop | None = None,
           lost: str = "", looks: tuple[Look, ...] = (), probes: tuple[ProbeResult, ...] = (),
           silence: str = "") -> BootResult:  # fmt: skip
    return BootResult(
        verdict=verdict, reason=reason, seconds=9, milestones=dict.fromkeys(milestones, 1.0),
        log="", heard=(LEASED,), stop=stop, lost=lost, asked=Asked(probes=probes, silence=silence),
        screenshots=tuple(Screenshot("a.png", "0", 1, "end", look) for look in looks),
    )  # fmt: skip


def seen(result: BootResult, inside: Inside | None = None, *, said: str = "",
         foretold: Foretold = Foretold("6.1", True, True, system="linux"),  # noqa: B008 - frozen
         unreadable: tuple[str, ...] = (), **asked: bool) -> Observed:  # fmt: skip
    return Observed(
        profile=profile("vmware-pvscsi"), result=result, said=said, inside=inside,
        foretold=foretold, macs=[MAC], unreadable=unreadable, **asked,
    )  # fmt: skip


UP = result(Verdict.LOGIN, "kernel", "login", "shutdown")
ON = result(Verdict.LOGIN, "kernel", "login")
LOST = result(Verdict.LOGIN, "kernel", "login", "shutdown", lost="it ended")
REFUSED = result(Verdict.LOGIN, "kernel", "login", probes=(ANSWERED, SHUT))
LATE = result(Verdict.TIMEOUT, "kernel")
SAID = result(Verdict.FAILED, "kernel", reason=NO_ROOT)
SILENT = result(Verdict.TIMEOUT)


@pytest.mark.parametrize(
    ("given", "outcome", "code", "reason"),
    [
        # one that came up
        (seen(UP, HERE, reports=True), "pass", "", "why"),
        (seen(UP), "pass", "", "why"),
        (seen(UP, said=NO_ROOT), "pass", "", "why"),  # of what it said before it came up
        (seen(result(Verdict.TIMEOUT, "login")), "pass", "", "why"),
        (seen(result(Verdict.TIMEOUT, "service")), "pass", "", "its probes are answered"),
        (seen(LOST, ELSEWHERE), "fail", "KF-981", "it came up, and did not stay up until all was asked: it ended"),
        (seen(UP, ELSEWHERE), "fail", "KF-972", "the root is driven by sd, ahci"),
        (seen(UP, reports=True), "unknown", "KF-978", "it asks for a login, and did not report which drivers its root and adapter are on"),
        (seen(UP, UNTOLD), "unknown", "KF-978", "it came up, and what drives its root is not known: zroot"),
        (seen(REFUSED, HERE), "fail", "KF-974", "it came up, and does not answer tcp:80: closed"),
        (seen(ON, HERE, power_off=True), "pass", "", "why"),
        (seen(ON, HERE, power_off=True, must_power_off=True), "fail", "KF-975", "it does not shut down when asked by ACPI"),
        (seen(UP, HERE, power_off=True, must_power_off=True), "pass", "", "why"),
        # of several that apply, the first
        (seen(REFUSED, ELSEWHERE, power_off=True, must_power_off=True), "fail", "KF-972", "the root is driven by sd, ahci"),
        (seen(REFUSED, UNTOLD, power_off=True, must_power_off=True), "fail", "KF-974", "it came up, and does not answer tcp:80: closed"),
        (seen(ON, UNTOLD, power_off=True, must_power_off=True), "fail", "KF-975", "it does not shut down when asked by ACPI"),
        # what could not be read of its disks did not keep it from coming up
        (seen(UP, HERE, unreadable=("disk 1 at 0: x",)), "pass", "", "why"),
        # one that did not
        (seen(LATE), "fail", "KF-970", "why"),
        (seen(SAID, said=NO_ROOT), "fail", "KF-961", f"the root was not found, though its disk is driven: {NO_ROOT}"),
        (seen(result(Verdict.EXITED, stop=Stop.QEMU)), "unknown", "KF-994", "why"),
        (seen(result(Verdict.FAILED, stop=Stop.ROOM), unreadable=("x",)), "unknown", "KF-994", "why"),
        (seen(result(Verdict.FAILED, stop=Stop.SERIAL)), "fail", "KF-993", "why"),
        (seen(LATE, unreadable=("disk 1 at 0: x", "y")), "fail", "KF-995", "why"),
        (seen(SAID, said=NO_ROOT, unreadable=("disk 1 at 0: x",)), "fail", "KF-995", "the image could not be read: disk 1 at 0: x"),
        (seen(SILENT), "fail", "KF-967", "why"),
        (seen(SILENT, foretold=WINDOWS, unreadable=("x",)), "fail", "KF-995", "why"),
        (seen(SILENT, foretold=BSD), "unknown", "", "that it came up cannot be told without a probe, only seen in the pictures; why"),
        (seen(LATE, foretold=WINDOWS), "unknown", "", "that it came up cannot be told without a probe, only seen in the pictures; why"),
        (seen(result(Verdict.TIMEOUT, looks=(Look.DARK,)), foretold=WINDOWS), "unknown", "KF-971",
         "that it came up cannot be told without a probe, only seen in the pictures; why"),
        (seen(result(Verdict.TIMEOUT, looks=(Look.DARK, Look.BLANK)), foretold=WINDOWS), "unknown", "",
         "that it came up cannot be told without a probe, only seen in the pictures; why"),
        (seen(result(Verdict.TIMEOUT, looks=(Look.STOPPED,)), foretold=WINDOWS), "fail", "KF-971", "why"),
    ],
)  # fmt: skip
def test_the_first_rule_that_applies(given: Observed, outcome: str, code: str, reason: str) -> None:
    judged = judge(given)
    assert judged.outcome is Outcome(outcome)
    assert (judged.cause.code if judged.cause else "") == code
    assert judged.reason == reason


def test_what_was_not_done_is_a_note_where_it_is_not_the_cause() -> None:
    mute = result(Verdict.LOGIN, "login", silence="its agent does not answer")
    for must, codes in ((False, ["KF-977", "KF-975"]), (True, ["KF-977"])):
        given = seen(mute, HERE, agent=True, power_off=True, must_power_off=must)
        assert [note.code for note in notes(given, judge(given).cause)] == codes
    down = seen(LATE, agent=True, power_off=True)
    assert notes(down, judge(down).cause) == ()


@pytest.mark.parametrize(
    ("disk", "given", "expected"),
    [
        (True, UP, True),
        (False, UP, False),
        (None, UP, None),
        (True, LATE, None),  # it failed, by something else
        (False, SAID, True),
        (True, SAID, None),
        (None, SAID, None),
    ],
)
def test_whether_it_showed_what_was_foretold(
    disk: bool | None, given: BootResult, expected: bool | None
) -> None:
    told = seen(given, said=given.reason, foretold=Foretold("6.1", disk, system="linux"))
    assert agrees(told, judge(told).cause) is expected
