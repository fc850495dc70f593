"""Numbers of on-disk tables, in and out, whatever the byte order of this machine."""

from __future__ import annotations

import array
import sys

_LITTLE = sys.byteorder == "little"


def read_table(raw: bytes, typecode: str, *, big_endian: bool = False) -> array.array[int]:
    """Return the entries in ``raw``; ``typecode`` is I for 32 and Q for 64 bits."""
    entries = array.array(typecode, raw)
    if big_endian is _LITTLE:
        entries.byteswap()
    return entries


def is_zero(raw: bytes) -> bool:
    """Return whether all bytes are zero, at memory speed."""
    return raw == bytes(len(raw))


def has_repeats(entries: array.array[int]) -> bool:
    """Return whether any number but 0 is there twice; needs no memory when they ascend."""
    last = 0
    for entry in entries:
        if entry:
            if entry <= last:
                break
            last = entry
    else:
        return False
    used = [entry for entry in entries if entry]
    return len(set(used)) != len(used)


def write_table(entries: array.array[int], *, big_endian: bool = False) -> bytes:
    """Return ``entries`` as they go into a file."""
    if big_endian is _LITTLE:
        entries = entries[:]
        entries.byteswap()
    return entries.tobytes()


def zero_table(typecode: str, count: int) -> array.array[int]:
    """Return ``count`` zeros."""
    return array.array(typecode, bytes(count * array.array(typecode).itemsize))


def filled_table(typecode: str, count: int, value: int) -> array.array[int]:
    """Return ``count`` times ``value``."""
    return array.array(typecode, [value]) * count
