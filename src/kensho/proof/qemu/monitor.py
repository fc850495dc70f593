"""QEMU's monitor as it is asked while a guest runs, by several threads: what it does not answer is no error."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from kensho.model.errors import KenshoError
from kensho.proof.qemu.qmp import Qmp


class Monitor:
    """The monitor of one QEMU, which may be gone at any time."""

    def __init__(self, path: Path, runs: Callable[[], bool]) -> None:
        """Connect to it, as long as QEMU ``runs``."""
        self._lock = threading.Lock()  # probes ask from threads of their own
        self._qmp: Qmp | None = None
        with suppress(KenshoError):
            self._qmp = Qmp(path, runs=runs)

    def run(self, command: str, **arguments: object) -> object:
        """Run one of QEMU's commands; None when it is not answered."""
        with self._lock, suppress(KenshoError):
            if self._qmp is not None and self._qmp.answers:
                return self._qmp.run(command, **arguments)
        return None

    def does(self, command: str, **arguments: object) -> bool:
        """Run a command, and tell whether it was answered."""
        return self.run(command, **arguments) is not None

    def human(self, line: str) -> str:
        """Run a line of the monitor for people; empty when it is not answered."""
        return str(self.run("human-monitor-command", **{"command-line": line}) or "")

    def events(self, name: str) -> list[tuple[float, dict[str, object]]]:
        """Return when each event of a kind was so far, in seconds since 1970, and its data."""
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

    def close(self) -> None:
        """Close it; QEMU goes on."""
        if self._qmp is not None:
            self._qmp.close()
