"""What becomes of a guest that came up and does not do what it is asked."""

from __future__ import annotations

import pytest

from kensho.proof.causes.unanswered import not_done, probe_failure
from kensho.proof.inside.read import Inside, NicSeen
from kensho.proof.probes import ProbeResult
from kensho.proof.probes.run import NO_WAY
from kensho.proof.watch.asking import Asked
from kensho.proof.watch.capture import Heard
from kensho.proof.watch.result import BootResult, Verdict

GOOD = ProbeResult("ssh:22", ok=True, seen="SSH-2.0-x", seconds=1)
SHUT = ProbeResult("tcp:80", ok=False, seen="the connection is closed at once", seconds=60)
INSIDE = ProbeResult("agent:false", ok=False, seen="exit code 1", seconds=60)
HERE = Heard("52:54:00:00:00:01", 9, asked=True, lease="10.0.2.15", addresses=("10.0.2.15",))
ELSEWHERE = Heard("52:54:00:00:00:01", 9, asked=False, lease="", addresses=("192.168.1.5",))
WITHOUT = Heard("52:54:00:00:00:01", 9, asked=True, lease="", addresses=())


def result(*probes: ProbeResult, heard: tuple[Heard, ...] = (HERE,), shutdown: bool = True,
           **asked: object) -> BootResult:  # fmt: skip
    milestones = {"login": 9.0} | ({"shutdown": 20.0} if shutdown else {})
    return BootResult(
        verdict=Verdict.LOGIN, reason="", seconds=9, milestones=milestones, log="", heard=heard,
        asked=Asked(probes=probes, **asked),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("told", "code", "words"),
    [
        (result(GOOD, SHUT), "KF-974", "does not answer tcp:80: the connection is closed"),
        (result(SHUT, heard=(ELSEWHERE,)), "KF-976", "it has 192.168.1.5"),
        (result(SHUT, heard=(WITHOUT,)), "KF-976", "asked for an address, and took none"),
        (result(SHUT, heard=()), "KF-976", "no address of its own was heard"),
        (result(SHUT, heard=(ELSEWHERE, HERE)), "KF-974", "tcp:80"),
        (result(INSIDE, heard=()), "KF-977", "its agent does not answer"),
        (result(INSIDE, silence="the guest's agent is gone"), "KF-977", "agent is gone"),
    ],
)
def test_causes(told: BootResult, code: str, words: str) -> None:
    cause = probe_failure(told, None, anywhere=False)
    assert cause is not None
    assert cause.code == code
    assert words in cause.what
    assert cause.remedy
    assert cause.evidence.startswith(next(p.name for p in told.asked.probes if not p.ok))


@pytest.mark.parametrize(
    ("address", "code", "words"),
    [
        ("192.168.9.9/24", "KF-976", "it has 192.168.9.9,"),
        ("10.0.2.15/24", "KF-974", "tcp:80"),
        ("", "KF-976", "no address of its own was heard"),
        ("no address", "KF-976", "no address of its own was heard"),
    ],
)
def test_one_that_says_nothing_on_its_network_reported_its_address(
    address: str, code: str, words: str
) -> None:
    nic = NicSeen("eth0", ("e1000",), "52:54:00:00:00:01", "up", address)
    inside = Inside("6.1", "bios", "/dev/sda1", ("ata_piix",), (nic,))
    cause = probe_failure(result(SHUT, heard=()), inside, anywhere=False)
    assert cause is not None
    assert cause.code == code
    assert words in cause.what


def test_nothing_failed() -> None:
    assert probe_failure(result(), None, anywhere=False) is None
    assert probe_failure(result(GOOD, heard=()), None, anywhere=False) is None


def test_where_probes_reach_any_address() -> None:
    cause = probe_failure(result(SHUT, heard=(ELSEWHERE,)), None, anywhere=True)
    assert cause is not None
    assert cause.code == "KF-974"


def test_a_machine_among_others_that_says_no_address_is_not_blamed_for_its_service() -> None:
    unled = ProbeResult("tcp:80", ok=False, seen=NO_WAY, seconds=0)
    cause = probe_failure(result(unled, GOOD, heard=()), None, anywhere=True)
    assert cause is not None
    assert cause.code == "KF-976"


def test_what_is_noted() -> None:
    quiet = result(shutdown=False, silence="the guest's agent does not answer")
    assert not_done(quiet, power_off=False, agent=False) == ()
    agent, stays = not_done(quiet, power_off=True, agent=True)
    assert (agent.code, stays.code) == ("KF-977", "KF-975")
    assert stays.what == "it does not shut down when asked by ACPI"
    assert not_done(result(), power_off=True, agent=True) == ()
    slow = result(shutdown=False, stopping="[  OK  ] Stopped target graphical.target")
    (stays,) = not_done(slow, power_off=True, agent=False)
    assert "does not end in time" in stays.what
    assert "graphical.target" in stays.evidence
