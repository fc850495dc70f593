"""The Merkle root of what a guest would read, the same in every format.

Construction, with a test vector, in docs/integrity.md: leaves are the BLAKE3 of
64 KiB each, a short last leaf padded with zeros; nodes are the BLAKE3 of their two
children; the tree always has 48 levels, as if every disk had 2^64 bytes and were
zero behind its end. So the root does not depend on how a format rounds the size,
and the all-zero subtrees are 49 constants: a hole costs nothing, whatever its size.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TypeAlias

from kensho.disks._blocks import ZEROS

#: Is given the leaves of a disk that are not zero, (index, digest), ascending.
Keep: TypeAlias = Callable[[Sequence[tuple[int, bytes]]], None]

LEAF = 1 << 16
LEVELS = 48
_ZERO_LEAF = ZEROS[:LEAF]


class MerkleTree:
    """Takes the leaves of a disk that are not zero, in ascending order; hands them to ``keep``."""

    __slots__ = ("_count", "_keep", "_node", "_stack", "_zeros")

    def __init__(self, keep: Keep | None = None) -> None:
        from blake3 import blake3

        self._keep = keep
        self._node = blake3
        self._zeros = zero_roots()
        self._count = 0  # leaves so far, zero ones included
        self._stack: list[tuple[int, bytes]] = []  # (level, root) of complete subtrees, falling

    def add(self, leaves: Sequence[tuple[int, bytes]]) -> None:
        """Add (index, digest) pairs; the leaves skipped between them are zero."""
        if self._keep is not None:
            self._keep(leaves)
        for index, digest in leaves:
            if index != self._count:
                self._skip_to(index)
            self._push(0, digest)

    def root(self) -> str:
        """Return the root over all leaves added, lowercase hexadecimal."""
        # The subtrees on the stack, from the lowest up; what is missing beside them is zero.
        level, digest = 0, self._zeros[0]
        for height, left in reversed(self._stack):
            level, digest = self._raise(level, digest, height)
            digest = self._node(left + digest).digest()
            level += 1
        return self._raise(level, digest, LEVELS)[1].hex()

    def _raise(self, level: int, digest: bytes, height: int) -> tuple[int, bytes]:
        """Make a subtree higher, zeros to its right."""
        while level < height:
            if digest is self._zeros[level]:
                digest = self._zeros[level + 1]
            else:
                digest = self._node(digest + self._zeros[level]).digest()
            level += 1
        return level, digest

    def _skip_to(self, index: int) -> None:
        while self._count < index:
            # The largest zero subtree that may begin here and does not reach beyond.
            level = (index - self._count).bit_length() - 1
            if self._count:
                level = min(level, (self._count & -self._count).bit_length() - 1)
            self._push(level, self._zeros[level])

    def _push(self, level: int, digest: bytes) -> None:
        stack, node = self._stack, self._node
        self._count += 1 << level
        while stack and stack[-1][0] == level:
            digest = node(stack.pop()[1] + digest).digest()
            level += 1
        stack.append((level, digest))


@functools.cache
def zero_roots() -> tuple[bytes, ...]:
    """Return the roots of the all-zero subtrees of level 0 (one leaf) to 48."""
    from blake3 import blake3

    found = [blake3(_ZERO_LEAF).digest()]
    for _ in range(LEVELS):
        found.append(blake3(found[-1] * 2).digest())
    return tuple(found)


def leaf_digests(buffer: bytearray, start: int, length: int) -> list[tuple[int, bytes]]:
    """Return (index, BLAKE3) of the leaves of ``buffer[:length]`` that are not all zero.

    ``start`` is the offset of the buffer in the disk, a multiple of the leaf size;
    a short last leaf is the end of the disk. Releases the GIL while it hashes.
    """
    from blake3 import blake3

    found = []
    view = memoryview(buffer)
    for at in range(0, length, LEAF):
        size = min(LEAF, length - at)
        if buffer.startswith(_ZERO_LEAF if size == LEAF else _ZERO_LEAF[:size], at):
            continue
        if size == LEAF:
            digest = blake3(view[at : at + LEAF]).digest()
        else:
            digest = blake3(bytes(view[at : at + size]) + _ZERO_LEAF[size:]).digest()
        found.append(((start + at) // LEAF, digest))
    return found
