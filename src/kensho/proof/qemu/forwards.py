"""Ports of this machine, on 127.0.0.1 alone, that lead to those of a guest on QEMU's own network."""

from __future__ import annotations

import re
from collections.abc import Callable

#: A line of `info usernet`: state, descriptor, source address and port, destination address and port.
_FORWARD = re.compile(r"TCP\[HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(\d+)\s+([\d.]+)\s+(\d+)\s")


def forward(ask: Callable[[str], str], name: str, address: str, port: int) -> int | None:
    """Return a port that leads to a TCP port of a guest; None when there is none.

    ``ask`` runs a line of QEMU's monitor for people, ``name`` is the network's. QEMU chooses the port, so
    that no other program can have it.
    """
    ask(f"hostfwd_add {name} tcp:127.0.0.1:0-{address}:{port}")
    inside = False
    for line in ask("info usernet").splitlines():
        if line.startswith("Hub "):
            inside = f"({name})" in line
        match = _FORWARD.search(line)
        if inside and match and (match[2], int(match[3])) == (address, port):
            return int(match[1])
    return None
