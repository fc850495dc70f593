"""Sockets and threads of the NBD server: one thread per client, at most so many."""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import stat
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from kensho.disks.nbd.negotiate import negotiate
from kensho.disks.nbd.protocol import ClientGoneError
from kensho.disks.nbd.session import Session
from kensho.model.errors import KenshoError, UsageError

if TYPE_CHECKING:
    from kensho.disks.nbd.protocol import Export

DEFAULT_PORT = 10809  #: IANA's for NBD
MAX_CLIENTS = 32
_HANDSHAKE_SECONDS = 10.0
_LEAVE_SECONDS = 5.0
_MAX_UNIX_PATH = 107


class NbdServer:
    """Serves one export on a listening socket, which it owns from now on.

    ``run`` works until ``stop`` is called, which any thread and any signal handler may do.
    """

    __slots__ = (
        "_clients",
        "_export",
        "_listener",
        "_lock",
        "_once",
        "_sleeper",
        "_stopping",
        "_waker",
    )

    def __init__(self, listener: socket.socket, export: Export, *, once: bool = False) -> None:
        self._listener = listener
        self._export = export
        self._once = once
        self._clients: dict[threading.Thread, socket.socket] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._sleeper, self._waker = socket.socketpair()
        for sock in (self._listener, self._sleeper, self._waker):
            sock.settimeout(0)

    @property
    def uri(self) -> str:
        """Where clients find the export, as nbdinfo and qemu-img understand it."""
        name = quote(self._export.name, safe="")
        address = self._listener.getsockname()
        if self._listener.family == socket.AF_UNIX:
            return f"nbd+unix:///{name}?socket={quote(os.fsencode(Path(address).absolute()))}"
        host = f"[{address[0]}]" if ":" in address[0] else address[0]
        return f"nbd://{host}:{address[1]}/{name}"

    def run(self) -> None:
        """Serve until stopped, or with ``once`` until the last client has left.

        When this returns, no client is left and a disk that can be written is flushed.
        """
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(self._listener, selectors.EVENT_READ)
                selector.register(self._sleeper, selectors.EVENT_READ)
                while not self._is_stopped({key.fileobj for key, _ in selector.select()}):
                    pass
        finally:
            self._end()
        if self._export.writable is not None:
            self._export.writable.flush()

    def stop(self) -> None:
        """Make ``run`` end: no new clients, requests under way are finished."""
        with contextlib.suppress(OSError):
            self._waker.send(b"x")

    def _is_stopped(self, ready: set[Any]) -> bool:
        if self._sleeper in ready:
            return True
        # EMFILE included: the client is gone, the server is not.
        with contextlib.suppress(OSError):
            self._welcome(self._listener.accept()[0])
        return False

    def _welcome(self, sock: socket.socket) -> None:
        with self._lock:
            if len(self._clients) >= MAX_CLIENTS:
                sock.close()
                return
            thread = threading.Thread(target=self._serve, args=(sock,), name="nbd", daemon=True)
            self._clients[thread] = sock
        try:
            thread.start()
        except RuntimeError:  # no more threads
            self._forget(thread)

    def _serve(self, sock: socket.socket) -> None:
        served = False
        try:
            # Bytes that break the protocol, a client that hangs up: its own affair.
            with contextlib.suppress(ClientGoneError, OSError):
                sock.settimeout(_HANDSHAKE_SECONDS)
                if sock.family != socket.AF_UNIX:
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                agreed = negotiate(sock, self._export)
                if agreed is not None:
                    served = True
                    sock.settimeout(None)
                    Session(sock, self._export, agreed).run(self._stopping)
            self._keep()
        finally:
            left = self._forget(threading.current_thread())
            if self._once and served and not left:
                self.stop()

    def _keep(self) -> None:
        """Put what the client wrote into safety; an error shows again at the next flush."""
        if self._export.writable is not None:
            with contextlib.suppress(KenshoError, OSError):
                self._export.writable.flush()

    def _forget(self, thread: threading.Thread) -> int:
        """Close the client's socket; return how many clients are left."""
        with self._lock:
            sock = self._clients.pop(thread, None)
            if sock is not None:
                sock.close()
            return len(self._clients)

    def _end(self) -> None:
        path = self._listener.getsockname() if self._listener.family == socket.AF_UNIX else None
        self._listener.close()
        if path:
            Path(path).unlink(missing_ok=True)
        self._stopping.set()
        # First no more requests are read; who does not take the last answer is cut off.
        threads = self._shut(socket.SHUT_RD)
        deadline = time.monotonic() + _LEAVE_SECONDS
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        for thread in self._shut(socket.SHUT_RDWR):
            thread.join()
        self._sleeper.close()
        self._waker.close()

    def _shut(self, how: int) -> list[threading.Thread]:
        with self._lock:
            for sock in self._clients.values():
                with contextlib.suppress(OSError):
                    sock.shutdown(how)
            return list(self._clients)


def listen_tcp(host: str = "127.0.0.1", port: int = DEFAULT_PORT) -> socket.socket:
    """Listen on a TCP port, 0 for any free one; UsageError when that cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen()
    except (OSError, OverflowError, ValueError) as error:
        sock.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(
            f"cannot listen on {host} port {port}: {reason}",
            hint="choose another with --port N; --port 0 takes any free one",
        ) from None
    return sock


def listen_unix(path: str) -> socket.socket:
    """Listen on a Unix socket that only this user can reach; a dead one is replaced.

    UsageError when the path is too long, taken or cannot be made.
    """
    if len(os.fsencode(path)) > _MAX_UNIX_PATH:
        raise UsageError(
            f"longer than {_MAX_UNIX_PATH} bytes", path=path, hint="use a shorter path"
        )
    _remove_dead(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        sock.bind(path)
        sock.listen()
    except (OSError, ValueError) as error:
        sock.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"cannot listen there: {reason}", path=path) from None
    finally:
        os.umask(before)
    return sock


def _remove_dead(path: str) -> None:
    """Remove the socket a killed server left; anything else at the path stays."""
    try:
        if not stat.S_ISSOCK(Path(path).lstat().st_mode):
            return
    except (OSError, ValueError):
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            Path(path).unlink(missing_ok=True)
        except OSError:
            return
