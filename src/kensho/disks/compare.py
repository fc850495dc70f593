"""Compare two disks by what a guest would read, and hash one; holes are skipped."""

from __future__ import annotations

import heapq
import threading
from typing import TYPE_CHECKING, TypeAlias

from kensho.capacity import processors
from kensho.disks._blocks import fill_zero
from kensho.disks.content import LEAF, MerkleTree, leaf_digests
from kensho.disks.copy import BATCH, batches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kensho.disks.base import DiskReader
    from kensho.disks.content import Keep

Span: TypeAlias = tuple[int, int]
#: (offset of the first difference or None, leaves of a span)
Found: TypeAlias = tuple[int | None, list[tuple[int, bytes]]]


def compare(
    a: DiskReader,
    b: DiskReader,
    *,
    threads: int | None = None,
    on_bytes: Callable[[int, int], None] | None = None,
    tree: MerkleTree | None = None,
) -> int | None:
    """Return the first offset at which the disks differ, or None if they do not.

    A shorter disk reads as zero behind its end, so a difference in size alone is
    none; compare ``virtual_size`` for that. ``tree`` is given the leaves of ``b``;
    its root is that of ``b`` if there is no difference. FormatError kinds from
    either reader.
    """
    size = max(a.virtual_size, b.virtual_size)

    def look(span: Span, left: bytearray, right: bytearray) -> Found:
        difference = _difference(a, b, span, left, right)
        if difference is not None or tree is None:
            return difference, []
        return None, leaf_digests(right, span[0], span[1] - span[0])

    spans = union_spans(batches(a, LEAF), batches(b, LEAF))
    return each_span(spans, look, tree, threads, on_bytes, size)


def content_root(
    reader: DiskReader,
    *,
    threads: int | None = None,
    on_bytes: Callable[[int, int], None] | None = None,
    keep: Keep | None = None,
) -> str:
    """Return the Merkle root of ``kensho.disks.content``, lowercase hexadecimal.

    ``keep`` is given the leaves it is made of.
    """
    tree = MerkleTree(keep)

    def look(span: Span, buffer: bytearray, _: bytearray) -> Found:
        length = span[1] - span[0]
        reader.read_into(span[0], memoryview(buffer)[:length])
        return None, leaf_digests(buffer, span[0], length)

    each_span(batches(reader, LEAF), look, tree, threads, on_bytes, reader.virtual_size)
    return tree.root()


def each_span(
    spans: Iterator[Span],
    look: Callable[[Span, bytearray, bytearray], Found],
    tree: MerkleTree | None,
    threads: int | None,
    on_bytes: Callable[[int, int], None] | None,
    size: int,
) -> int | None:
    """Look at all spans with several threads, take what they find in order, stop at a difference."""
    lock = threading.Lock()
    numbered = enumerate(spans)
    ready: dict[int, tuple[int, Found]] = {}
    differences: list[int] = []
    failures: list[BaseException] = []
    turn = 0

    def take(number: int, end: int, found: Found) -> None:
        nonlocal turn
        ready[number] = end, found
        while turn in ready and not differences:
            end, (difference, leaves) = ready.pop(turn)
            turn += 1
            if difference is not None:
                differences.append(difference)
            elif tree is not None:
                tree.add(leaves)
            if on_bytes is not None:
                on_bytes(end, size)

    def work() -> None:
        left, right = bytearray(BATCH), bytearray(BATCH)
        try:
            while True:
                with lock:
                    stop = failures or differences
                    job = None if stop else next(numbered, None)
                if job is None:
                    return
                number, span = job
                found = look(span, left, right)
                with lock:
                    take(number, span[1], found)
        except BaseException as error:  # noqa: BLE001 - re-raised below
            failures.append(error)

    helpers = [
        threading.Thread(target=work, daemon=True)
        for _ in range(1, min(threads or processors(), 16))
    ]
    for helper in helpers:
        helper.start()
    work()
    for helper in helpers:
        helper.join()
    if failures:
        raise failures[0]
    return differences[0] if differences else None


def union_spans(a: Iterator[Span], b: Iterator[Span]) -> Iterator[Span]:
    """Yield what is in either; both cut at the same windows, so no span exceeds one."""
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
    read_padded(a, start, end, left)
    read_padded(b, start, end, right)
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


def read_padded(reader: DiskReader, start: int, end: int, buffer: bytearray) -> None:
    """Read a range into the start of ``buffer``; behind its end the disk is zero."""
    view = memoryview(buffer)[: end - start]
    inside = max(0, min(end, reader.virtual_size) - start)
    if inside:
        reader.read_into(start, view[:inside])
    fill_zero(view[inside:])
