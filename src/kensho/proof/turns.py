"""How many guests run at once: one for each processor, and more while some of them only wait.

A guest whose initramfs waits for its root, or whose network waits for an answer, uses no processor for half a
minute: another may start meanwhile. What a process wants is what it ran and what it waited for a
processor, as Linux counts it (Documentation/scheduler/sched-stats.rst, ``/proc/PID/schedstat``).
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from pathlib import Path

_SECONDS = 3.0  #: that are looked at, and between two that start beyond one for each processor
_POLL = 0.25
_ROOM = 0.7  #: of a processor must be left for one more


class Turns:
    """Turns for guests: at most ``most`` at once, ``processors`` whatever they use.

    Beside another one a guest starts only while it ``fits``: others, such as another proof, may have taken
    the memory meanwhile.
    """

    def __init__(self, most: int, processors: int, fits: Callable[[], bool]) -> None:
        self._fits = fits
        self._most = most
        self._processors = processors
        self._running = 0
        self._lock = threading.Lock()
        self._wanted = Wanted(os.getpid())
        self._started = 0.0

    @contextmanager
    def turn(self, stopped: Callable[[], bool]) -> Iterator[None]:
        """Wait for a turn and have it. CancelledError when it is ``stopped`` before."""
        while not self._taken():
            if stopped():
                raise CancelledError
            time.sleep(_POLL)
        try:
            yield
        finally:
            with self._lock:
                self._running -= 1

    def _taken(self) -> bool:
        with self._lock:
            free = self._running < min(self._most, self._processors) or self._idle()
            if free and (not self._running or self._fits()):
                self._running += 1
                self._started = time.monotonic()
                return True
            return False

    def _idle(self) -> bool:
        """Tell whether the guests that run leave a processor to one more."""
        return (
            self._running < self._most
            and time.monotonic() >= self._started + _SECONDS
            and self._wanted.processors() <= self._processors - _ROOM
        )


class Wanted:
    """How many processors the children of a process want."""

    def __init__(self, parent: int) -> None:
        self._parent = parent
        self._at = 0.0
        self._before: dict[int, int] = {}
        self._found = float("inf")

    def processors(self) -> float:
        """Return how many they wanted in the last seconds; a child counts as one until that is known."""
        now = time.monotonic()
        if now >= self._at + _SECONDS:
            ticks = {pid: _nanoseconds(pid) for pid in _children(self._parent)}
            elapsed = (now - self._at) * 1e9
            self._found = sum(
                max(0.0, (spent - self._before[pid]) / elapsed) if pid in self._before else 1.0
                for pid, spent in ticks.items()
            )
            self._before, self._at = ticks, now
        return self._found


def _children(parent: int) -> Iterator[int]:
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError, IndexError):
            # The name in brackets may have brackets and blanks itself (proc(5)).
            if int(path.read_text().rpartition(")")[2].split()[1]) == parent:
                yield int(path.parent.name)


def kept_waiting(pid: int) -> float:
    """Return for how many seconds a process waited for a processor, by the thread that did so longest."""
    longest = 0
    with suppress(OSError, ValueError):
        for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            longest = max(longest, int(path.read_text().split()[1]))
    return longest / 1e9


def _nanoseconds(pid: int) -> int:
    """Return for how long a process ran or waited to; without that count, as if it always did."""
    total = 0
    try:
        for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            ran, waited, *_ = path.read_text().split()
            total += int(ran) + int(waited)
    except (OSError, ValueError):
        return time.monotonic_ns()
    return total or time.monotonic_ns()
