"""What is seen of a running guest beside its serial port: its screen, its network, how it ended.

All of it is asked of QEMU over its monitor. The guest takes no part in it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec

from kensho.model.errors import KenshoError
from kensho.proof.bounds import MAX_CAPTURE
from kensho.proof.capture import Heard, heard
from kensho.proof.qmp import Qmp
from kensho.proof.screen import TEXT_AT, TEXT_SIZE, Look, look_of, read_ppm, text_of, to_png

MAX_PICTURES = 12


class Screenshot(msgspec.Struct, frozen=True):
    """A picture of the screen: ``file`` is a PNG, ``at`` seconds from the start, ``when`` a milestone."""

    file: str
    sha256: str
    at: float
    when: str
    look: Look


class Observer:
    """Watches one QEMU. Whatever QEMU does not answer is not seen, and never an error."""

    def __init__(
        self,
        monitor: Path,
        captures: tuple[Path, ...],
        folder: Path,
        runs: Callable[[], bool] = lambda: True,
    ) -> None:
        """Connect to the monitor, as long as QEMU ``runs``; pictures go to ``folder``."""
        self.screenshots: list[Screenshot] = []
        self.text: tuple[str, ...] = ()  #: the last text screen that was seen
        self._captures = captures
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

    def take_picture(self, when: str, at: float) -> Screenshot | None:
        """Keep a picture of the screen, None when it is as before or there are enough."""
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
        data = to_png(picture)
        digest = hashlib.sha256(data).hexdigest()
        if self.screenshots and self.screenshots[-1].sha256 == digest:
            return None
        name = f"screen{len(self.screenshots) + 1:02d}.png"
        (self._folder / name).write_bytes(data)
        taken = Screenshot(name, digest, at, when, look_of(picture))
        self.screenshots.append(taken)
        return taken

    def press_power(self) -> bool:
        """Ask the guest to shut down by ACPI; False when QEMU is gone."""
        return self._asked("system_powerdown")

    def events(self, name: str) -> list[dict[str, object]]:
        """Return the data of QEMU's events of a kind so far: ``SHUTDOWN``, ``RESET``, ``GUEST_PANICKED``."""
        if self._qmp is not None:
            self._qmp.drain()
        told = self._qmp.events if self._qmp else []
        found = [event.get("data") for event in told if event.get("event") == name]
        return [data for data in found if isinstance(data, dict)]

    def heard(self) -> tuple[Heard, ...]:
        """Return what the adapters sent so far; those of QEMU's own network are left out."""
        found: list[Heard] = []
        for capture in self._captures:
            with suppress(KenshoError, OSError), capture.open("rb") as file:
                found += heard(file.read(MAX_CAPTURE))
        return tuple(told for told in found if not told.mac.startswith(("52:55:0a", "52:56:")))

    def bound_captures(self) -> None:
        """Stop recording a network on which a guest sends without end; what is there tells enough."""
        for number, capture in enumerate(self._captures):
            with suppress(OSError):
                if number not in self._full and capture.stat().st_size > MAX_CAPTURE:
                    self._full.add(number)
                    self._asked("object-del", id=f"dump{number}")

    def close(self) -> None:
        """Close the monitor; QEMU goes on."""
        if self._qmp is not None:
            self._qmp.close()

    def _asked(self, command: str, **arguments: object) -> bool:
        if self._qmp is None or not self._qmp.answers:
            return False
        try:
            self._qmp.run(command, **arguments)
        except KenshoError:
            return False
        return True


def _is_text(text: str) -> bool:
    """Tell text from what a graphics mode leaves at the same place."""
    known = sum(c.isascii() and c.isprintable() for c in text)
    return bool(text.strip()) and known >= len(text) * 0.9
