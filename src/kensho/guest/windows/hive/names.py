"""How names of keys and values are stored, compared and hashed."""

from __future__ import annotations


def decode(raw: bytes | memoryview, *, compressed: bool) -> str:
    """Return a name; a compressed one has a byte for each character of Latin-1."""
    data = bytes(raw)
    if compressed:
        return data.decode("latin-1")
    return data[: len(data) // 2 * 2].decode("utf-16-le", errors="surrogatepass")


def encode(name: str) -> tuple[bytes, bool]:
    """Return the bytes of a name and whether it is compressed."""
    try:
        return name.encode("latin-1"), True
    except UnicodeEncodeError:
        return name.encode("utf-16-le", errors="surrogatepass"), False


def folded(name: str) -> str:
    """Return the name as Windows compares it: in capitals, character by character."""
    return "".join(u if len(u := c.upper()) == 1 else c for c in name)


def sort_key(name: str) -> bytes:
    """Return what keys are sorted by: the units of UTF-16 of the name in capitals."""
    return folded(name).encode("utf-16-be", errors="surrogatepass")


def hash_of(name: str) -> int:
    """Return the hash of a name in a hash leaf."""
    units = sort_key(name)
    total = 0
    for place in range(0, len(units), 2):
        total = (37 * total + int.from_bytes(units[place : place + 2], "big")) & 0xFFFF_FFFF
    return total
