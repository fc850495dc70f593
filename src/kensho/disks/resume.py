"""Write a disk file that survives kill -9: what was safe is not copied again.

Writers that store bytes as they are give out places in ascending order, and where
they put something follows from the runs they were given before. So a journal of runs
is all their state: to go on, a new writer is given the journalled runs again, its
writes suppressed because they are in the file already, and the copy starts where the
journal ends. The same input gives the same writes, so whatever a killed run left
behind its last checkpoint is overwritten with what it should have been.

Writers that compress are not resumed: their disk is begun again.
"""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING, Any

from kensho import __version__
from kensho.disks._journal import Journal, has_checkpoint
from kensho.disks._placing import write_placed
from kensho.disks._writeback import start_writeback
from kensho.disks.base import PlacingWriter
from kensho.disks.compare import content_root
from kensho.disks.copy import CopyResult, copy_disk
from kensho.disks.registry import create_disk
from kensho.storage.atomic import partial_path, sync_folder
from kensho.storage.file import FileSink

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from kensho.disks.base import DiskReader, DiskWriter
    from kensho.storage.base import ByteSink, ReadBuffer

EVERY = 256 << 20  # bytes of data between two checkpoints
_WRITEBACK = 32 << 20


@dataclasses.dataclass(frozen=True, slots=True)
class PendingDisk:
    """A disk under construction: give ``start`` to ``copy_disk``; ``done`` bytes are there."""

    writer: DiskWriter
    start: int
    done: int


@contextlib.contextmanager
def pending_disk(
    path: Path, key: bytes, create: Callable[[ByteSink], DiskWriter], *, every: int | None = None
) -> Iterator[PendingDisk]:
    """Begin the disk file ``path``, or go on where a killed run of the same ``key`` stopped.

    ``key`` says which source, unchanged, and which format and options; ``create`` makes
    the writer, the same one for the same key. Leaving the block normally makes the file
    durable and puts it in place; leaving it by an exception keeps what is safe for the
    next run in hidden files beside it (``leftovers``), or nothing if nothing is.
    Meanwhile the bytes are at ``partial_path(path)``. UsageError when another run writes it.
    """
    partial, journal_at = leftovers(path)
    journal = Journal(journal_at, key + __version__.encode())
    finished = False
    try:
        if journal.has_runs and not partial.is_file():
            journal.restart()
        if not journal.has_runs:
            partial.unlink(missing_ok=True)
        with FileSink(partial, exclusive=True, keep=journal.has_runs) as sink:
            gate = _Gate(sink, is_open=not journal.has_runs)
            writer = create(gate)
            start = done = 0
            if isinstance(writer, PlacingWriter):
                start, done = _replay(journal, writer)
                writer = JournaledWriter(writer, gate, journal, every or EVERY)
            gate.is_open = True
            yield PendingDisk(writer, start, done)
            sink.flush()
        partial.replace(path)
        sync_folder(path)
        finished = True
    finally:
        if finished or not journal.has_runs:
            partial.unlink(missing_ok=True)
            journal.remove()
        journal.close()


