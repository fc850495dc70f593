"""In which order machines are started, and how long the next one waits at least.

Source: DSP0243 §9.7 (StartupSection): ascending order, those of the same order together; ``startDelay``
is seconds before the next one, ``waitingForGuest`` has that begin as soon as the guest says it is up. What
vSphere makes of both: vim.host.AutoStartManager.AutoPowerInfo. Here the next one always waits for the
guest, because emulation is slower than any delay that was measured elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

import msgspec

from kensho.convert.guests import GuestDisks
from kensho.model.appliance import StartItem
from kensho.model.finding import Finding, Severity


class Stage(msgspec.Struct, frozen=True):
    """Machines that are started at once, by their number from 0, and the seconds until the next stage.

    ``delay`` is the least, from their start; they are waited for in any case.
    """

    machines: tuple[int, ...]
    delay: int = 0


def stages(items: Sequence[StartItem | None]) -> tuple[Stage, ...]:
    """Return what is started one after the other; ``items`` are the machines' places, None without one.

    Those without a place come last, one by one in the order of the file; so do all where there is none.
    """
    placed = [(item.order, number) for number, item in enumerate(items) if item is not None]
    found = [
        Stage(tuple(numbers), max(_delay(items[number]) for number in numbers))
        for numbers in _by_order(sorted(placed))
    ]
    rest = (Stage((number,)) for number, item in enumerate(items) if item is None)
    return (*found, *rest)


def in_words(machines: Sequence[GuestDisks]) -> str:
    """Say in which order machines are started, empty for one alone."""
    if len(machines) < 2:
        return ""
    found = []
    for stage in stages([machine.start for machine in machines]):
        names = " and ".join(machines[number].id for number in stage.machines)
        found.append(f"{names} ({stage.delay} s at least)" if stage.delay else names)
    return f"the machines together, one after the other when it came up: {', '.join(found)}"


def notes(machines: Sequence[GuestDisks]) -> tuple[Finding, ...]:
    """Return KF-980 for machines that no start order names; nothing of one alone."""
    unnamed = [machine.id for machine in machines if machine.start is None]
    if len(machines) < 2 or not unnamed:
        return ()
    whose = (
        "none is stated" if len(unnamed) == len(machines) else f"{', '.join(unnamed)} has no place"
    )
    return (
        Finding("KF-980", Severity.NOTE, f"start order: {whose}", unnamed[0],
                "started one by one as in the file, after those that have a place; kensho edit"
                " --startup writes an order"),
    )  # fmt: skip


def _by_order(placed: Sequence[tuple[int, int]]) -> Iterator[list[int]]:
    for _, group in groupby(placed, key=lambda pair: pair[0]):
        yield [number for _, number in group]


def _delay(item: StartItem | None) -> int:
    return 0 if item is None or item.wait_for_guest else item.start_delay
