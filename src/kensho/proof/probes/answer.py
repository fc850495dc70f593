"""What one try of a probe showed, and bytes read from a guest with a limit to their number and time."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

import msgspec

_MOST_WORDS = 200


class Answer(msgspec.Struct, frozen=True):
    """``seen`` is for people; ``final`` tells that asking again cannot help."""

    ok: bool
    seen: str
    output: str = ""
    final: bool = False


def good(seen: str, output: str = "") -> Answer:
    """Return that it is as it should be."""
    return Answer(ok=True, seen=seen, output=output)


def bad(seen: str, output: str = "", *, final: bool = False) -> Answer:
    """Return that it is not, or not yet."""
    return Answer(ok=False, seen=seen, output=output, final=final)


def plain(data: bytes | str, most: int = _MOST_WORDS) -> str:
    """Return a guest's text as one printable line."""
    text = data.decode("utf-8", "replace") if isinstance(data, bytes) else data
    return "".join(c if c.isprintable() else " " for c in text[: 4 * most]).strip()[:most]


def connect(address: tuple[str, int], until: float) -> socket.socket:
    """Return a connection; OSError when there is none by then (`time.monotonic`)."""
    return socket.create_connection(address, max(0.1, until - time.monotonic()))


def read_until(
    connection: socket.socket, enough: Callable[[bytes], bool], most: int, until: float
) -> bytes:
    """Return what is sent until it is enough, too much, over, or too late; OSError when it breaks off.

    However slowly the other side sends, it is over by ``until``.
    """
    data = b""
    while len(data) < most and not enough(data):
        left = until - time.monotonic()
        if left <= 0:
            break
        connection.settimeout(left)
        try:
            more = connection.recv(most - len(data))
        except TimeoutError:
            break
        if not more:
            break
        data += more
    return data


def why(error: OSError) -> str:
    """Return what went wrong with a connection, in words."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ConnectionResetError):
        return "the connection is closed at once"
    return plain(error.strerror or str(error)) or type(error).__name__
