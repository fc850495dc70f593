"""Turns of guests: real processes that use a processor, and that wait."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager

import pytest

from kensho.proof import turns
from kensho.proof.turns import Turns, Wanted, kept_waiting

SLEEPS = "import time; time.sleep(600)"
WORKS = "while True: pass"


@contextmanager
def child(code: str) -> Iterator[int]:
    """Give the number of a process once it is at its code."""
    code = f"print(flush=True)\n{code}"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            yield process.pid
        finally:
            process.kill()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "_SECONDS", 0.3)


def wanted() -> float:
    found = Wanted(os.getpid())
    assert found.processors() >= 1  # nothing is known of it yet
    time.sleep(1)
    return found.processors()


def test_a_child_that_waits_wants_nothing(quick: None) -> None:
    with child(SLEEPS):
        assert wanted() < 0.5


def test_a_child_that_works_wants_a_processor_however_many_others_do(quick: None) -> None:
    with child(WORKS), child(WORKS), child(WORKS):
        assert wanted() > 2


def test_who_waits_for_a_processor_is_known() -> None:
    assert kept_waiting(1 << 30) == 0  # there is none
    cores = sorted(os.sched_getaffinity(0))[:1]
    crowd = f"import os; os.sched_setaffinity(0, {cores})\n{WORKS}"
    with child(crowd) as first, child(crowd), child(crowd):
        end = time.monotonic() + 60
        while kept_waiting(first) < 0.2:
            assert time.monotonic() < end
            time.sleep(0.1)


def test_as_many_as_processors_and_one_more_when_they_wait(quick: None) -> None:
    with child(SLEEPS):
        mine, third = Turns(3, 2, lambda: True), threading.Event()
        with mine.turn(lambda: False), mine.turn(lambda: False):
            thread = threading.Thread(target=lambda: _take(mine, third))
            thread.start()
            assert third.wait(120)
            thread.join()


def test_never_more_than_there_is_room_for() -> None:
    mine = Turns(1, 2, lambda: True)
    with mine.turn(lambda: False), pytest.raises(CancelledError), mine.turn(lambda: True):
        raise AssertionError
    with mine.turn(lambda: True):  # it was given back
        pass


def test_beside_another_only_while_there_is_memory_now() -> None:
    fits = False
    mine, second = Turns(2, 2, lambda: fits), threading.Event()
    with mine.turn(lambda: True):  # the first one was counted before
        with pytest.raises(CancelledError), mine.turn(lambda: True):
            raise AssertionError
        thread = threading.Thread(target=lambda: _take(mine, second))
        thread.start()
        fits = True  # what another proof took is free again
        assert second.wait(20)
        thread.join()


def _take(mine: Turns, taken: threading.Event) -> None:
    with mine.turn(lambda: False):
        taken.set()
