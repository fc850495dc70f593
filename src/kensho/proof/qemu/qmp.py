"""QEMU's machine protocol: one client, one command at a time.

Spec: QEMU docs/interop/qmp-spec. What QEMU says by itself (events) is kept for whoever asks.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from kensho.model.errors import ProofError
from kensho.proof.qemu.lines import Lines, object_of

_MOST_LINE = 16 << 20
_MOST_EVENTS = 1000
_DRAIN = 0.5  # seconds, however much QEMU has to say
_START, _ANSWER = 120.0, 30.0  #: seconds, where others have the processor, too


class Qmp:
    """A connection to a running QEMU. Methods raise ProofError when it ended, does not answer or refuses."""

    def __init__(
        self, path: Path, *, timeout: float = _ANSWER, runs: Callable[[], bool] = lambda: True
    ) -> None:
        """Connect to a socket that QEMU listens on, waiting until it does, as long as it ``runs``.

        ``timeout`` is seconds for an answer.
        """
        self.events: list[dict[str, Any]] = []  #: the first thousand
        self.answers = True  #: False once it was silent or made no sense: it is not asked again
        self._timeout = timeout
        self._socket = _connected(path, max(timeout, _START), runs)
        self._lines = Lines(self._socket, "QEMU", _MOST_LINE)
        try:
            self._told(time.monotonic() + timeout)  # its greeting
            self.run("qmp_capabilities")
        except ProofError:
            self._socket.close()
            raise

    def run(self, command: str, **arguments: object) -> Any:
        """Run a command and return its answer."""
        asked: dict[str, object] = {"execute": command}
        if arguments:
            asked["arguments"] = arguments
        deadline = time.monotonic() + self._timeout
        self._lines.send(asked, deadline)
        while True:
            told = self._told(deadline)
            if "event" in told:
                self._keep(told)
            elif "error" in told:
                why = told["error"]
                words = why.get("desc") if isinstance(why, dict) else None
                raise ProofError(f"{command}: {words or 'refused'}")
            elif "return" in told:
                return told["return"]

    def _told(self, deadline: float) -> dict[str, Any]:
        try:
            return self._object(deadline)
        except ProofError:
            self.answers = False
            raise

    def _keep(self, event: dict[str, Any]) -> None:
        if len(self.events) < _MOST_EVENTS:
            self.events.append(event)

    def _object(self, until: float) -> dict[str, Any]:
        told = object_of(self._lines.line(until))
        if told is None:
            raise ProofError("QEMU says what is no object of JSON")
        return told

    def drain(self) -> None:
        """Take up what QEMU said of its own accord, also when it has ended since."""
        deadline = time.monotonic() + _DRAIN
        with suppress(ProofError):
            while time.monotonic() < deadline:
                told = self._object(time.monotonic() + 0.05)
                if "event" in told:
                    self._keep(told)

    def close(self) -> None:
        """Close the connection; QEMU goes on."""
        self._socket.close()


def _connected(path: Path, seconds: float, runs: Callable[[], bool]) -> socket.socket:
    deadline = time.monotonic() + seconds
    while True:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.connect(str(path))
        except OSError:
            connection.close()
            if time.monotonic() > deadline or not runs():
                raise ProofError("QEMU does not open its monitor", path=path) from None
            time.sleep(0.05)
        else:
            return connection
