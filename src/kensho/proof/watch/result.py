"""What is wanted of a run, and what it showed."""

from __future__ import annotations

import enum
from collections.abc import Callable
from pathlib import Path

import msgspec

from kensho.proof.qemu.bounds import Stop
from kensho.proof.watch.asking import Asked, Questions
from kensho.proof.watch.capture import Heard
from kensho.proof.watch.network import Wiring
from kensho.proof.watch.pictures import Screenshot
from kensho.proof.watch.serial import LOGIN


class Verdict(enum.StrEnum):
    """How a boot ended."""

    LOGIN = "login"  #: the guest came up: it asked for a user name, or reported
    FAILED = "failed"  #: it said itself that it cannot go on
    TIMEOUT = "timeout"  #: neither, in the time given
    EXITED = "exited"  #: QEMU ended: the guest powered off or restarted, or QEMU refused


class Watch(msgspec.Struct, frozen=True, kw_only=True):
    """What to look at beside the serial port, and when a boot is over.

    ``folder`` takes pictures of the screen. The boot is over at the milestone ``goal``; the guest may
    restart ``restarts`` times before. The stop screen of ``windows`` is looked for all the time. After that, while it still runs, ``at_goal`` is called and
    ``questions`` are asked, ``at_end`` is called, and it is asked to shut down, for ``power_off`` seconds.
    ``wiring`` is what its adapters are connected to, where not each to a network of its own. ``stopped``
    tells that nobody waits for it any more; it, ``at_goal`` and ``at_end`` are called from other threads.
    """

    folder: Path
    goal: str = LOGIN
    windows: bool = False
    restarts: int = 0
    power_off: float = 0
    accelerator: str = "tcg"
    questions: Questions | None = None
    wiring: Wiring | None = None
    at_goal: Callable[[], None] | None = None
    at_end: Callable[[], None] | None = None
    stopped: Callable[[], bool] | None = None


class BootResult(msgspec.Struct, frozen=True, kw_only=True):
    """What one boot showed; ``milestones`` are seconds from the start, in order of time.

    ``stop`` is why it was ended, where not by the guest or at a limit of time; ``lost`` what became of a
    guest that came up, and did not stay up until all was asked. The rest is empty without
    a `Watch`: pictures, the last text screen, what the network heard.
    """

    verdict: Verdict
    reason: str
    seconds: float
    milestones: dict[str, float]
    log: str
    screenshots: tuple[Screenshot, ...] = ()
    text: tuple[str, ...] = ()
    heard: tuple[Heard, ...] = ()
    stop: Stop | None = None
    asked: Asked = Asked()
    lost: str = ""
