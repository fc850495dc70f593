"""One run in progress: its serial port is read, the rest is looked at, until it is over."""

from __future__ import annotations

import errno
import os
import selectors
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import msgspec

from kensho.proof.inside.read import read_report
from kensho.proof.qemu.agent import heard_out
from kensho.proof.qemu.arguments import Wires
from kensho.proof.qemu.bounds import MAX_SERIAL, Stop, is_short
from kensho.proof.turns import kept_waiting
from kensho.proof.watch.asking import Asked, ask
from kensho.proof.watch.observe import Observer
from kensho.proof.watch.result import Verdict, Watch
from kensho.proof.watch.serial import LOGIN, NETWORK, REPORT, SERVICE, SHUTDOWN, SerialWatch
from kensho.proof.watch.signs import MAX_LOG, FirmwareLog, Signs

_REACHED = {
    LOGIN: "the guest asks for a login",
    REPORT: "the guest reported what it started from",
}
_LOOK = 2.0  # seconds between looks at the screen
_GRACE = 2.0  # seconds of log after a failure, for the lines that explain it
_POLL = 0.25
_GATHER = 0.02  # seconds in which more comes: a flood is not worth a look at each of its bytes
_MOST_KEPT_WAITING = 4  # times the time it is given
_GONE = "it ended"
_TOO_LARGE = os.strerror(errno.EFBIG)  #: what a write past its bound is told, as QEMU hands it on
_ASLEEP = 30.0  # seconds between two looks at a guest, which take fractions of one
_PRESS = 5.0  # seconds between presses of the power button


