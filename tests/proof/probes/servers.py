"""Servers that answer as guests do, well and badly: each connection is answered by a function."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

Answering = Callable[[socket.socket], None]


@contextmanager
def serving(answer: Answering, path: Path | None = None) -> Iterator[tuple[str, int]]:
    """Give the address of a server, or of a socket's ``path``; connections are closed after ``answer``."""
    listener = socket.socket(socket.AF_UNIX if path else socket.AF_INET)
    listener.bind(str(path) if path else ("127.0.0.1", 0))
    listener.listen()
    threads: list[threading.Thread] = []

    def one(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            answer(connection)

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threads.append(threading.Thread(target=one, args=(connection,), daemon=True))
                threads[-1].start()

    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    try:
        yield listener.getsockname()
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        acceptor.join(10)


def saying(data: bytes) -> Answering:
    """Answer with bytes, and wait until the other side goes."""

    def answer(connection: socket.socket) -> None:
        connection.sendall(data)
        waiting(connection)

    return answer


def waiting(connection: socket.socket) -> None:
    """Say nothing until the other side goes."""
    while connection.recv(1 << 16):
        pass


def closing(_connection: socket.socket) -> None:
    """Close at once, as a forward does for a guest that refuses."""


def flooding(connection: socket.socket) -> None:
    """Send without end."""
    while True:
        connection.sendall(b"\x1b[31mA" * 4096)


def dripping(connection: socket.socket) -> None:
    """Send a byte now and then, and never a line."""
    while True:
        connection.sendall(b"S")
        time.sleep(0.05)
