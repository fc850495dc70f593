"""What is seen of a running guest beside its serial port: its screen, its network, how it ended.

All of it is asked of QEMU over its monitor. The guest takes no part in it.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Collection
from contextlib import suppress
from ipaddress import IPv4Address
from pathlib import Path
from typing import Protocol

import msgspec

from kensho.model.errors import KenshoError
from kensho.proof.inside.read import Inside
from kensho.proof.qemu.bounds import MAX_CAPTURE
from kensho.proof.qemu.forwards import forward
from kensho.proof.qemu.qmp import Qmp
from kensho.proof.watch.capture import QEMUS, Ears, Heard
from kensho.proof.watch.screen import TEXT_AT, TEXT_SIZE, Look, look_of, read_ppm, text_of, to_png

_USUAL = (0, "10.0.2.15")  #: the first adapter, and what QEMU's network leases there
MAX_PICTURES = 12
_ONE_RESTART = 2.0  #: seconds in which resets are of one
_STOPPED = {Look.STOPPED, Look.DARK}
_STOP_SCREEN, _MOST_STOPS = "stop screen", 2  #: of such a picture, and how many are kept


class Screenshot(msgspec.Struct, frozen=True):
    """A picture of the screen: ``file`` is a PNG, ``at`` seconds from the start, ``when`` a milestone."""

    file: str
    sha256: str
    at: float
    when: str
    look: Look


class Wiring(Protocol):
    """What the adapters of a guest are connected to, among those of others.

    ``plugs`` are the sockets, None for an adapter on no network; ``macs`` the adapters' addresses, in
    the same order.
    """

    @property
    def plugs(self) -> tuple[Path | None, ...]:
        """The socket of each adapter."""

    @property
    def macs(self) -> tuple[str, ...]:
        """The addresses of the adapters; what others send is heard, too."""

    def forward(self, adapter: int, address: str, port: int) -> int | None:
        """Return a port of 127.0.0.1 that leads to the guest's, None when there is none."""


