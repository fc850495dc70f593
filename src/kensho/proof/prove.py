"""A machine proven on many profiles: those QEMU has are booted, several at once; the rest is judged."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from kensho.disks import DiskReader
from kensho.guest.inspect.kernels import Loaded, load_kernels
from kensho.model.errors import ProofError
from kensho.proof.devices import Drive
from kensho.proof.profiles.base import Profile
from kensho.proof.serving import served
from kensho.proof.static import foretell
from kensho.proof.trial import Limits, Trial, judge_only, try_out

_LEFT = 0.6  #: of the memory that is free
_OVERHEAD = 200 << 20  #: bytes of QEMU itself

Told = Callable[[str, str], None]  #: profile, and what happened


def prove(
    disks: Sequence[DiskReader],
    macs: Sequence[str],
    profiles: Sequence[Profile],
    folder: Path,
    limits: Limits,
    *,
    default_kernel: str = "",
    reports: bool,
    on_event: Told,
    on_trial: Callable[[Trial], None],
) -> tuple[Trial, ...]:
    """Try a machine on profiles, in their order; each one's files go to a folder of its name.

    ``disks`` are only read, ``macs`` those of its adapters. ProofError when there is too little memory
    for one guest; ToolMissingError without QEMU.
    """
    at_once = slots(limits.memory) if any(not p.static for p in profiles) else 1
    kernels = tuple(load_kernels(disks))
    over = threading.Event()
    with served(disks) as drives, ThreadPoolExecutor(at_once) as pool:
        waiting = [
            pool.submit(_one, p, drives, macs, folder, limits, kernels, default_kernel, over.is_set,
                        reports=reports, on_event=on_event, on_trial=on_trial)
            for p in profiles
        ]  # fmt: skip
        try:
            return tuple(future.result() for future in waiting)
        except BaseException:  # Ctrl-C, too: the guests that run are not waited for
            over.set()
            pool.shutdown(cancel_futures=True)
            raise


def _one(
    profile: Profile, drives: Sequence[Drive], macs: Sequence[str], folder: Path, limits: Limits,
    kernels: Sequence[Loaded], default: str, stopped: Callable[[], bool], *, reports: bool, on_event: Told,
    on_trial: Callable[[Trial], None],
) -> Trial:  # fmt: skip
    foretold = foretell(kernels, default, profile)
    if profile.static:
        trial = judge_only(profile, foretold)
    else:
        trial = try_out(
            profile, drives, macs, folder / profile.name, limits, foretold,
            reports=reports, on_event=lambda what: on_event(profile.name, what), stopped=stopped,
        )  # fmt: skip
    on_trial(trial)
    return trial


def slots(memory: int) -> int:
    """Return how many guests of so many bytes run at once here. ProofError when not even one does."""
    free = _LEFT * _available()
    fits = int(free // (memory + _OVERHEAD))
    if not fits:
        raise ProofError(
            f"a guest of {memory >> 20} MiB does not fit into the {_available() >> 20} MiB that are free",
            hint="--memory gives it less",
        )
    return min(fits, os.cpu_count() or 1)


def _available() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) << 10
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
