"""What is heard of TCP in a capture: who accepts a connection. Whole captures: `tests/proof/test_screen.py`."""

from __future__ import annotations

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kensho.model.errors import CorruptError
from kensho.proof.watch.capture import Ears

GUEST, OTHER = bytes.fromhex("525400aabbcc"), bytes.fromhex("525400000001")
HEAD = struct.pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)


def tcp(source: bytes, port: int, flags: int, options: int = 0) -> bytes:
    """Return a record with a packet of TCP from a port; ``options`` are words of IP options."""
    ip = struct.pack(">BBHHHBBH8x", 0x45 + options, 0, 0, 0, 0, 64, 6, 0) + bytes(4 * options)
    packet = (
        OTHER
        + source
        + b"\x08\x00"
        + ip
        + struct.pack(">HHIIBBHHH", port, 9, 0, 0, 0x50, flags, 0, 0, 0)
    )
    return struct.pack("<IIII", 0, 0, len(packet), len(packet)) + packet


def accepts(data: bytes, port: int, piece: int = 1 << 20) -> bool:
    ears = Ears()
    for at in range(0, len(data), piece):
        ears.feed(data[at : at + piece])
    return ears.accepted(port, lambda mac: mac == GUEST.hex(":"))


@pytest.mark.parametrize(
    ("record", "open_"),
    [
        (tcp(GUEST, 22, 0x12), True),
        (tcp(GUEST, 22, 0x52), True),  # with an echo of congestion
        (tcp(GUEST, 22, 0x12, options=2), True),
        (tcp(GUEST, 22, 0x14), False),  # refuses
        (tcp(GUEST, 22, 0x02), False),  # connects itself
        (tcp(GUEST, 22, 0x10), False),
        (tcp(GUEST, 23, 0x12), False),
        (tcp(OTHER, 22, 0x12), False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("piece", [1, 7, 1 << 20])
def test_who_accepts(record: bytes, open_: bool, piece: int) -> None:
    assert accepts(HEAD + tcp(GUEST, 1, 0x10) + record, 22, piece) is open_


@given(st.lists(st.binary(max_size=80), max_size=8), st.binary(max_size=40))
def test_any_packet(packets: list[bytes], rest: bytes) -> None:
    ears = Ears()
    ears.feed(HEAD)
    for packet in packets:
        ears.feed(struct.pack("<IIII", 0, 0, len(packet), len(packet)) + packet)
    ears.feed(rest)
    assert len(ears.heard()) <= 2 * len(packets) + 1


@given(st.binary(min_size=24, max_size=60))
def test_what_is_no_capture(data: bytes) -> None:
    try:
        Ears().feed(data)
    except CorruptError:
        return
    assert data[:4] in {HEAD[:4], HEAD[3::-1]}


def test_a_connection_as_the_kernel_makes_it() -> None:
    """On the adapter that leads back to this machine, which has no address."""
    try:
        tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))  # ETH_P_ALL
    except PermissionError:
        pytest.skip("packets cannot be recorded here")
    ears = Ears()
    ears.feed(HEAD)
    with tap, socket.create_server(("127.0.0.1", 0)) as server:
        tap.bind(("lo", 0))
        tap.settimeout(20)
        port = server.getsockname()[1]
        socket.create_connection(("127.0.0.1", port)).close()
        while not ears.accepted(port, lambda _mac: True):
            packet = tap.recv(1 << 16)
            ears.feed(struct.pack("<IIII", 0, 0, len(packet), len(packet)) + packet)