class Observer:
    """Watches one QEMU. Whatever QEMU does not answer is not seen, and never an error."""

    def __init__(
        self,
        monitor: Path,
        captures: tuple[Path, ...],
        folder: Path,
        runs: Callable[[], bool] = lambda: True,
        wiring: Wiring | None = None,
    ) -> None:
        """Connect to the monitor, as long as QEMU ``runs``; pictures go to ``folder``.

        ``wiring`` is None for adapters with a network of their own each.
        """
        self._wiring = wiring
        self._learnt: list[tuple[int, str]] = []
        self.screenshots: list[Screenshot] = []
        self.text: tuple[str, ...] = ()  #: the last text screen that was seen
        self._captures = [(capture, Ears()) for capture in captures]
        self._read = [0] * len(captures)  # bytes of them that were heard
        self._lock = threading.Lock()  # probes ask from threads of their own
        self._folder = folder
        self._full: set[int] = set()  # captures that are not written any more
        self._qmp: Qmp | None = None
        with suppress(KenshoError):
            self._qmp = Qmp(monitor, runs=runs)

    def read_text(self) -> tuple[str, ...]:
        """Return the lines of the text screen; none when it shows a picture, or nothing new."""
        path = self._folder / ".text"
        if not self._asked("pmemsave", val=TEXT_AT, size=TEXT_SIZE, filename=str(path)):
            return ()
        try:
            lines = text_of(path.read_bytes()[:TEXT_SIZE])
            path.unlink()
        except OSError:  # QEMU ended
            return ()
        if lines == self.text or not _is_text("".join(lines)):
            return ()
        self.text = lines
        return lines

    def look_for_stop(self, at: float) -> None:
        """Keep a picture of what looks like Windows' stop screen: it is there for seconds, and then it restarts."""
        kept = sum(shot.when == _STOP_SCREEN for shot in self.screenshots)
        if kept < _MOST_STOPS:
            self.take_picture(_STOP_SCREEN, at, only=_STOPPED)

    def take_picture(
        self, when: str, at: float, only: Collection[Look] = frozenset(Look)
    ) -> Screenshot | None:
        """Keep a picture of the screen, None when it is as before, looks like another, or there are enough."""
        path = self._folder / ".screen"
        if len(self.screenshots) >= MAX_PICTURES or not self._asked(
            "screendump", filename=str(path)
        ):
            return None
        try:
            picture = read_ppm(path.read_bytes())
        except (KenshoError, OSError):  # between two modes, or it has ended
            return None
        finally:
            path.unlink(missing_ok=True)
        look = look_of(picture)
        if look not in only:
            return None
        data = to_png(picture)
        digest = hashlib.sha256(data).hexdigest()
        if self.screenshots and self.screenshots[-1].sha256 == digest:
            return None
        name = f"screen{len(self.screenshots) + 1:02d}.png"
        (self._folder / name).write_bytes(data)
        taken = Screenshot(name, digest, at, when, look)
        self.screenshots.append(taken)
        return taken

    def press_power(self) -> bool:
        """Ask the guest to shut down by ACPI; False when QEMU is gone."""
        return self._asked("system_powerdown")

    def events(self, name: str) -> list[dict[str, object]]:
        """Return the data of QEMU's events of a kind so far: ``SHUTDOWN``, ``RESET``, ``GUEST_PANICKED``."""
        return [data for _, data in self._events(name)]

    def restarts(self) -> int:
        """Return how often the guest restarted so far.

        SeaBIOS resets the machine up to four times more for each, in a tenth of a second, to have itself afresh.
        """
        count, begun = 0, float("-inf")
        for at, data in self._events("RESET"):
            if data.get("guest") and at >= begun + _ONE_RESTART:
                count, begun = count + 1, at
        return count

    def _events(self, name: str) -> list[tuple[float, dict[str, object]]]:
        """Return when each event of a kind was, in seconds since 1970, and its data."""
        with self._lock:
            if self._qmp is not None:
                self._qmp.drain()
            told = list(self._qmp.events) if self._qmp else []
        found = []
        for event in told:
            data, when = event.get("data"), event.get("timestamp")
            if event.get("event") == name and isinstance(data, dict) and isinstance(when, dict):
                found.append((when.get("seconds", 0) + when.get("microseconds", 0) / 1e6, data))
        return found

    def heard(self) -> tuple[Heard, ...]:
        """Return what the adapters sent so far; those of QEMU's own network are left out."""
        return tuple(told for _, told in self._heard())

    def accepted(self, port: int) -> bool:
        """Tell whether an adapter of the guest's accepted a connection to a TCP port so far."""
        self._listen()
        return any(ears.accepted(port, self._owns) for _, ears in self._captures)

    def is_answering(self, port: int) -> bool:
        """Tell whether an answer from a TCP port was this guest's: another one may have its address, too."""
        return self._wiring is None or bool(self._full) or self.accepted(port)

    def address(self) -> tuple[int, str] | None:
        """Return an adapter, counted from 0, and an address it goes by.

        A leased one is taken before one that was said in ARP, and that before what the guest reported.
        """
        found = [(number, told) for number, told in self._heard() if self._owns(told.mac)]
        leases = ((number, told.lease) for number, told in found if told.lease)
        others = ((number, told.addresses[-1]) for number, told in found if told.addresses)
        return next(leases, None) or next(others, None) or next(iter(self._learnt), None)

    @property
    def usual(self) -> tuple[int, str] | None:
        """The adapter and address of a guest that says none; None among others, one of which it may be."""
        return _USUAL if self._wiring is None else None

    def learn(self, inside: Inside) -> None:
        """Take up what a guest reported of its adapters, where any address of a network can be reached."""
        macs = self._wiring.macs if self._wiring is not None else ()
        for nic in inside.nics:
            address = nic.address.partition("/")[0]
            with suppress(ValueError):
                self._learnt.append((macs.index(nic.mac), str(IPv4Address(address))))

    def forward(self, adapter: int, address: str, port: int) -> int | None:
        """Return a port of 127.0.0.1 that leads to a TCP port of the guest; None when there is none.

        ``adapter`` counts from 0, ``address`` is the guest's there. QEMU chooses the port, so that no
        other program can have it.
        """
        if self._wiring is not None:
            return self._wiring.forward(adapter, address, port)
        return forward(self._human, f"net{adapter}", address, port)

    def bound_captures(self) -> None:
        """Stop recording a network on which a guest sends without end; what is there tells enough."""
        for number, (capture, _) in enumerate(self._captures):
            with suppress(OSError):
                if number not in self._full and capture.stat().st_size > MAX_CAPTURE:
                    self._full.add(number)
                    self._asked("object-del", id=f"dump{number}")

    def close(self) -> None:
        """Close the monitor; QEMU goes on."""
        if self._qmp is not None:
            self._qmp.close()

    def _asked(self, command: str, **arguments: object) -> bool:
        return self._run(command, **arguments) is not None

    def _human(self, line: str) -> str:
        return str(self._run("human-monitor-command", **{"command-line": line}) or "")

    def _run(self, command: str, **arguments: object) -> object:
        """Run one of QEMU's commands; None when it is not answered."""
        with self._lock, suppress(KenshoError):
            if self._qmp is not None and self._qmp.answers:
                return self._qmp.run(command, **arguments)
        return None

    def _heard(self) -> list[tuple[int, Heard]]:
        self._listen()
        found = ((n, told) for n, (_, ears) in enumerate(self._captures) for told in ears.heard())
        return [(number, told) for number, told in found if not told.mac.startswith(QEMUS)]

    def _owns(self, mac: str) -> bool:
        if self._wiring is not None:
            return mac in self._wiring.macs
        return not mac.startswith(QEMUS)

    def _listen(self) -> None:
        """Hear what was captured since."""
        with self._lock:
            for number, (capture, ears) in enumerate(self._captures):
                with suppress(KenshoError, OSError), capture.open("rb") as file:
                    file.seek(self._read[number])
                    data = file.read(max(0, MAX_CAPTURE - self._read[number]))
                    self._read[number] += len(data)
                    ears.feed(data)


def _is_text(text: str) -> bool:
    """Tell text from what a graphics mode leaves at the same place."""
    known = sum(c.isascii() and c.isprintable() for c in text)
    return bool(text.strip()) and known >= len(text) * 0.9
