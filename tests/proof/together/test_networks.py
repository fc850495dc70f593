"""The networks of an appliance as QEMU runs them, with adapters that are played here: no guest starts."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from kensho.model.errors import ProofError, UnsupportedError
from kensho.proof.guests import Plug
from kensho.proof.together import networks
from kensho.proof.together.networks import Networks, connecting, names_of
from tests.proof.together.test_bridge import EVERYBODY, Adapter
from tests.proof.watch.test_boot import left_behind

MAC = bytes.fromhex("525400aa0001")
OTHER = bytes.fromhex("525400aa0002")
MACHINES = (
    (Plug(MAC.hex(":"), "outer"), Plug("52:54:00:aa:00:09", None)),
    (Plug(OTHER.hex(":"), "inner"),),
)
STATIC = socket.inet_aton("192.168.77.2")


@pytest.fixture
def running() -> Iterator[Networks]:
    with connecting(MACHINES) as made:
        yield made


def checksum(data: bytes) -> bytes:
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return struct.pack(">H", ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF)


def packet(protocol: int, source: bytes, target: bytes, content: bytes) -> bytes:
    """Return Ethernet's type and an IPv4 packet (RFC 791)."""
    head = struct.pack(">BBHHHBB", 0x45, 0, 20 + len(content), 0, 0, 64, protocol)
    check = checksum(head + bytes(2) + source + target)
    return b"\x08\x00" + head + check + source + target + content


def discover(mac: bytes) -> bytes:
    """Return a DHCP DISCOVER (RFC 2131) in UDP, without UDP's checksum."""
    dhcp = struct.pack(">BBBBIHH16s16s64s128s", 1, 1, 6, 0, 7, 0, 0x8000, b"", mac, b"", b"")
    dhcp += bytes.fromhex("63825363 350101 ff")
    udp = struct.pack(">HHHH", 68, 67, 8 + len(dhcp), 0) + dhcp
    return packet(17, bytes(4), b"\xff" * 4, udp)


def syn(source: bytes, target: bytes, port: int) -> bytes:
    """Return the first packet of a TCP connection (RFC 9293)."""
    head = struct.pack(">HHIIBBH", 40000, port, 1, 0, 0x50, 2, 65535)
    pseudo = source + target + struct.pack(">HH", 6, 20)
    check = checksum(pseudo + head + bytes(4))
    return packet(6, source, target, head + check + bytes(2))


def offered(adapter: Adapter, mac: bytes) -> str:
    """Ask for an address until one is offered: QEMU may not be there yet."""
    while True:
        adapter.send(EVERYBODY, mac, discover(mac))
        while adapter.speaks():
            frame = adapter.next()
            if frame[12:14] == b"\x08\x00" and frame[23] == 17 and frame[34:36] == b"\x00\x43":
                return socket.inet_ntoa(frame[58:62])


def test_each_network_gives_out_its_own_addresses(running: Networks) -> None:
    (outer, nowhere), (inner,) = (running.connect(plugs).plugs for plugs in MACHINES)
    assert nowhere is None
    for path, mac, address in ((outer, MAC, "10.0.2.15"), (inner, OTHER, "10.0.3.15")):
        assert path is not None
        adapter = Adapter(path)
        with closing(adapter.socket):
            assert offered(adapter, mac) == address


def test_nothing_leads_from_a_guest_to_this_machine(running: Networks) -> None:
    (path, _) = running.connect(MACHINES[0]).plugs
    assert path is not None
    adapter = Adapter(path)
    with closing(adapter.socket), socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(1)
        own, host = socket.inet_aton(offered(adapter, MAC)), socket.inet_aton("10.0.2.2")
        # QEMU's own network leads to 127.0.0.1 here, where it is not restricted.
        adapter.send(bytes.fromhex("52550a000202"), MAC, syn(own, host, server.getsockname()[1]))
        with pytest.raises(TimeoutError):
            server.accept()


def test_a_guest_with_an_address_of_its_own_is_reached(running: Networks) -> None:
    """What comes from here asks for its address, and then speaks to it: a SYN (RFC 9293) to the port."""
    outlets = running.connect(MACHINES[1])
    assert outlets.plugs[0] is not None
    adapter = Adapter(outlets.plugs[0])
    with closing(adapter.socket):
        here = outlets.forward(0, "192.168.77.2", 5432)
        assert here is not None
        with closing(socket.create_connection(("127.0.0.1", here), 120)):
            while (asked := adapter.next())[12:14] != b"\x08\x06" or asked[38:42] != STATIC:
                pass
            answer = b"\x08\x06" + struct.pack(">HHBBH", 1, 0x0800, 6, 4, 2)
            adapter.send(asked[6:12], OTHER, answer + OTHER + STATIC + asked[22:32])
            while (frame := adapter.next())[23] != 6 or frame[12:14] != b"\x08\x00":
                pass
    assert frame[:6] == OTHER
    assert socket.inet_ntoa(frame[26:30]) == "192.168.77.249"
    assert struct.unpack_from(">H", frame, 36)[0] == 5432
    assert frame[47] == 2  # SYN


def test_no_way_leads_to_an_adapter_without_a_network(running: Networks) -> None:
    outlets = running.connect(MACHINES[0])
    assert outlets.forward(1, "10.0.2.15", 80) is None
    assert outlets.forward(9, "10.0.2.15", 80) is None
    assert outlets.forward(0, "nonsense", 80) is None


def test_it_is_gone_when_the_block_is_left() -> None:
    with connecting(MACHINES) as running:
        folder = running.connect(MACHINES[1]).plugs[0].parent  # type: ignore[union-attr]
    assert not folder.exists()
    assert left_behind(f"{folder}/") == []


def test_a_qemu_that_does_not_start_is_told_in_its_own_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in = tmp_path / "qemu"
    stand_in.write_text("#!/bin/sh\necho 'no netdev stream' >&2\nexit 1\n")
    stand_in.chmod(0o755)
    monkeypatch.setattr(networks, "find_qemu", lambda: str(stand_in))
    with pytest.raises(ProofError, match="no netdev stream"), connecting(MACHINES):
        pass


def test_networks_are_bounded() -> None:
    with pytest.raises(UnsupportedError):
        names_of([[Plug("", str(number)) for number in range(201)]])
