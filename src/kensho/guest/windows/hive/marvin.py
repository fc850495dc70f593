"""Marvin32, the hash over the entries of a hive's transaction log.

Source: "Windows registry file format specification", "Log entries" (the seed); the function is
that of US patent 8,255,571 as .NET publishes it (``System.Marvin``).
"""

from __future__ import annotations

import struct
from itertools import chain

_SEED = 0xC555_4E7A_884D_EF82
_MASK = 0xFFFF_FFFF


def _turn(word: int, bits: int) -> int:
    return (word << bits | word >> (32 - bits)) & _MASK


def marvin32(data: bytes) -> int:
    """Return the 64-bit hash of ``data`` under the registry's seed."""
    low, high = _SEED & _MASK, _SEED >> 32
    whole = len(data) // 4 * 4
    tail = int.from_bytes(data[whole:] + b"\x80", "little")
    for (word,) in chain(struct.iter_unpack("<I", memoryview(data)[:whole]), ((tail,), (0,))):
        low = (low + word) & _MASK
        high ^= low
        low = (_turn(low, 20) + high) & _MASK
        high = _turn(high, 9) ^ low
        low = (_turn(low, 27) + high) & _MASK
        high = _turn(high, 19)
    return high << 32 | low