class Run:
    """One boot in progress: reads the serial port, keeps the log, watches."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        log: BinaryIO,
        wires: Wires,
        watch: Watch | None,
        observer: Observer | None,
        place: Path,
        on_event: Callable[[str], None],
    ) -> None:
        self._process = process
        self._place = place
        self.lost = ""
        self._answered: float | None = None  # when all that was asked had an answer
        self._said = 0  # bytes on the serial port
        self._log = log
        self._firmware_log = FirmwareLog(wires.firmware_log)
        self._watch = watch
        self._goal = watch.goal if watch else LOGIN
        self._observer = observer
        self._agent = wires.agent
        self._looked = 0.0
        self._on_event = on_event
        self._signs = Signs()
        self._restarts = 0  # that were seen
        self._listened = 0.0  # when they were looked for
        self._most_restarts = watch.restarts if watch else 0
        self._start = time.monotonic()

    @property
    def milestones(self) -> dict[str, float]:
        """Everything seen so far, by whatever showed it first."""
        return self._signs.milestones

    def seconds(self) -> float:
        """Return the time since the start."""
        return round(time.monotonic() - self._start, 1)

    def until(self, timeout: float) -> tuple[Verdict, str, Stop | None]:
        """Read until the guest has shown what becomes of it, or does what it must not."""
        assert self._process.stdout is not None
        pipe = self._process.stdout.fileno()
        deadline = self._start + timeout
        with selectors.DefaultSelector() as selector:
            selector.register(pipe, selectors.EVENT_READ)
            last = time.monotonic()
            while not self._over(deadline, timeout):
                is_open = self._read(selector, pipe)
                gone, last = time.monotonic() - last, time.monotonic()
                if gone > _ASLEEP:
                    deadline += gone  # not the guest's time: we were stopped, or the machine slept
                if not is_open:
                    return Verdict.EXITED, "", None
                told = self._look()
                if self._goal in self.milestones:
                    self._stays_up()
                    return Verdict.LOGIN, _REACHED.get(self._goal, self._goal), None
                if told is not None:
                    return Verdict.FAILED, told[1], told[0]
                if self._signs.failure:
                    deadline = min(deadline, time.monotonic() + _GRACE)
                if self._forgotten():
                    return Verdict.TIMEOUT, "it was not waited for", None
        if self._signs.failure:
            return Verdict.FAILED, self._signs.failure, None
        late = f"no {self._goal} in {self.seconds():.0f} s; {self._how_far()}"
        return Verdict.TIMEOUT, late, None

    def _over(self, deadline: float, timeout: float) -> bool:
        """Tell whether its time is over: what it waited for a processor, because others had it, is added."""
        late = time.monotonic() - deadline
        if late < 0 or self._signs.failure:
            return late >= 0
        return late >= min(kept_waiting(self._process.pid), _MOST_KEPT_WAITING * timeout)

    def after(self, verdict: Verdict) -> Asked:
        """Take a last picture; ask a guest that came up what is to be asked, and to shut down."""
        if self._observer is None or self._watch is None:
            return Asked()
        self._observer.screen.take("end", self.seconds())
        self._look_at_network(self._observer)
        up = verdict is Verdict.LOGIN or (verdict is Verdict.TIMEOUT and LOGIN in self.milestones)
        # One that says nothing may have come up all the same: Windows has no login on a serial port.
        asks = self._watch.questions is not None and self._watch.questions.probes
        if not up and (verdict is not Verdict.TIMEOUT or not asks):
            return Asked()
        over = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            asking = pool.submit(self._ask, self._watch, self._observer, over.is_set)
            try:
                gone = self._drain(lambda: asking.done() or self._forgotten())
            finally:
                over.set()
                if (
                    not asking.done()
                ):  # its guest is of no use any more, and what waits for it, ends
                    self._process.kill()
            asked = asking.result()
        self.lost = gone if verdict is Verdict.LOGIN else ""
        if asked.probes and all(result.ok for result in asked.probes):
            self._reached(SERVICE, self._answered)
            up = True
        if gone or not up or not self._watch.power_off or self._forgotten():
            return asked
        with heard_out(self._agent):
            said = self._shut_down(self._observer, self._watch.power_off)
        return msgspec.structs.replace(asked, stopping=said)

    def _ask(self, watch: Watch, observer: Observer, over: Callable[[], bool]) -> Asked:
        inside = read_report(Path(self._log.name).read_text("utf-8", "replace"))
        if inside is not None:
            observer.network.learn(inside)
        if watch.at_goal is not None:
            watch.at_goal()
        asked = Asked()
        if watch.questions is not None:
            asked = ask(
                watch.questions, observer.network, self._agent, lambda: over() or self._forgotten()
            )
        self._answered = self.seconds()
        if watch.at_end is not None:
            watch.at_end()
        return asked

    def _forgotten(self) -> bool:
        return self._watch is not None and self._watch.stopped is not None and self._watch.stopped()

    def _shut_down(self, observer: Observer, seconds: float) -> str:
        """Press the power button until the guest switches itself off; it may not have heard it at first.

        Returns the line by which it said that it does.
        """
        deadline, pressed = time.monotonic() + seconds, 0.0
        self._signs.serial.stops = True

        def over() -> bool:
            nonlocal pressed
            if time.monotonic() >= pressed + _PRESS:
                pressed = time.monotonic()
                observer.press_power()
            return time.monotonic() >= deadline or self._forgotten()

        if self._drain(over) == _GONE:
            ends = [event.get("reason") for event in observer.events("SHUTDOWN")]
            if ends[-1:] == ["guest-shutdown"]:
                self._reached(SHUTDOWN)
        return self._signs.serial.stopping

    def _drain(self, over: Callable[[], bool]) -> str:
        """Read on until it is over, or has to be; return why, where it was not over.

        A guest that nobody reads from stands still.
        """
        assert self._process.stdout is not None
        pipe = self._process.stdout.fileno()
        with selectors.DefaultSelector() as selector:
            selector.register(pipe, selectors.EVENT_READ)
            while not over():
                if not self._read(selector, pipe):
                    return _GONE
                told = self._look()
                if told is not None:
                    return told[1]
                if self._signs.failure:
                    return self._signs.failure
        return ""

    def _reached(self, name: str, at: float | None = None) -> None:
        """Note a milestone that no text shows; ``at`` is when, now where it is not said."""
        if name not in self.milestones:
            at = self.seconds() if at is None else at
            self._signs.serial.milestones[name] = at
            self._on_event(f"{name} after {at:.1f} s")

    def _look_at_network(self, observer: Observer) -> None:
        if NETWORK not in self.milestones and observer.network.address() is not None:
            self._reached(NETWORK)

    def _read(self, selector: selectors.BaseSelector, pipe: int) -> bool:
        """Take what comes on the serial port, and to the firmware's; False when it is closed."""
        data = None
        if selector.select(timeout=_POLL):
            time.sleep(_GATHER)
            data = os.read(pipe, 1 << 16)
        # First: it is older than what the guest says.
        self._tell(self._signs.firmware, self._firmware_log.more())
        if data:
            self._take(data)
        return data != b""

    def _take(self, data: bytes) -> None:
        if self._observer is not None and time.monotonic() >= self._listened + _POLL:
            self._listened = time.monotonic()
            self._note_restarts(self._observer)  # first: it is older than what the guest says
        room = MAX_LOG - self._log.tell()
        self._log.write(data[: max(room, 0)])
        self._log.flush()
        self._said += len(data)
        self._tell(self._signs.serial, data)

    def _look(self) -> tuple[Stop, str] | None:
        """Look at all else now and then; return why the run has to end, if it does."""
        if self._said > MAX_SERIAL:
            return Stop.SERIAL, f"the guest wrote {self._said >> 20} MiB to its serial port"
        if time.monotonic() < self._looked + _LOOK:
            return None
        self._looked = time.monotonic()
        if is_short(self._place):
            return Stop.ROOM, "no room is left for what the guest writes"
        if self._observer is None:
            return None
        lines = self._observer.screen.read_text()
        if lines:
            self._tell(self._signs.screen, "\n".join((*lines, "")).encode())
        self._observer.network.bound()
        if self._watch is not None and self._watch.windows:
            self._observer.screen.look_for_stop(self.seconds())
        self._look_at_network(self._observer)
        failed = self._observer.events("BLOCK_IO_ERROR")
        if any(event.get("nospace") is True for event in failed):
            return Stop.ROOM, "no room is left for what the guest writes to its disks"
        if any(event.get("reason") == _TOO_LARGE for event in failed):
            return Stop.DISK, "the guest writes to its disks without end"
        self._note_restarts(self._observer)
        if self._restarts > self._most_restarts:
            times = "once" if self._restarts == 1 else f"{self._restarts} times"
            return Stop.RESTARTS, f"the guest restarted {times}"
        return None

    def _note_restarts(self, observer: Observer) -> None:
        restarts = observer.restarts()
        if restarts > self._restarts:
            self._restarts = restarts
            self._signs.restart()

    def _stays_up(self) -> None:
        """Take up that it came up: it may not restart any more, and what it complained of was none."""
        self._most_restarts = self._restarts
        self._signs.forgive()

    def _tell(self, watch: SerialWatch, data: bytes) -> None:
        known = self.milestones
        for name in watch.feed(data, self.seconds()):
            if name not in known:
                self._on_event(f"{name} after {watch.milestones[name]:.1f} s")
                if self._observer is not None:
                    self._observer.screen.take(name, self.seconds())

    def _how_far(self) -> str:
        seen = list(self.milestones)
        return f"last seen: {seen[-1]}" if seen else "nothing was seen on its serial port"
