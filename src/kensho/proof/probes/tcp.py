"""Whether a TCP port is open.

A forward accepts a connection before it has asked the guest (QEMU's does, docs of libslirp), and
closes it when the guest refuses. So that it stays open shows nothing; what shows it is that the guest
sends something, or that its own acceptance was seen on the wire.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from kensho.proof.probes.answer import Answer, bad, connect, good, plain, read_until, why

SILENCE = 3.0  #: seconds in which a guest refuses, also an emulated one
_LOOK = 0.25
_PEEK = 256


def port_opens(
    address: tuple[str, int],
    until: float,
    answered: Callable[[], bool] | None,
    silence: float = SILENCE,
) -> Answer:
    """Tell whether a port takes a connection and keeps it for seconds of ``silence``, or sends something.

    ``answered`` is as in `run`.
    """
    try:
        with connect(address, until) as connection:
            end = min(until, time.monotonic() + silence)
            while True:
                before = time.monotonic()
                data = read_until(connection, bool, _PEEK, min(end, before + _LOOK))
                if data:
                    return good(f"open; it says: {plain(data)}")
                now = time.monotonic()
                if now < min(end, before + _LOOK):
                    return bad("the connection is closed at once")
                if now >= end:
                    break
    except OSError as error:
        return bad(why(error))
    if answered is None or answered():
        return good("open; it accepts, and waits to be spoken to")
    return bad("no answer: nothing accepts, nothing refuses")
