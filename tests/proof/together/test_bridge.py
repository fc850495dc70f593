"""The switch between QEMUs, with sockets that speak as QEMU's do."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from kensho.proof.together.bridge import Sees, bridging
from tests.hypervisors.console import speaks

EVERYBODY = b"\xff" * 6
HELLO = b" hello"
ADDRESSES = [bytes.fromhex(f"5254000000{n:02x}") for n in range(8)]


class Adapter:
    """The end of a socket that a QEMU would have."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(120)
        self.socket.connect(str(path))

    def send(self, target: bytes, source: bytes, rest: bytes = b"\x08\x00 a packet") -> bytes:
        frame = target + source + rest
        self.socket.sendall(struct.pack(">I", len(frame)) + frame)
        return frame

    def next(self) -> bytes:
        """Return the next frame; one of `settle`'s may come late, and is passed over."""
        while (frame := self.any())[14:].startswith(HELLO):
            pass
        return frame

    def any(self) -> bytes:
        (size,) = struct.unpack(">I", self._exactly(4))
        return self._exactly(size)

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = self.socket.recv(size - len(data))
            if not more:
                raise ConnectionError
            data += more
        return data

    def speaks(self) -> bool:
        return speaks(self.socket.fileno(), 0.2)


Network = Callable[..., list[Adapter]]


@pytest.fixture
def adapters(tmp_path: Path) -> Iterator[Network]:
    """Connect adapters to a switch: each by the number of its network, and what it sees."""
    with ExitStack() as stack:
        bridge = stack.enter_context(bridging())

        def connect(*places: tuple[int, Sees]) -> list[Adapter]:
            for number, (network, sees) in enumerate(places):
                bridge.open_port(tmp_path / str(number), network, sees)
            made = [Adapter(tmp_path / str(number)) for number in range(len(places))]
            for one in made:
                stack.callback(one.socket.close)
            return made

        yield connect


def test_a_frame_goes_to_its_adapter_alone(adapters: Network) -> None:
    found = adapters(*[(0, Sees.ALL)] * 3)
    settle(found)
    said = found[0].send(ADDRESSES[1], ADDRESSES[0])
    marker = found[0].send(EVERYBODY, ADDRESSES[0], b"\x08\x00 to all")
    assert [found[1].next(), found[1].next()] == [said, marker]
    assert found[2].next() == marker


def test_networks_are_apart(adapters: Network) -> None:
    found = adapters((0, Sees.ALL), (0, Sees.ALL), (1, Sees.ALL), (1, Sees.ALL))
    settle(found[:2])
    settle(found[2:], 2)
    found[0].send(EVERYBODY, ADDRESSES[0])
    found[0].send(ADDRESSES[3], ADDRESSES[0])  # an address of the other network
    said = found[2].send(EVERYBODY, ADDRESSES[2])
    assert found[3].next() == said


def test_qemus_own_network_does_not_see_what_guests_say_to_each_other(
    adapters: Network,
) -> None:
    """It would reset their connections; the second one of a network is not asked for leases either."""
    found = adapters((0, Sees.ALL), (0, Sees.ALL), (0, Sees.BROADCASTS), (0, Sees.ARP))
    settle(found[:2])
    meet(found[0], ADDRESSES[0], found[2])
    meet(found[0], ADDRESSES[0], found[3], b"\x08\x06")
    between = found[0].send(ADDRESSES[1], ADDRESSES[0])
    assert found[1].next() == between
    found[0].send(ADDRESSES[7], ADDRESSES[0])  # nobody is known by that
    lease = found[0].send(EVERYBODY, ADDRESSES[0], b"\x08\x00 DHCP")
    asked = found[0].send(EVERYBODY, ADDRESSES[0], b"\x08\x06 ARP")
    assert [found[2].next(), found[2].next()] == [lease, asked]
    assert found[3].next() == asked


def test_one_that_sends_no_frames_is_cut_off_and_the_others_go_on(
    adapters: Network,
) -> None:
    found = adapters(*[(0, Sees.ALL)] * 3)
    settle(found)
    found[2].socket.sendall(struct.pack(">I", 1 << 30))
    with pytest.raises(ConnectionError):
        found[2].next()
    said = found[0].send(EVERYBODY, ADDRESSES[0])
    assert found[1].next() == said


def test_one_that_does_not_listen_holds_nobody_up(adapters: Network) -> None:
    found = adapters(*[(0, Sees.ALL)] * 3)
    settle(found)
    large = b"\x08\x00" + bytes(60000)
    for _ in range(60):  # adapter 2 takes none of it
        said = found[0].send(EVERYBODY, ADDRESSES[0], large)
        assert found[1].next() == said


def settle(found: list[Adapter], first: int = 0) -> None:
    """Have adapters say something until each was heard by all others: connecting takes a moment."""
    for number, one in enumerate(found):
        for other in found:
            if other is not one:
                meet(one, ADDRESSES[first + number], other)


def meet(one: Adapter, address: bytes, other: Adapter, kind: bytes = b"\x08\x00") -> None:
    while True:
        said = one.send(EVERYBODY, address, kind + HELLO)
        while other.speaks():
            if other.any() == said:
                return
