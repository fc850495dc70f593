"""The Merkle roots of a disk before and after an adaptation, from one reading of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from kensho.disks.base import DiskReader
from kensho.disks.compare import content_root
from kensho.disks.content import LEAF, MerkleTree, leaf_digests

_END = 1 << 63


class RootBefore:
    """Takes the leaves of the changed disk (``keep``) and has the root of the one it was.

    ``spans`` are the (start, length) that changed; leaves outside of them are the same in both, so
    that of the disk ``below`` only those are read.
    """

    def __init__(self, below: DiskReader, spans: Iterable[tuple[int, int]]) -> None:
        touched = {
            index
            for start, length in spans
            for index in range(start // LEAF, (start + length - 1) // LEAF + 1)
        }
        self._below = below
        self._touched = frozenset(touched)
        self._waiting = sorted(touched, reverse=True)
        self._tree = MerkleTree()
        self.used = False  #: whether any leaves were taken

    def keep(self, leaves: Sequence[tuple[int, bytes]]) -> None:
        """Take leaves of the changed disk, ascending; see `kensho.disks.content.Keep`."""
        self.used = True
        found: list[tuple[int, bytes]] = []
        for index, digest in leaves:
            found += self._before(index)
            if index not in self._touched:
                found.append((index, digest))
        self._tree.add(found)

    def root(self) -> str:
        """Return the root, once all leaves were taken."""
        self._tree.add(self._before(_END))
        return self._tree.root()

    def _before(self, index: int) -> list[tuple[int, bytes]]:
        """Return the leaves as they were, of all that changed up to this one."""
        found: list[tuple[int, bytes]] = []
        while self._waiting and self._waiting[-1] <= index:
            start = self._waiting.pop() * LEAF
            length = min(LEAF, self._below.virtual_size - start)
            buffer = bytearray(length)
            self._below.read_into(start, buffer)
            found += leaf_digests(buffer, start, length)
        return found


def both_roots(
    below: DiskReader,
    above: DiskReader,
    spans: Iterable[tuple[int, int]],
    on_bytes: Callable[[int, int], None] | None = None,
) -> tuple[str, str]:
    """Return the roots of a disk before and after; ``above`` is that with its changes."""
    before = RootBefore(below, spans)
    after = content_root(above, on_bytes=on_bytes, keep=before.keep)
    return before.root(), after
