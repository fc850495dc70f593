"""The trees: items by key, which is (object, type, offset)."""

from __future__ import annotations

import bisect
import struct
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from kensho.guest.files.btrfs.chunks import Chunks
from kensho.model.errors import CorruptError

Key: TypeAlias = tuple[int, int, int]
Root: TypeAlias = tuple[int, int]  #: logical address and level of the topmost node

MOST = (1 << 64) - 1
_HEAD, _ITEM, _POINTER = 101, 25, 33
_KEPT = 512  #: nodes
_KEY = struct.Struct("<QBQ")


@dataclass(frozen=True, slots=True)
class _Node:
    """``places`` are (start, size) of the items in ``raw``, or the children's (address, 0)."""

    level: int
    keys: tuple[Key, ...]
    places: tuple[tuple[int, int], ...]
    raw: bytes


@dataclass(slots=True)
class Trees:
    """Nodes by their logical address, checked and kept for a while."""

    chunks: Chunks
    _kept: OrderedDict[int, _Node] = field(default_factory=OrderedDict)

    def items(self, root: Root, low: Key, high: Key) -> Iterator[tuple[Key, bytes]]:
        """Yield (key, data) of all items from ``low`` to ``high``, both included, ascending."""
        yield from self._below(root, low, high, None)

    def find(self, root: Root, low: Key, high: Key) -> tuple[Key, bytes] | None:
        """Return the first such item."""
        return next(self.items(root, low, high), None)

    def _below(
        self, place: Root, low: Key, high: Key, first: Key | None
    ) -> Iterator[tuple[Key, bytes]]:
        address, level = place
        node = self._node(address)
        # Each child begins with the key it is found by: so none is met twice, however odd the tree.
        if node.level != level or (first is not None and node.keys[:1] != (first,)):
            raise CorruptError("btrfs: a tree contradicts itself", path=self._name, offset=address)
        if level == 0:
            for index in range(bisect.bisect_left(node.keys, low), len(node.keys)):
                if node.keys[index] > high:
                    return
                start, size = node.places[index]
                yield node.keys[index], node.raw[start : start + size]
            return
        for index in range(max(0, bisect.bisect_right(node.keys, low) - 1), len(node.keys)):
            if node.keys[index] > high:
                return
            yield from self._below((node.places[index][0], level - 1), low, high, node.keys[index])

    @property
    def _name(self) -> str:
        return self.chunks.view.name

    def _node(self, address: int) -> _Node:
        if address in self._kept:
            self._kept.move_to_end(address)
            return self._kept[address]
        sb = self.chunks.sb
        for raw in self.chunks.copies(address, sb.node):
            if sb.good(raw) and struct.unpack_from("<Q", raw, 48)[0] == address:
                break
        else:
            raise CorruptError(
                "btrfs: the checksum of a node is wrong", path=self._name, offset=address,
                hint="btrfs check on a copy of the disk may tell more",
            )  # fmt: skip
        node = self._parsed(raw, address)
        self._kept[address] = node
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return node

    def _parsed(self, raw: bytes, address: int) -> _Node:
        count, level = struct.unpack_from("<IB", raw, 96)
        size = _POINTER if level else _ITEM
        if level > 7 or _HEAD + count * size > len(raw):
            raise CorruptError("btrfs: a node makes no sense", path=self._name, offset=address)
        keys: list[Key] = []
        places: list[tuple[int, int]] = []
        for at in range(_HEAD, _HEAD + count * size, size):
            key = _KEY.unpack_from(raw, at)
            if keys and key <= keys[-1]:
                raise CorruptError("btrfs: keys out of order", path=self._name, offset=address)
            keys.append(key)
            if level:
                places.append((struct.unpack_from("<Q", raw, at + 17)[0], 0))
                continue
            start, length = struct.unpack_from("<II", raw, at + 17)
            if _HEAD + start + length > len(raw):
                raise CorruptError("btrfs: an item is nowhere", path=self._name, offset=address)
            places.append((_HEAD + start, length))
        return _Node(level, tuple(keys), tuple(places), raw)
