"""Progress of byte-moving work: one event type for terminals, JSON lines and web pages."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable


class Progress(msgspec.Struct, frozen=True):
    """A moment of a running task.

    ``done`` and ``total`` are bytes, ``rate`` is bytes per second averaged over
    the last few seconds, ``eta`` the seconds left, None while unknown.
    """

    subject: str
    phase: str
    done: int
    total: int
    rate: float
    eta: float | None


class Meter:
    """Turns raw byte counts into Progress events, at most one per ``interval`` seconds.

    Call it with ``(done, total)`` from any thread; the first and the last count are
    always reported. Its shape is that of ``on_bytes`` in ``kensho.disks.copy_disk``.
    """

    __slots__ = (
        "_callback",
        "_clock",
        "_due",
        "_interval",
        "_lock",
        "_phase",
        "_samples",
        "_subject",
    )

    def __init__(
        self,
        subject: str,
        phase: str,
        callback: Callable[[Progress], None],
        *,
        interval: float = 0.1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._subject = subject
        self._phase = phase
        self._callback = callback
        self._interval = interval
        self._clock = clock
        self._lock = threading.Lock()
        self._due = float("-inf")
        self._samples: list[tuple[float, int]] = []

    def __call__(self, done: int, total: int) -> None:
        """Note that ``done`` of ``total`` bytes are done."""
        now = self._clock()
        if now < self._due and done < total:
            return
        with self._lock:
            if now < self._due and done < total:
                return
            self._due = now + self._interval
            rate = self._rate(now, done)
            eta = (total - done) / rate if rate > 0 else (0.0 if done >= total else None)
            # Reported under the lock: two threads must not hand out events in the wrong order.
            self._callback(Progress(self._subject, self._phase, done, total, rate, eta))

    def _rate(self, now: float, done: int) -> float:
        self._samples.append((now, done))
        while len(self._samples) > 2 and now - self._samples[1][0] > 5.0:
            del self._samples[0]
        then, before = self._samples[0]
        return max(0.0, (done - before) / (now - then)) if now > then else 0.0
