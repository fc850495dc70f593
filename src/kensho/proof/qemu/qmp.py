"""QEMU's machine protocol: one client, one command at a time.

Spec: QEMU docs/interop/qmp-spec. What QEMU says by itself (events) is kept for whoever asks.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from kensho.model.errors import ProofError

_MOST_LINE = 16 << 20
_MOST_EVENTS = 1000
_DRAIN = 0.5  # seconds, however much QEMU has to say


class Qmp:
    """A connection to a running QEMU. Methods raise ProofError when it ended, does not answer or refuses."""

    def __init__(
        self, path: Path, *, timeout: float = 10, runs: Callable[[], bool] = lambda: True
    ) -> None:
        """Connect to a socket that QEMU listens on, waiting until it does, as long as it ``runs``."""
        self.events: list[dict[str, Any]] = []  #: the first thousand
        self.answers = True  #: False once it was silent or made no sense: it is not asked again
        self._timeout = timeout
        self._rest = b""
        self._socket = _connected(path, timeout, runs)
        try:
            self._told(time.monotonic() + timeout)  # its greeting
            self.run("qmp_capabilities")
        except ProofError:
            self._socket.close()
            raise

    def run(self, command: str, **arguments: object) -> Any:
        """Run a command and return its answer."""
        asked = {"execute": command} | ({"arguments": arguments} if arguments else {})
        deadline = time.monotonic() + self._timeout
        try:
            self._socket.sendall(json.dumps(asked).encode() + b"\n")
        except OSError as error:
            raise ProofError(f"QEMU does not take commands: {error.strerror}") from None
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
            return self._line(deadline)
        except ProofError:
            self.answers = False
            raise

    def _keep(self, event: dict[str, Any]) -> None:
        if len(self.events) < _MOST_EVENTS:
            self.events.append(event)

    def _line(self, deadline: float) -> dict[str, Any]:
        while b"\n" not in self._rest:
            self._socket.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                data = self._socket.recv(1 << 16)
            except OSError:
                raise ProofError("QEMU does not answer") from None
            if not data:
                raise ProofError("QEMU ended")
            self._rest += data
            if len(self._rest) > _MOST_LINE:
                raise ProofError("QEMU says more than anybody can read")
        line, _, self._rest = self._rest.partition(b"\n")
        try:
            told = json.loads(line)
        except ValueError:
            raise ProofError("QEMU says what is no JSON") from None
        if not isinstance(told, dict):
            raise ProofError("QEMU says what is no object")
        return told

    def drain(self) -> None:
        """Take up what QEMU said of its own accord, also when it has ended since."""
        deadline = time.monotonic() + _DRAIN
        with suppress(ProofError):
            while time.monotonic() < deadline:
                told = self._line(time.monotonic() + 0.05)
                if "event" in told:
                    self._keep(told)

    def close(self) -> None:
        """Close the connection; QEMU goes on."""
        self._socket.close()


def _connected(path: Path, timeout: float, runs: Callable[[], bool]) -> socket.socket:
    deadline = time.monotonic() + timeout
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
