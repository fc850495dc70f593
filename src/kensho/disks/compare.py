"""Compare two disks by what a guest would read, and digest one; holes are skipped."""

from __future__ import annotations

import heapq
import os
import threading
from typing import TYPE_CHECKING

from kensho.disks._blocks import fill_zero
from kensho.disks.content import LEAF, ContentHasher, leaf_digests
from kensho.disks.copy import BATCH, batches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kensho.disks.base import DiskReader


def compare(
    a: DiskReader,
    b: DiskReader,
    *,
    threads: int | None = None,
    on_bytes: Callable[[int, int], None] | None = None,
) -> int | None:
    """Return the first offset at which the disks differ, or None if they do not.

    A shorter disk reads as zero behind its end, so a difference in size alone is
    none; compare ``virtual_size`` for that. FormatError kinds from either reader.
    """
    total = max(a.virtual_size, b.virtual_size)
    ranges = _union(batches(a, LEAF), batches(b, LEAF))
    lock = threading.Lock()
    found: list[int] = []
    failures: list[BaseException] = []

    def work() -> None:
        left, right = bytearray(BATCH), bytearray(BATCH)
        try:
            while not failures:
                with lock:
                    # Ranges are handed out ascending: those in flight may hold a lower difference.
                    span = None if found else next(ranges, None)
                if span is None:
                    return
                difference = _difference(a, b, span, left, right)
                with lock:
                    if difference is not None:
                        found.append(difference)
                    if on_bytes is not None:
                        on_bytes(span[1], total)
        except BaseException as error:  # noqa: BLE001 - re-raised below
            failures.append(error)

    helpers = [
        threading.Thread(target=work, daemon=True)
        for _ in range(1, min(threads or os.cpu_count() or 1, 16))
    ]
    for helper in helpers:
        helper.start()
    work()
    for helper in helpers:
        helper.join()
    if failures:
        raise failures[0]
    return min(found, default=None)


def content_digest(
    reader: DiskReader, *, on_bytes: Callable[[int, int], None] | None = None
) -> str:
    """Return the digest of ``kensho.disks.content``, lowercase hexadecimal."""
    hasher = ContentHasher()
    buffer = bytearray(BATCH)
    for start, end in batches(reader, LEAF):
        reader.read_into(start, memoryview(buffer)[: end - start])
        hasher.add(leaf_digests(buffer, start, end - start))
        if on_bytes is not None:
            on_bytes(end, reader.virtual_size)
    return hasher.hexdigest()


def _union(a: Iterator[tuple[int, int]], b: Iterator[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    # Both sides cut at the same windows, so merged spans never exceed one.
    last: tuple[int, int] | None = None
    for start, end in heapq.merge(a, b):
        if last is not None and start < last[1]:
            last = (last[0], max(last[1], end))
            continue
        if last is not None:
            yield last
        last = (start, end)
    if last is not None:
        yield last


def _difference(
    a: DiskReader, b: DiskReader, span: tuple[int, int], left: bytearray, right: bytearray
) -> int | None:
    start, end = span
    _read(a, start, end, left)
    _read(b, start, end, right)
    length = end - start
    if memoryview(left)[:length].tobytes() == memoryview(right)[:length].tobytes():
        return None
    low, high = 0, length
    while high - low > 1:  # halve towards the first byte that differs
        middle = (low + high) // 2
        if left[low:middle] != right[low:middle]:
            high = middle
        else:
            low = middle
    return start + low


def _read(reader: DiskReader, start: int, end: int, buffer: bytearray) -> None:
    view = memoryview(buffer)[: end - start]
    inside = max(0, min(end, reader.virtual_size) - start)
    if inside:
        reader.read_into(start, view[:inside])
    fill_zero(view[inside:])