def write_disk_file(
    reader: DiskReader,
    path: Path,
    format: str,  # noqa: A002
    subformat: str | None = None,
    *,
    key: bytes,
    compression: str = "fast",
    threads: int | None = None,
    on_resume: Callable[[int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    root: bool = False,
    every: int | None = None,
) -> CopyResult:
    """Write all of ``reader`` into ``path``, resumed; ``key`` as above, of the source alone.

    ``on_resume`` gets the offset from which the copy goes on. Raises what ``create_disk``
    and ``copy_disk`` raise.
    """
    size = reader.virtual_size
    what = "\0".join((format, subformat or "", str(size), compression)).encode()

    def create(sink: ByteSink) -> DiskWriter:
        return create_disk(format, subformat, sink, size, compression=compression, identity=key)

    with pending_disk(path, key + what, create, every=every) as pending:
        if pending.start and on_resume is not None:
            on_resume(pending.start)
        result = copy_disk(
            reader,
            pending.writer,
            threads=threads,
            cancelled=cancelled,
            root=root and not pending.start,
            start=pending.start,
        )
    if pending.start and root:
        # The part copied before was not hashed in this run: the source is read once more.
        result = dataclasses.replace(result, content_root=content_root(reader, threads=threads))
    return dataclasses.replace(
        result,
        data_bytes=result.data_bytes + pending.done,
        zero_bytes=result.zero_bytes - pending.done,
    )


def leftovers(path: Path) -> tuple[Path, Path]:
    """Return the hidden files in which an unfinished ``path`` is kept: its bytes, its journal."""
    return partial_path(path), path.with_name(f".{path.name}.kensho-journal")


def is_resumable(path: Path) -> bool:
    """Return whether an interrupted run left something of ``path`` to go on with."""
    partial, journal = leftovers(path)
    return partial.is_file() and has_checkpoint(journal)


class _Gate:
    """A sink that swallows writes until it is open: they are in the file already."""

    __slots__ = ("_sink", "is_open")

    def __init__(self, sink: FileSink, *, is_open: bool) -> None:
        self._sink = sink
        self.is_open = is_open

    @property
    def position(self) -> int:
        """Bytes appended so far."""
        return self._sink.position

    def append(self, data: ReadBuffer) -> None:
        """Append to the file."""
        self._sink.append(data)

    def write_at(self, offset: int, data: ReadBuffer) -> None:
        """Write into the file, once the gate is open."""
        if self.is_open:
            self._sink.write_at(offset, data)

    def truncate(self, size: int) -> None:
        """Set the file's length, once the gate is open."""
        if self.is_open:
            self._sink.truncate(size)

    def flush(self) -> None:
        """Make what was written durable."""
        self._sink.flush()

    def kernel_file(self) -> tuple[int, int] | None:
        """Return the file itself for in-kernel copies."""
        return self._sink.kernel_file()


class JournaledWriter:
    """A PlacingWriter that notes what it placed, and every ``every`` bytes makes it durable."""

    __slots__ = ("_every", "_journal", "_since", "_unsent", "_writer", "sink")

    def __init__(self, writer: PlacingWriter, sink: ByteSink, journal: Journal, every: int) -> None:
        self.sink = sink
        self._writer = writer
        self._journal = journal
        self._every = every
        self._since = 0
        self._unsent = 0

    @property
    def format(self) -> str:
        """That of the writer below."""
        return self._writer.format

    @property
    def subformat(self) -> str:
        """That of the writer below."""
        return self._writer.subformat

    @property
    def virtual_size(self) -> int:
        """That of the writer below."""
        return self._writer.virtual_size

    @property
    def granularity(self) -> int:
        """That of the writer below."""
        return self._writer.granularity

    def encode(self, offset: int, data: memoryview) -> tuple[int, memoryview]:
        """Pass the run on as it is."""
        return offset, data

    def commit(self, encoded: Any) -> None:
        """Write the run in its place."""
        write_placed(self, *encoded)

    def place(self, offset: int, length: int) -> list[tuple[int, int]]:
        """Return the places of the writer below; all runs before this one are filled by now."""
        if self._since >= self._every:
            self.sink.flush()
            self._journal.checkpoint()
            self._since = self._unsent = 0
        elif self._unsent >= _WRITEBACK:
            # Let the storage begin, so that the next flush finds little left to wait for.
            start_writeback(self.sink)
            self._unsent = 0
        places = self._writer.place(offset, length)
        self._journal.add(offset, length)
        self._since += length
        self._unsent += length
        return places

    def finish(self) -> None:
        """Finish the writer below."""
        self._writer.finish()


def _replay(journal: Journal, writer: PlacingWriter) -> tuple[int, int]:
    """Give ``writer`` the runs that are safe; return where they end and how many bytes they are."""
    end = total = 0
    if journal.has_runs:
        for offset, length in journal:
            writer.place(offset, length)
            end = offset + length
            total += length
    return end, total
