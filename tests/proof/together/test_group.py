"""Who waits for whom when machines run together. What runs here are functions, not machines."""

from __future__ import annotations

import threading
from collections.abc import Callable

import msgspec
import pytest

from kensho.model.errors import ProofError
from kensho.proof.guests import Guest, Plug
from kensho.proof.together.group import Party, acquainted
from kensho.proof.together.order import Stage
from kensho.proof.trial import Outcome, Trial
from kensho.proof.watch.capture import Heard

Call = Callable[[], None]


def trial(name: str, *heard: Heard) -> Trial:
    return Trial(
        profile="p", platform="p", title="p", started=True, outcome=Outcome.PASS, reason="",
        machine=name, heard=heard,
    )  # fmt: skip


class Story:
    """What happened, in order; machines that are named come up, others end before."""

    def __init__(self, *ups: int) -> None:
        self.told: list[str] = []
        self._ups = ups

    def run(self, number: int, at_goal: Call, at_end: Call) -> Trial:
        self.told.append(f"start {number}")
        if number in self._ups:
            self.told.append(f"up {number}")
            at_goal()
            self.told.append(f"asked {number}")
            at_end()
        self.told.append(f"end {number}")
        return trial(str(number))


def never() -> bool:
    return False


def test_one_starts_when_those_before_it_are_up_and_all_are_asked_when_all_were_started() -> None:
    story = Story(0, 1)
    found = Party(2, story.run, never).go((Stage((1,)), Stage((0,))), 9)
    assert story.told[:4] == ["start 1", "up 1", "start 0", "up 0"]
    assert set(story.told[4:6]) == {"asked 0", "asked 1"}
    assert story.told[6:] == ["end 0", "end 1"]  # the other way round
    assert [one.machine for one in found] == ["0", "1"]


def test_one_that_does_not_come_up_holds_nobody_up() -> None:
    story = Story(1)
    Party(2, story.run, never).go((Stage((0,)), Stage((1,))), 9)
    assert story.told == ["start 0", "end 0", "start 1", "up 1", "asked 1", "end 1"]


def test_those_of_one_stage_start_at_once() -> None:
    both = threading.Barrier(2)

    def run(number: int, at_goal: Call, at_end: Call) -> Trial:
        both.wait(120)  # neither has come up before both were started
        at_goal()
        at_end()
        return trial(str(number))

    assert len(Party(2, run, never).go((Stage((0, 1)),), 9)) == 2


def test_a_delay_of_days_is_no_longer_than_a_start_may_take() -> None:
    story = Story(0, 1)
    Party(2, story.run, never).go((Stage((0,), 1 << 30), Stage((1,))), 0.1)
    assert "up 1" in story.told


def test_what_goes_wrong_here_ends_it_for_all() -> None:
    story = Story(0)

    def run(number: int, at_goal: Call, at_end: Call) -> Trial:
        if number == 1:
            raise ProofError("no more of this")
        return story.run(number, at_goal, at_end)

    with pytest.raises(ProofError, match="no more"):
        Party(3, run, never).go((Stage((0,)), Stage((1,)), Stage((2,))), 9)
    assert story.told[:2] == ["start 0", "up 0"]
    assert story.told[-1] == "end 0"


def test_nobody_waits_when_it_is_stopped() -> None:
    story, over = Story(0, 1), threading.Event()

    def run(number: int, at_goal: Call, at_end: Call) -> Trial:
        over.set()
        return story.run(number, at_goal, at_end)

    Party(2, run, over.is_set).go((Stage((0,), 1 << 30), Stage((1,))), 1 << 30)
    assert {"end 0", "end 1"} <= set(story.told)


def heard(mac: str, *peers: str) -> Heard:
    return Heard(mac, 1, False, "", (), peers)


def test_machines_have_met_when_both_sent_something() -> None:
    macs = {"web": "52:54:00:00:00:01", "db": "52:54:00:00:00:02", "log": "52:54:00:00:00:03"}
    guests = [
        Guest(name=name, folder=name, disks=(), plugs=(Plug(mac),), memory=0)
        for name, mac in macs.items()
    ]
    trials = (
        trial("web", heard(macs["web"], macs["db"], macs["log"]), heard(macs["db"], macs["web"])),
        trial("db", heard(macs["db"], macs["web"]), heard("52:54:00:00:00:99")),
        trial("log"),
    )
    web, db, log = acquainted(trials, guests)
    assert (web.met, db.met, log.met) == (("db",), ("web",), ())
    assert [h.mac for h in web.heard] == [macs["web"]]  # what others sent is told of them
    assert [h.mac for h in db.heard] == [macs["db"], "52:54:00:00:00:99"]
    assert msgspec.json.decode(msgspec.json.encode(web), type=Trial) == web
