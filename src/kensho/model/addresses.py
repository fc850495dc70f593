"""IP addresses, netmasks and what else properties say of a network, as text."""

from __future__ import annotations

import ipaddress
import re

_HOST = re.compile(
    r"(?:[a-z][a-z0-9+.-]*://)?(?:\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]]+)(?::(\d{1,5}))?/?", re.IGNORECASE
)


def is_ip(text: str) -> bool:
    """Tell whether ``text`` is an IPv4 or IPv6 address and nothing else."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def prefix_length(text: str) -> int | None:
    """Return the length of a netmask or prefix, ``255.255.255.0``, ``24`` or ``/24``."""
    plain = text.strip().removeprefix("/")
    if plain.isascii() and plain.isdecimal():
        return int(plain) if len(plain) <= 3 and int(plain) <= 128 else None
    if not is_ip(plain):
        return None
    address = ipaddress.ip_address(plain)
    bits, number = address.max_prefixlen, int(address)
    ones = number.bit_count()
    return ones if number == (1 << bits) - (1 << (bits - ones)) else None


def split_addresses(text: str) -> tuple[str, ...]:
    """Return the parts of a list with commas, semicolons or blanks between them."""
    return tuple(part for part in re.split(r"[\s,;]+", text) if part)


def is_proxy(text: str) -> bool:
    """Tell whether ``text`` is ``HOST:PORT``, or a URL of one."""
    match = _HOST.fullmatch(text)
    return match is not None and (match[1] is None or int(match[1]) < 65536)


def is_subnet(text: str) -> bool:
    """Tell whether ``text`` is an address of a network, with or without a prefix length."""
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True
