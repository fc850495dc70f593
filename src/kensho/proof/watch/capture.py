"""What a guest sent on its network, from a capture that QEMU made: leases and addresses.

Spec: the pcap file format (draft-ietf-opsawg-pcap), ARP (RFC 826), DHCP (RFC 2131, RFC 2132), TCP
(RFC 9293, 3.1). Packets are a guest's, so every length is checked; one that makes no sense is passed over.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Callable

import msgspec

from kensho.model.errors import CorruptError

_MAGIC = 0xA1B2C3D4
_ETHERNET = 1
QEMUS = ("52:55:", "52:56:")  #: how the addresses of what answers on QEMU's own networks begin
_MOST_PEERS = 256
_MOST_PACKET = 1 << 18
_HEAD = 24
_MOST_PORTS = 1 << 16
_MOST_ADAPTERS, _MOST_ADDRESSES = 64, 16
_IPV4, _ARP, _TCP, _UDP = 0x0800, 0x0806, 6, 17
_SYN_ACK = 0x12
_SERVER, _CLIENT = 67, 68
_COOKIE = b"\x63\x82\x53\x63"
_MESSAGE, _END, _PAD = 53, 255, 0
_DISCOVER, _REQUEST, _ACK = 1, 3, 5


class Heard(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was heard of one adapter: its address (``mac``), and what became of DHCP.

    ``asked`` tells that it asked for a lease, ``lease`` is the address it was given, ``addresses`` are
    those it said in ARP are its own. ``packets`` is how many it sent, ``peers`` are the adapters it sent
    some to, by their addresses, QEMU's own left out.
    """

    mac: str
    packets: int
    asked: bool
    lease: str
    addresses: tuple[str, ...]
    peers: tuple[str, ...] = ()


class Ears:
    """Hears a capture while it is written: what has come is fed, in whatever pieces."""

    def __init__(self) -> None:
        self._order = ""
        self._rest = b""
        self._deaf = False
        self._packets: dict[str, int] = {}
        self._asked: set[str] = set()
        self._leases: dict[str, str] = {}
        self._addresses: dict[str, dict[str, None]] = {}
        self._accepting: set[tuple[str, int]] = set()
        self._peers: dict[tuple[str, str], None] = {}

    def feed(self, data: bytes) -> None:
        """Take the next bytes. CorruptError for what is no capture of Ethernet packets."""
        if self._deaf:
            return
        data = self._rest + data
        if not self._order:
            if len(data) < _HEAD:
                self._rest = data
                return
            self._order = _order(data)
            data = data[_HEAD:]
        at = 0
        while at + 16 <= len(data):
            (kept,) = struct.unpack_from(f"{self._order}I", data, at + 8)
            if kept > _MOST_PACKET:  # what follows is not to be told from it
                self._deaf = True
                return
            if at + 16 + kept > len(data):
                break
            if kept >= 14:
                self._hear(data[at + 16 : at + 16 + kept])
            at += 16 + kept
        self._rest = data[at:]

    def heard(self) -> tuple[Heard, ...]:
        """Return what each adapter did so far, by its address."""
        return tuple(
            Heard(
                mac,
                self._packets.get(mac, 0),
                mac in self._asked,
                self._leases.get(mac, ""),
                tuple(self._addresses.get(mac, ())),
                tuple(peer for own, peer in self._peers if own == mac),
            )
            for mac in sorted({*self._packets, *self._asked, *self._leases})
        )

    def accepted(self, port: int, by: Callable[[str], bool]) -> bool:
        """Tell whether a connection to a TCP port was accepted, ``by`` an adapter of such an address."""
        return any(own == port and by(mac) for mac, own in self._accepting)

    def _hear(self, packet: bytes) -> None:
        source, target = packet[6:12].hex(":"), packet[:6].hex(":")
        if source not in self._packets and len(self._packets) >= _MOST_ADAPTERS:
            return  # a guest that makes addresses up
        single = not packet[0] & 1 and not target.startswith(QEMUS)
        if single and len(self._peers) < _MOST_PEERS:
            self._peers[source, target] = None
        self._packets[source] = self._packets.get(source, 0) + 1
        own = _own_address(packet)
        known = self._addresses.setdefault(source, {}) if own else {}
        if own and len(known) < _MOST_ADDRESSES:
            known[own] = None
        port = _accepting_port(packet)
        if port and len(self._accepting) < _MOST_PORTS:
            self._accepting.add((source, port))
        client, message, lease = _dhcp(packet)
        if message in {_DISCOVER, _REQUEST} and len(self._asked) < _MOST_ADAPTERS:
            self._asked.add(client)
        elif message == _ACK and len(self._leases) < _MOST_ADAPTERS:
            self._leases[client] = lease


def heard(data: bytes) -> tuple[Heard, ...]:
    """Return what each adapter did, by its address. CorruptError for what is no capture."""
    if len(data) < _HEAD:
        raise CorruptError("a capture of packets is too short")
    ears = Ears()
    ears.feed(data)
    return ears.heard()


def _order(data: bytes) -> str:
    """Return the byte order of a capture, as `struct` has it."""
    order = "<" if struct.unpack_from("<I", data)[0] == _MAGIC else ">"
    magic = struct.unpack_from(f"{order}I", data)[0]
    if magic != _MAGIC or struct.unpack_from(f"{order}I", data, 20)[0] != _ETHERNET:
        raise CorruptError("is no capture of Ethernet packets")
    return order


def _own_address(packet: bytes) -> str:
    """Return the address that the sender of an ARP packet says is its own."""
    if packet[12:14] != _ARP.to_bytes(2, "big") or len(packet) < 42:
        return ""
    kinds = struct.unpack_from(">HHBB", packet, 14)
    address = packet[28:32]
    if kinds != (1, _IPV4, 6, 4) or packet[22:28] != packet[6:12] or not any(address):
        return ""
    return str(ipaddress.IPv4Address(address))


def _accepting_port(packet: bytes) -> int:
    """Return the TCP port whose owner accepts a connection with this packet, 0 when it is none such."""
    if packet[12:14] != _IPV4.to_bytes(2, "big") or len(packet) < 34 or packet[14] >> 4 != 4:
        return 0
    tcp = 14 + (packet[14] & 15) * 4
    if tcp < 34 or packet[23] != _TCP or len(packet) < tcp + 20:
        return 0
    flags = packet[tcp + 13]
    port: int = struct.unpack_from(">H", packet, tcp)[0]
    return port if flags & _SYN_ACK == _SYN_ACK else 0


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
