"""An Ethernet switch between QEMUs: each frame goes to the adapter it is for, broadcasts to all of a network.

A hub of QEMU's will not do: QEMU's own network (libslirp) takes every packet that it sees for its own,
whatever adapter it is addressed to, and resets connections between guests. Here it sees what is sent to
itself, and broadcasts. Frames come by Unix sockets as QEMU's ``-netdev stream`` sends them: the length in
four bytes, big-endian, then the frame (QEMU net/stream.c, net/net.c: at most 68 KiB).
"""

from __future__ import annotations

import os
import selectors
import socket
import struct
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path

_MOST_FRAME = 4096 + 65536
_MOST_WAITING = 1 << 20  #: bytes for an adapter that does not take them; what comes then is lost
_MOST_ADDRESSES = 4096
_READ = 1 << 16
_BOTH = selectors.EVENT_READ | selectors.EVENT_WRITE
_ARP = b"\x08\x06"


class Sees(Enum):
    """Which frames to other addresses than its own a port is given."""

    ALL = "all"  #: those for all adapters, and for addresses nobody has used yet
    BROADCASTS = "broadcasts"
    ARP = "arp"  #: those broadcasts alone that ask for addresses


class _Port:
    """One end of a connection to a QEMU."""

    def __init__(self, connection: socket.socket, network: int, sees: Sees) -> None:
        self.connection = connection
        self.network = network
        self.sees = sees
        self.waiting = bytearray()
        self._come = bytearray()

    def frames(self, data: bytes) -> Iterator[bytes]:
        """Take bytes and yield the frames that are whole; ValueError for what is none."""
        self._come += data
        while len(self._come) >= 4:
            (size,) = struct.unpack_from(">I", self._come)
            if not 14 <= size <= _MOST_FRAME:
                raise ValueError(size)
            if len(self._come) < 4 + size:
                return
            yield bytes(self._come[4 : 4 + size])
            del self._come[: 4 + size]


class Bridge:
    """The switch while it runs, in a thread of its own; `open_port` may be called from any."""

    def __init__(self) -> None:
        """Make it; nothing runs yet."""
        self._selector = selectors.DefaultSelector()
        self._wake, self._woken = os.pipe()
        self._selector.register(self._wake, selectors.EVENT_READ)
        self._opened: deque[tuple[socket.socket, int, Sees]] = deque()
        self._ports: list[_Port] = []
        self._known: dict[tuple[int, bytes], _Port] = {}
        self._over = False

    def open_port(self, path: Path, network: int, sees: Sees = Sees.ALL) -> None:
        """Let one QEMU connect by a socket at ``path`` to a network, by its number."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(path))
        listener.listen(1)
        self._opened.append((listener, network, sees))
        self._call()

    def run(self) -> None:
        """Switch until `stop`."""
        try:
            while not self._over:
                for key, events in self._selector.select():
                    if key.fd == self._wake:
                        os.read(self._wake, _READ)
                        self._listen()
                    elif isinstance(key.data, _Port):
                        self._serve(key.data, events)
                    else:
                        self._accept(key.fileobj, *key.data)  # type: ignore[arg-type]
        finally:
            self._close()

    def stop(self) -> None:
        """End `run`, soon."""
        self._over = True
        self._call()

    def _call(self) -> None:
        os.write(self._woken, b"\0")

    def _listen(self) -> None:
        while self._opened:
            listener, network, sees = self._opened.popleft()
            self._selector.register(listener, selectors.EVENT_READ, (network, sees))

    def _accept(self, listener: socket.socket, network: int, sees: Sees) -> None:
        self._selector.unregister(listener)
        with listener:
            connection, _ = listener.accept()
        connection.settimeout(0)
        port = _Port(connection, network, sees)
        self._ports.append(port)
        self._selector.register(connection, selectors.EVENT_READ, port)

    def _serve(self, port: _Port, events: int) -> None:
        if port not in self._ports:  # dropped a moment ago
            return
        try:
            if events & selectors.EVENT_WRITE:
                self._send(port)
            if events & selectors.EVENT_READ:
                data = port.connection.recv(_READ)
                if not data:
                    raise ConnectionError
                for frame in port.frames(data):
                    self._pass_on(port, frame)
        except BlockingIOError:
            pass
        except (OSError, ValueError):  # its QEMU ended, or sends no frames
            self._drop(port)

    def _pass_on(self, source: _Port, frame: bytes) -> None:
        target, sender = frame[:6], frame[6:12]
        if not sender[0] & 1 and len(self._known) < _MOST_ADDRESSES:
            self._known[source.network, sender] = source
        known = self._known.get((source.network, target))
        for port in [known] if known is not None else list(self._ports):
            same = port is not source and port.network == source.network
            if same and (port is known or _is_for_all(frame, port.sees)):
                self._put(port, frame)

    def _put(self, port: _Port, frame: bytes) -> None:
        if len(port.waiting) + len(frame) > _MOST_WAITING:
            return
        port.waiting += struct.pack(">I", len(frame)) + frame
        try:
            self._send(port)
        except BlockingIOError:  # the next time that it takes something
            self._selector.modify(port.connection, _BOTH, port)
        except OSError:
            self._drop(port)

    def _send(self, port: _Port) -> None:
        sent = port.connection.send(port.waiting) if port.waiting else 0
        del port.waiting[:sent]
        wanted = _BOTH if port.waiting else selectors.EVENT_READ
        self._selector.modify(port.connection, wanted, port)

    def _drop(self, port: _Port) -> None:
        if port in self._ports:
            self._ports.remove(port)
            self._known = {key: own for key, own in self._known.items() if own is not port}
            self._selector.unregister(port.connection)
            port.connection.close()

    def _close(self) -> None:
        for listener, _, _ in self._opened:
            listener.close()
        for key in list(self._selector.get_map().values()):
            if isinstance(key.fileobj, socket.socket):
                key.fileobj.close()
        self._selector.close()
        os.close(self._wake)
        os.close(self._woken)


def _is_for_all(frame: bytes, sees: Sees) -> bool:
    """Tell whether a port is given a frame to an address that none of its network is known by."""
    if sees is Sees.ALL:
        return True
    return bool(frame[0] & 1) and (sees is Sees.BROADCASTS or frame[12:14] == _ARP)


@contextmanager
def bridging() -> Iterator[Bridge]:
    """Give a switch that runs until the block is left."""
    bridge = Bridge()
    thread = threading.Thread(target=bridge.run, name="bridge")
    thread.start()
    try:
        yield bridge
    finally:
        bridge.stop()
        thread.join()
