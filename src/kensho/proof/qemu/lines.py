"""JSON objects, each in a line of its own, over a socket: how QEMU's monitor and a guest's agent talk.

What comes may be a guest's: its size and its time are bounded, and what makes no sense is told from it.
"""

from __future__ import annotations

import json
import socket
import time
from typing import Any

from kensho.model.errors import ProofError

_PIECE = 1 << 16


class Lines:
    """What is said over a connection that stays the caller's.

    Methods raise ProofError; ``until`` is a time of the monotonic clock.
    """

    def __init__(self, connection: socket.socket, who: str, most: int) -> None:
        """``who`` is on the other side, for messages; a line of more than ``most`` bytes is not read."""
        self._socket = connection
        self._who = who
        self._most = most
        self._rest = bytearray()

    def send(self, asked: dict[str, object], until: float, before: bytes = b"") -> None:
        """Send an object; ``before`` are bytes in front of it."""
        self._socket.settimeout(max(0.01, until - time.monotonic()))
        try:
            self._socket.sendall(before + json.dumps(asked).encode() + b"\n")
        except OSError:
            raise ProofError(f"{self._who} does not answer") from None

    def line(self, until: float) -> bytes:
        """Return the next line, without its end."""
        looked = 0
        while (end := self._rest.find(b"\n", looked)) < 0:
            looked = len(self._rest)
            if looked > self._most:
                raise ProofError(f"{self._who} says more than anybody reads")
            self._receive(until)
        line = bytes(self._rest[:end])
        del self._rest[: end + 1]
        return line

    def _receive(self, until: float) -> None:
        left = until - time.monotonic()
        if left <= 0:
            raise ProofError(f"{self._who} does not answer")
        self._socket.settimeout(left)
        try:
            data = self._socket.recv(_PIECE)
        except OSError:
            raise ProofError(f"{self._who} does not answer") from None
        if not data:
            raise ProofError(f"{self._who} is gone")
        self._rest += data


def object_of(line: bytes) -> dict[str, Any] | None:
    """Return the object that a line holds, None when it holds none."""
    try:
        told = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return told if isinstance(told, dict) else None
