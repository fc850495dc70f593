"""A digest of what a guest would read, the same for every format.

Construction: the disk is cut into leaves of 64 KiB, the last one padded with
zeros. Leaves that are all zero are left out. The digest is the SHA-256 over, for
each remaining leaf in ascending order, its index (unsigned 64 bit, little endian)
and its SHA-256. Disks that differ only in trailing zeros, as when a format rounds
the size up, have the same digest; compare the sizes besides.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from kensho.disks._blocks import ZEROS

if TYPE_CHECKING:
    from collections.abc import Iterable

LEAF = 1 << 16
_ZERO_LEAF = ZEROS[:LEAF]


class ContentHasher:
    """Takes the leaves of a disk in ascending order."""

    __slots__ = ("_hash",)

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def add(self, leaves: Iterable[tuple[int, bytes]]) -> None:
        """Add (index, SHA-256) pairs."""
        for index, digest in leaves:
            self._hash.update(index.to_bytes(8, "little") + digest)

    def hexdigest(self) -> str:
        """Return the digest of all leaves added, lowercase hexadecimal."""
        return self._hash.hexdigest()


def leaf_digests(buffer: bytearray, start: int, length: int) -> list[tuple[int, bytes]]:
    """Return (index, SHA-256) of the leaves of ``buffer[:length]`` that are not all zero.

    ``start`` is the offset of the buffer in the disk, a multiple of the leaf size;
    a short last leaf is the end of the disk.
    """
    found = []
    view = memoryview(buffer)
    for at in range(0, length, LEAF):
        size = min(LEAF, length - at)
        if buffer.startswith(_ZERO_LEAF if size == LEAF else _ZERO_LEAF[:size], at):
            continue
        leaf = hashlib.sha256(view[at : at + size])
        leaf.update(_ZERO_LEAF[size:])
        found.append(((start + at) // LEAF, leaf.digest()))
    return found
