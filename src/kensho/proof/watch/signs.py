"""What a guest says in text wherever it says it: its serial port, its firmware's, and its text screen."""

from __future__ import annotations

import os
from pathlib import Path

from kensho.proof.watch.serial import SerialWatch

MAX_LOG = 8 << 20  #: bytes of a log that are kept; a guest in a loop must not fill the disk
_PIECE = 1 << 20


class Signs:
    """Milestones and a failure, from all three. ``serial``, ``firmware`` and ``screen`` take what is new."""

    def __init__(self) -> None:
        self.serial, self.firmware, self.screen = SerialWatch(), SerialWatch(), SerialWatch()

    @property
    def milestones(self) -> dict[str, float]:
        """Everything seen so far, by whatever showed it first; seconds from the start."""
        found: dict[str, float] = {}
        for watch in (self.firmware, self.screen, self.serial):
            for name, at in watch.milestones.items():
                found[name] = min(at, found.get(name, at))
        return found

    @property
    def failure(self) -> str:
        """Why it cannot go on, in its own words; empty while all is well."""
        said = (watch.failure for watch in (self.serial, self.firmware, self.screen))
        return next((words for words in said if words), "")

    def restart(self) -> None:
        """Take up that the guest restarted: what it said before is of another start."""
        for watch in (self.firmware, self.screen, self.serial):
            watch.restart()

    def forgive(self) -> None:
        """Take up that it came up: what it complained of before was no failure."""
        for watch in (self.firmware, self.screen, self.serial):
            watch.failure = ""


class FirmwareLog:
    """What a BIOS writes to its debug port, in a file of QEMU's; only the first of it matters."""

    def __init__(self, path: Path | None) -> None:
        """``path`` may not be there yet; None for a firmware that has no such port."""
        self._path = path
        self._read = 0

    def more(self) -> bytes:
        """Return what was written since."""
        if self._path is None or not self._path.exists():
            return b""
        if self._read >= MAX_LOG:
            os.truncate(self._path, 0)  # QEMU writes on where it was, and leaves a hole
            return b""
        with self._path.open("rb") as file:
            file.seek(self._read)
            data = file.read(_PIECE)
        self._read += len(data)
        return data
