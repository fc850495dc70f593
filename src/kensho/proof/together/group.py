"""Machines of an appliance started together on one profile's hardware, in their order.

Each one runs until all have been started and looked at. The next ones begin when those before them came
up, or will not: a platform, too, goes on when its wait is over.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import msgspec

from kensho.proof.guests import Guest, try_guest
from kensho.proof.profiles.base import Profile
from kensho.proof.qemu.devices import Drive
from kensho.proof.together.networks import connecting
from kensho.proof.together.order import Stage, stages
from kensho.proof.trial import Trial
from kensho.proof.try_out import Limits, Together

_POLL = 0.25
#: A machine's number, what is called when it came up, and when all was asked of it.
Run = Callable[[int, Callable[[], None], Callable[[], None]], Trial]


def try_together(
    profile: Profile,
    guests: Sequence[Guest],
    drives: Sequence[Sequence[Drive]],
    folder: Path,
    limits: Limits,
    *,
    on_event: Callable[[str], None],
    stopped: Callable[[], bool],
) -> tuple[Trial, ...]:
    """Start machines, each with its drives, and return a trial of each; files go to ``folder``.

    ``stopped`` tells that nobody waits any more. Raises what `try_guest` and `connecting` do.
    """
    order = stages([guest.start for guest in guests])
    begun = time.monotonic()
    with connecting([guest.plugs for guest in guests]) as networks:

        def run(number: int, at_goal: Callable[[], None], at_end: Callable[[], None]) -> Trial:
            guest = guests[number]
            began = round(time.monotonic() - begun, 1)
            on_event(f"{guest.name}: started after {began:.1f} s")
            trial = try_guest(
                profile, guest, drives[number], folder, limits,
                on_event=lambda what: on_event(f"{guest.name}: {what}"),
                stopped=lambda: stopped() or party.broken,
                together=Together(networks.connect(guest.plugs), at_goal, at_end),
            )  # fmt: skip
            return msgspec.structs.replace(trial, began=began)

        party = Party(len(guests), run, stopped)
        trials = party.go(order, limits.timeout)
    return acquainted(trials, guests)


class Party:
    """Runs machines in stages, each in a thread of its own until all were started and asked."""

    def __init__(self, count: int, run: Run, stopped: Callable[[], bool]) -> None:
        """``run`` runs one of ``count`` machines, and calls what it is given from any thread."""
        self._run = run
        self._stopped = stopped
        self._settled = [threading.Event() for _ in range(count)]
        self._asked = [threading.Event() for _ in range(count)]
        self._gather = threading.Event()
        self._leave = [threading.Event() for _ in range(count)]
        self.broken = False  #: something went wrong here: nothing is waited for

    def go(self, order: Sequence[Stage], longest: float) -> tuple[Trial, ...]:
        """Start all in their stages, have all asked, and let them end, the last ones first.

        ``longest`` is seconds that a delay of the start order takes at most. Raises what a run raises.
        """
        waiting: dict[int, Future[Trial]] = {}
        with ThreadPoolExecutor(len(self._settled)) as pool:
            try:
                for stage in order:
                    begun = time.monotonic()
                    for number in stage.machines:
                        waiting[number] = pool.submit(self._one, number)
                    for number in stage.machines:
                        self._wait(self._settled[number])
                        if waiting[number].done():
                            waiting[number].result()  # what went wrong here is not waited for
                    while time.monotonic() < begun + min(stage.delay, longest) and not self._over():
                        time.sleep(_POLL)
                self._gather.set()
                for event in self._asked:
                    self._wait(event)
                for stage in reversed(order):
                    for number in stage.machines:
                        self._leave[number].set()
                    for number in stage.machines:
                        waiting[number].result()
            except BaseException:
                self.broken = True
                raise
            finally:
                for event in (self._gather, *self._leave):
                    event.set()
        return tuple(waiting[number].result() for number in sorted(waiting))

    def _over(self) -> bool:
        return self.broken or self._stopped()

    def _wait(self, event: threading.Event) -> None:
        while not event.wait(_POLL) and not self._over():
            pass

    def _one(self, number: int) -> Trial:
        def up() -> None:
            self._settled[number].set()
            self._wait(self._gather)

        def asked() -> None:
            self._settled[number].set()
            self._asked[number].set()
            self._wait(self._leave[number])

        try:
            return self._run(number, up, asked)
        finally:
            self._settled[number].set()
            self._asked[number].set()


def acquainted(trials: Sequence[Trial], guests: Sequence[Guest]) -> tuple[Trial, ...]:
    """Return trials that say whom each machine exchanged packets with; what others sent is theirs."""
    owner = {plug.mac: guest.name for guest in guests for plug in guest.plugs}
    sent = {
        (owner.get(heard.mac), owner.get(peer))
        for trial in trials
        for heard in trial.heard
        for peer in heard.peers
    }
    return tuple(
        msgspec.structs.replace(
            trial,
            heard=tuple(h for h in trial.heard if owner.get(h.mac, trial.machine) == trial.machine),
            met=tuple(
                guest.name
                for guest in guests
                if guest.name != trial.machine
                and {(trial.machine, guest.name), (guest.name, trial.machine)} <= sent
            ),
        )
        for trial in trials
    )
