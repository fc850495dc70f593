"""Reads at random of a place far away: small ones fetch and keep whole blocks."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

BLOCK = 1 << 18
_AHEAD = 8  # blocks fetched at once when reads follow each other
_KEEP = 64  # blocks: 16 MiB
_LARGEST = 8 << 20  # bytes per request


class BlockCache:
    """Fills buffers through ``fetch(offset, view)``; any thread may call it, and it them.

    ``size`` is that of the whole; callers have checked that ranges lie within.
    """

    __slots__ = ("_blocks", "_fetch", "_lock", "_size")

    def __init__(self, size: int, fetch: Callable[[int, memoryview], None]) -> None:
        self._size = size
        self._fetch = fetch
        self._lock = threading.Lock()
        self._blocks: OrderedDict[int, bytes] = OrderedDict()

    def read_into(self, offset: int, view: memoryview) -> None:
        """Fill ``view`` from ``offset``; large reads go past the cache."""
        if len(view) >= BLOCK:
            for at in range(0, len(view), _LARGEST):
                self._fetch(offset + at, view[at : at + _LARGEST])
            return
        done = 0
        while done < len(view):
            number, within = divmod(offset + done, BLOCK)
            part = self._block(number)[within : within + len(view) - done]
            view[done : done + len(part)] = part
            done += len(part)

    def _block(self, number: int) -> bytes:
        with self._lock:
            if number in self._blocks:
                self._blocks.move_to_end(number)
                return self._blocks[number]
            count = _AHEAD if number - 1 in self._blocks else 1
        start = number * BLOCK
        buffer = bytearray(min(count * BLOCK, self._size - start))
        self._fetch(start, memoryview(buffer))  # without the lock: others go on meanwhile
        with self._lock:
            for at in range(0, len(buffer), BLOCK):
                self._blocks[number + at // BLOCK] = bytes(buffer[at : at + BLOCK])
            while len(self._blocks) > _KEEP:
                self._blocks.popitem(last=False)
        return bytes(buffer[:BLOCK])
