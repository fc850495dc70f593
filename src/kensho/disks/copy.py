"""Copy a disk from any reader to any writer: all cores, constant memory, same bytes each time.

Every thread does the whole work for one batch after the other: take the next
range that may hold data, read it, leave out the zeros, encode the rest. Whoever
finishes the batch that is next in order also commits all that are ready behind
it, so there is no writer thread and no queue between threads. Batches hold a
buffer from a small pool from before they get their number until they are
committed; the pool is the back-pressure and the bound on memory.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from typing import TYPE_CHECKING

from kensho.capacity import processors
from kensho.disks._blocks import data_runs
from kensho.disks.base import PlacingWriter
from kensho.disks.content import LEAF, MerkleTree, leaf_digests
from kensho.disks.copy_kernel import copy_verbatim, is_verbatim
from kensho.model.errors import InterruptedRunError, UsageError
from kensho.model.extent import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kensho.disks.base import DiskReader, DiskWriter
    from kensho.disks.content import Keep
    from kensho.disks.copy_packed import Prepare

BATCH = 1 << 20
_MAX_THREADS = 16
_BUFFERS_PER_THREAD = 3


@dataclasses.dataclass(frozen=True, slots=True)
class CopyResult:
    """What a copy did, in bytes of the virtual disk.

    ``data_bytes`` were given to the writer, ``zero_bytes`` were left out;
    ``content_root`` is that of ``kensho.disks.content``, if it was asked for.
    """

    virtual_size: int
    data_bytes: int
    zero_bytes: int
    seconds: float
    content_root: str | None = None


def copy_disk(
    reader: DiskReader,
    writer: DiskWriter,
    *,
    threads: int | None = None,
    on_bytes: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    root: bool = False,
    keep: Keep | None = None,
    start: int = 0,
    passthrough: str | None = None,
) -> CopyResult:
    """Copy all of ``reader`` into ``writer`` and finish it.

    ``on_bytes`` gets (position, total) in bytes of the virtual disk, from any
    thread. InterruptedRunError when ``cancelled`` returns true; any other error,
    from whichever thread, stops all and is raised here as it was. UsageError when
    the writer is smaller than the reader. What is before ``start``, the end of a run
    committed before, is left alone, and neither counted nor hashed. ``keep`` is given
    the leaves the ``root`` is made of. ``passthrough``, ``checked`` or ``blind``: carry
    compressed blocks as they are (``kensho.disks.copy_packed``).
    """
    if writer.virtual_size < reader.virtual_size:
        raise UsageError(
            f"a disk of {reader.virtual_size} bytes does not fit one of {writer.virtual_size}"
        )
    started = time.monotonic()
    tree = MerkleTree(keep) if root else None
    plain = tree is None and passthrough is None
    if plain and isinstance(writer, PlacingWriter) and is_verbatim(reader, writer):
        data = copy_verbatim(reader, writer, start, on_bytes, cancelled)
    else:
        count = max(1, min(threads or processors(), _MAX_THREADS))
        ranges = _from(start, batches(reader, max(writer.granularity, LEAF)))
        prepare = None
        if passthrough is not None:
            from kensho.disks.copy_packed import packed_copy

            prepare = packed_copy(reader, writer, passthrough, fill=root)
        run = _Run(reader, writer, ranges, count, on_bytes, cancelled, tree, prepare)
        data = _run_threads(run, count)
    writer.finish()
    if on_bytes is not None:
        on_bytes(reader.virtual_size, reader.virtual_size)
    return CopyResult(
        virtual_size=reader.virtual_size,
        data_bytes=data,
        zero_bytes=reader.virtual_size - data,
        seconds=time.monotonic() - started,
        content_root=tree.root() if tree else None,
    )


def batches(reader: DiskReader, unit: int, batch: int = BATCH) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of what may hold data, ascending, within windows of ``batch`` bytes.

    Starts are multiples of ``unit``, and so are the ends except at the disk's end.
    """
    size = reader.virtual_size
    begin = end = 0
    for extent in reader.extents():
        if extent.kind is not Kind.DATA:
            continue
        low = max(extent.start // unit * unit, end)
        high = min(-(-extent.end // unit) * unit, size)
        if low > end or begin == end:
            if begin < end:
                yield begin, end
            begin = low
        end = max(end, high)
        while end - begin // batch * batch > batch:
            cut = begin // batch * batch + batch
            yield begin, cut
            begin = cut
    if begin < end:
        yield begin, end


def _from(start: int, ranges: Iterator[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Leave out what is before ``start``."""
    if not start:
        return ranges
    return ((max(low, start), high) for low, high in ranges if high > start)


def _run_threads(run: _Run, count: int) -> int:
    """Let ``count`` threads, this one among them, do the copy; return the bytes not zero."""
    helpers = [
        threading.Thread(target=run.work, name=f"kensho-copy-{n}", daemon=True)
        for n in range(1, count)
    ]
    try:
        for helper in helpers:
            helper.start()
        run.work()  # the calling thread is one of the workers, so Ctrl-C arrives where it counts
    finally:
        run.abandon_unless_done()
        for helper in helpers:
            if helper.ident is not None:
                helper.join()
    if run.failure is not None:
        raise run.failure
    return run.data_bytes


@dataclasses.dataclass(slots=True)
class _Done:
    """A batch ready to commit, with the buffer its encoded runs may still point into."""

    buffer: bytearray
    end: int
    encoded: list[object]
    data_bytes: int
    leaves: list[tuple[int, bytes]]


class _Run:
    """State shared by the threads of one copy; ``_lock`` guards all of it."""

    def __init__(
        self,
        reader: DiskReader,
        writer: DiskWriter,
        ranges: Iterator[tuple[int, int]],
        threads: int,
        on_bytes: Callable[[int, int], None] | None,
        cancelled: Callable[[], bool] | None,
        tree: MerkleTree | None,
        prepare: Prepare | None,
    ) -> None:
        self.failure: BaseException | None = None
        self.data_bytes = 0
        self._reader = reader
        self._writer = writer
        self._on_bytes = on_bytes
        self._cancelled = cancelled
        self._tree = tree
        self._prepare = prepare or self._read_and_encode
        self._ranges = ranges
        self._lock = threading.Lock()
        self._freed = threading.Condition(self._lock)
        self._free: list[bytearray] = []
        self._unmade = threads * _BUFFERS_PER_THREAD
        self._taken = 0  # number of the next batch to hand out
        self._next = 0  # number of the next batch to commit
        self._ready: dict[int, _Done] = {}
        self._committing = False
        self._finished = False
        self._stopped = False

    def work(self) -> None:
        """Process batches until there are no more or something failed."""
        try:
            while (job := self._take()) is not None:
                number, start, end, buffer = job
                self._put(number, self._process(start, end, buffer))
        except BaseException as error:  # noqa: BLE001 - re-raised by copy_disk in its own thread
            self._stop(error)

    def abandon_unless_done(self) -> None:
        """Stop the other threads if the calling one left for a reason of its own."""
        with self._lock:
            if not self._finished:
                self._stopped = True
            self._freed.notify_all()

    def _stop(self, error: BaseException) -> None:
        with self._lock:
            if self.failure is None:
                self.failure = error
            self._stopped = True
            self._freed.notify_all()

    def _take(self) -> tuple[int, int, int, bytearray] | None:
        if self._cancelled is not None and self._cancelled():
            raise InterruptedRunError("the copy was cancelled")
        with self._lock:
            # The buffer first, the number second: the lowest number always has a buffer.
            while not self._free and not self._unmade and not self._stopped and not self._finished:
                self._freed.wait()
            if self._stopped or self._finished:
                return None
            found = next(self._ranges, None)
            if found is None:
                self._finished = True
                self._freed.notify_all()
                return None
            if self._free:
                buffer = self._free.pop()
            else:
                self._unmade -= 1
                buffer = bytearray(BATCH)
            number = self._taken
            self._taken += 1
        return number, found[0], found[1], buffer

    def _process(self, start: int, end: int, buffer: bytearray) -> _Done:
        encoded, data = self._prepare(start, end, buffer)
        leaves = leaf_digests(buffer, start, end - start) if self._tree and encoded else []
        return _Done(buffer, end, encoded, data, leaves)

    def _read_and_encode(self, start: int, end: int, buffer: bytearray) -> tuple[list[object], int]:
        length = end - start
        view = memoryview(buffer)[:length]
        self._reader.read_into(start, view)
        encoded: list[object] = []
        data = 0
        for low, high in data_runs(buffer, length, self._writer.granularity):
            encoded.append(self._writer.encode(start + low, view[low:high]))
            data += high - low
        return encoded, data

    def _put(self, number: int, done: _Done) -> None:
        with self._lock:
            self._ready[number] = done
            if self._committing:
                return  # whoever is committing will see it
            self._committing = True
        while True:
            with self._lock:
                ready = None if self._stopped else self._ready.pop(self._next, None)
                if ready is None:
                    self._committing = False
                    return
                self._next += 1
            self._commit(ready)

    def _commit(self, done: _Done) -> None:
        for encoded in done.encoded:
            self._writer.commit(encoded)
        self.data_bytes += done.data_bytes
        if self._tree is not None:
            self._tree.add(done.leaves)
        with self._lock:
            self._free.append(done.buffer)
            self._freed.notify()
        if self._on_bytes is not None:
            self._on_bytes(done.end, self._reader.virtual_size)
