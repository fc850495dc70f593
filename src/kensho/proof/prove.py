"""A machine proven on many profiles: those QEMU has are booted, several at once; the rest is judged."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import msgspec

from kensho.capacity import free_memory, processors
from kensho.model.errors import KenshoError, ProofError
from kensho.proof.causes.unanswered import PowerOff
from kensho.proof.guests import Guest, foretold_of, try_guest
from kensho.proof.probes import SILENCE
from kensho.proof.profiles.base import Profile
from kensho.proof.qemu.accelerator import accelerator, slowness
from kensho.proof.qemu.arguments import MIB, find_qemu
from kensho.proof.qemu.devices import Drive
from kensho.proof.qemu.serving import served
from kensho.proof.together.group import try_together
from kensho.proof.trial import Trial, judge_only, judge_unstarted
from kensho.proof.try_out import Limits
from kensho.proof.turns import Turns
from kensho.proof.watch.asking import Questions

_LEFT = 0.6  #: of the memory that is free
_SLOW, _FAST = 240, 120  #: seconds for a start, emulated on an idle machine and not emulated
_ANSWER, _POWER_OFF = 60, 30  #: seconds for services to answer, and for a guest to shut down
_OVERHEAD = 400 << 20  #: bytes of QEMU itself, most of it for what it translated of the guest

Told = Callable[[str, str], None]  #: profile, and what happened


@dataclass(frozen=True, slots=True)
class _Hooks:
    """Who is told: of what happens, of each trial, and of all trials of a profile that ended."""

    event: Told
    trial: Callable[[Trial], None]
    ended: Callable[[Sequence[Trial]], None]


def prove(
    guests: Sequence[Guest],
    profiles: Sequence[Profile],
    folder: Path,
    limits: Limits,
    *,
    on_event: Told,
    on_trial: Callable[[Trial], None],
    on_ended: Callable[[Sequence[Trial]], None] = lambda _: None,
    taken: Mapping[str, tuple[Trial, ...]] = MappingProxyType({}),
) -> tuple[Trial, ...]:
    """Try machines on profiles, in their order; each trial's files go to a folder of its own.

    Several machines are started together. The guests' disks are only read. What cannot be started here,
    for want of QEMU, memory or room, is a trial that says so. ``on_ended`` is called with all trials of a
    profile, unless it was stopped; those of the profiles in ``taken`` are there already.
    """
    wanted = [profile for profile in profiles if profile.name not in taken]
    found = dict(taken)
    over, hooks = threading.Event(), _Hooks(on_event, on_trial, on_ended)
    with ExitStack() as stack:
        try:
            at_once = _at_once(guests, wanted)
            drives = [stack.enter_context(served(guest.disks)) for guest in guests]
        except KenshoError as error:
            for profile in wanted:
                found[profile.name] = tuple(_judged(profile, guest, error) for guest in guests)
                for trial in found[profile.name]:
                    on_trial(trial)
            return _in_order(profiles, found)
        needed = _needed([guest.memory for guest in guests])
        shares = Turns(at_once, processors(), lambda: needed <= free_memory())
        pool = stack.enter_context(ThreadPoolExecutor(at_once))
        try:
            waiting = {
                profile.name: pool.submit(
                    _on, profile, guests, drives, folder, limits, shares, over.is_set, hooks
                )
                for profile in wanted
            }  # fmt: skip
            found |= {name: future.result() for name, future in waiting.items()}
            return _in_order(profiles, found)
        except BaseException:  # Ctrl-C, too: the guests that run are not waited for
            over.set()
            pool.shutdown(cancel_futures=True)
            raise


def _in_order(
    profiles: Sequence[Profile], found: Mapping[str, tuple[Trial, ...]]
) -> tuple[Trial, ...]:
    return tuple(trial for profile in profiles for trial in found[profile.name])


def _at_once(guests: Sequence[Guest], profiles: Sequence[Profile]) -> int:
    """Return how many starts are under way at once; KenshoError when there can be none."""
    if all(profile.static for profile in profiles):
        return 1
    find_qemu()
    return slots([guest.memory for guest in guests])


def _on(
    profile: Profile, guests: Sequence[Guest], drives: Sequence[Sequence[Drive]], folder: Path,
    limits: Limits, shares: Turns, stopped: Callable[[], bool], hooks: _Hooks,
) -> tuple[Trial, ...]:  # fmt: skip
    def tell(what: str) -> None:
        hooks.event(profile.name, what)

    trials: tuple[Trial, ...]
    if profile.static:
        trials = tuple(_judged(profile, guest) for guest in guests)
    else:
        try:
            with shares.turn(stopped):
                place = folder / profile.name
                if len(guests) > 1:
                    trials = try_together(
                        profile, guests, drives, place, limits, on_event=tell, stopped=stopped
                    )
                else:
                    trials = (
                        try_guest(profile, guests[0], drives[0], place, limits,
                                  on_event=tell, stopped=stopped),
                    )  # fmt: skip
        except (KenshoError, OSError) as error:
            trials = tuple(_judged(profile, guest, error) for guest in guests)
    if not stopped():  # else they show nothing, as nobody waited for them
        hooks.ended(trials)
        for trial in trials:
            hooks.trial(trial)
    return trials


def _judged(profile: Profile, guest: Guest, error: Exception | None = None) -> Trial:
    """Return what the files tell, or that what would be started was not, with the ``error``."""
    foretold = foretold_of(guest, profile)
    if error is not None and not profile.static:
        trial = judge_unstarted(profile, foretold, error)
    else:
        trial = judge_only(profile, foretold)
    return msgspec.structs.replace(trial, machine=guest.name, folder=guest.folder)


def limits_of(
    profiles: Sequence[Profile],
    timeout: float,
    questions: Questions = Questions(),  # noqa: B008 - frozen
    power_off: PowerOff = PowerOff.ASK,
) -> Limits:
    """Return how guests are run here, and what those that come up are asked.

    ``timeout`` is seconds, as the questions' are; 0 for as long as it takes here.
    """
    if all(profile.static for profile in profiles):
        return Limits(timeout=timeout)
    try:
        used = accelerator()
        factor = 1.0 if used == "kvm" else slowness()
    except KenshoError:  # nothing is started, and each trial says why
        return Limits(timeout=timeout)
    return Limits(
        timeout=timeout or (_FAST if used == "kvm" else _SLOW * factor),
        accelerator=used,
        questions=msgspec.structs.replace(
            questions, seconds=questions.seconds or _ANSWER * factor, silence=SILENCE * factor
        ),
        power_off=0 if power_off is PowerOff.SKIP else _POWER_OFF * factor,
        must_power_off=power_off is PowerOff.REQUIRE,
    )


def slots(memories: Sequence[int]) -> int:
    """Return how many profiles are tried at once here, each with guests of so many bytes at once.

    It is two for each processor at most. ProofError when not even one is.
    """
    needed = _needed(memories)
    free = int(_LEFT * free_memory())
    if needed > free:
        missing = -(-(needed - free) // MIB)
        one = len(memories) == 1
        what = "the guest needs" if one else f"the {len(memories)} machines need at once"
        raise ProofError(
            f"{what} {needed // MIB} MiB, and guests may use {free // MIB} MiB here: {missing} are missing",
            hint="--memory gives it less"
            if one
            else "--memory gives each of them less, --machine takes one alone",
        )
    return min(free // needed, 2 * processors())


def _needed(memories: Sequence[int]) -> int:
    """Return the bytes that guests of so many need together."""
    return sum(memory + _OVERHEAD for memory in memories)
