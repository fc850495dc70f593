"""What a guest sent on its network, from a capture that QEMU made: leases and addresses.

Spec: the pcap file format (draft-ietf-opsawg-pcap), ARP (RFC 826), DHCP (RFC 2131, RFC 2132). Packets are
a guest's, so every length is checked; one that makes no sense is passed over.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterator

import msgspec

from kensho.model.errors import CorruptError

_MAGIC = 0xA1B2C3D4
_ETHERNET = 1
_MOST_PACKET = 1 << 18
_IPV4, _ARP, _UDP = 0x0800, 0x0806, 17
_SERVER, _CLIENT = 67, 68
_COOKIE = b"\x63\x82\x53\x63"
_MESSAGE, _END, _PAD = 53, 255, 0
_DISCOVER, _REQUEST, _ACK = 1, 3, 5


class Heard(msgspec.Struct, frozen=True):
    """What was heard of one adapter: its address (``mac``), and what became of DHCP.

    ``asked`` tells that it asked for a lease, ``lease`` is the address it was given, ``addresses`` are
    those it said in ARP are its own. ``packets`` is how many it sent.
    """

    mac: str
    packets: int
    asked: bool
    lease: str
    addresses: tuple[str, ...]


def heard(data: bytes) -> tuple[Heard, ...]:
    """Return what each adapter did, by its address. CorruptError for what is no capture."""
    if len(data) < 24:
        raise CorruptError("a capture of packets is too short")
    order = "<" if struct.unpack_from("<I", data)[0] == _MAGIC else ">"
    magic, kind = (
        struct.unpack_from(f"{order}I", data)[0],
        struct.unpack_from(f"{order}I", data, 20)[0],
    )
    if magic != _MAGIC or kind != _ETHERNET:
        raise CorruptError("is no capture of Ethernet packets")
    packets: dict[str, int] = {}
    asked: set[str] = set()
    leases: dict[str, str] = {}
    addresses: dict[str, dict[str, None]] = {}
    for packet in _packets(data, order):
        source = packet[6:12].hex(":")
        packets[source] = packets.get(source, 0) + 1
        own = _own_address(packet)
        if own:
            addresses.setdefault(source, {})[own] = None
        client, message, lease = _dhcp(packet)
        if message in {_DISCOVER, _REQUEST}:
            asked.add(client)
        elif message == _ACK:
            leases[client] = lease
    return tuple(
        Heard(
            mac,
            packets.get(mac, 0),
            mac in asked,
            leases.get(mac, ""),
            tuple(addresses.get(mac, ())),
        )
        for mac in sorted({*packets, *asked, *leases})
    )


def _packets(data: bytes, order: str) -> Iterator[bytes]:
    at = 24
    while at + 16 <= len(data):
        _, _, kept, _ = struct.unpack_from(f"{order}IIII", data, at)
        at += 16
        if kept > _MOST_PACKET or at + kept > len(data):
            return  # it was being written when QEMU ended
        if kept >= 14:
            yield data[at : at + kept]
        at += kept


def _own_address(packet: bytes) -> str:
    """Return the address that the sender of an ARP packet says is its own."""
    if packet[12:14] != _ARP.to_bytes(2, "big") or len(packet) < 42:
        return ""
    kinds = struct.unpack_from(">HHBB", packet, 14)
    address = packet[28:32]
    if kinds != (1, _IPV4, 6, 4) or packet[22:28] != packet[6:12] or not any(address):
        return ""
    return str(ipaddress.IPv4Address(address))


def _dhcp(packet: bytes) -> tuple[str, int, str]:
    """Return the client's MAC, DHCP's message type and the address offered; 0 for other packets."""
    nothing = "", 0, ""
    if packet[12:14] != _IPV4.to_bytes(2, "big") or len(packet) < 34:
        return nothing
    head = (packet[14] & 15) * 4
    udp = 14 + head
    if packet[14] >> 4 != 4 or head < 20 or packet[23] != _UDP or len(packet) < udp + 8 + 240:
        return nothing
    if {*struct.unpack_from(">HH", packet, udp)} != {_SERVER, _CLIENT}:
        return nothing
    body = packet[udp + 8 :]
    if body[236:240] != _COOKIE or body[1:3] != b"\1\6":
        return nothing
    return body[28:34].hex(":"), _message(body[240:]), str(ipaddress.IPv4Address(body[16:20]))


def _message(options: bytes) -> int:
    at = 0
    while at < len(options) and options[at] != _END:
        if options[at] == _PAD:
            at += 1
            continue
        if at + 2 >= len(options):
            return 0
        if options[at] == _MESSAGE:
            return options[at + 2]
        at += 2 + options[at + 1]
    return 0
