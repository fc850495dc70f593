"""A machine proven on many profiles: those QEMU has are booted, several at once; the rest is judged."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import msgspec

from kensho.model.errors import ProofError
from kensho.proof.accelerator import accelerator, slowness
from kensho.proof.devices import Drive
from kensho.proof.guests import Guest
from kensho.proof.profiles.base import Profile
from kensho.proof.serving import served
from kensho.proof.static import foretell
from kensho.proof.trial import Limits, Trial, judge_only, try_out
from kensho.proof.turns import Turns

_LEFT = 0.6  #: of the memory that is free
_SLOW, _FAST = 240, 120  #: seconds for a start, emulated on an idle machine and not emulated
_OVERHEAD = 200 << 20  #: bytes of QEMU itself

Told = Callable[[str, str], None]  #: profile, and what happened


def prove(
    guests: Sequence[Guest],
    profiles: Sequence[Profile],
    folder: Path,
    limits: Limits,
    *,
    on_event: Told,
    on_trial: Callable[[Trial], None],
) -> tuple[Trial, ...]:
    """Try machines on profiles, in their order; each trial's files go to a folder of its own.

    The guests' disks are only read. ProofError when there is too little memory for one of them;
    ToolMissingError without QEMU.
    """
    at_once = 1
    if any(not p.static for p in profiles):
        at_once = slots(max(guest.memory for guest in guests))
    over, turns = threading.Event(), Turns(at_once, os.cpu_count() or 1)
    with ExitStack() as stack, ThreadPoolExecutor(at_once) as pool:
        drives = [stack.enter_context(served(guest.disks)) for guest in guests]
        waiting = [
            pool.submit(_one, profile, guest, own, folder, limits, turns, over.is_set,
                        on_event=on_event, on_trial=on_trial)
            for profile in profiles for guest, own in zip(guests, drives, strict=True)
        ]  # fmt: skip
        try:
            return tuple(future.result() for future in waiting)
        except BaseException:  # Ctrl-C, too: the guests that run are not waited for
            over.set()
            pool.shutdown(cancel_futures=True)
            raise


def _one(
    profile: Profile, guest: Guest, drives: Sequence[Drive], folder: Path, limits: Limits, turns: Turns,
    stopped: Callable[[], bool], *, on_event: Told, on_trial: Callable[[Trial], None],
) -> Trial:  # fmt: skip
    foretold = foretell(guest.kernels, guest.default_kernel, profile)
    place = folder / profile.name / guest.folder
    if profile.static:
        trial = judge_only(profile, foretold)
    else:
        with turns.turn(stopped):
            trial = try_out(
                profile, drives, [plug.mac for plug in guest.plugs], place,
                msgspec.structs.replace(limits, memory=guest.memory), foretold, reports=guest.reports,
                on_event=lambda what: on_event(profile.name, what), stopped=stopped,
            )  # fmt: skip
    trial = msgspec.structs.replace(trial, machine=guest.name, folder=guest.folder)
    on_trial(trial)
    return trial


def limits_of(profiles: Sequence[Profile], timeout: float) -> Limits:
    """Return how guests are run here; ``timeout`` is seconds, 0 for as long as starts take here."""
    if all(profile.static for profile in profiles):
        return Limits(memory=0, timeout=timeout)
    used = accelerator()
    longest = timeout or (_FAST if used == "kvm" else _SLOW * slowness())
    return Limits(memory=0, timeout=longest, accelerator=used)


def slots(memory: int) -> int:
    """Return how many guests of so many bytes run at once here, at most two for each processor.

    ProofError when not even one does.
    """
    free = _LEFT * _available()
    fits = int(free // (memory + _OVERHEAD))
    if not fits:
        raise ProofError(
            f"a guest of {memory >> 20} MiB does not fit into the {_available() >> 20} MiB that are free",
            hint="--memory gives it less",
        )
    return min(fits, 2 * (os.cpu_count() or 1))


def _available() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) << 10
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
