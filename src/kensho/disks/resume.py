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

import dataclasses
import os
from typing import TYPE_CHECKING, Any

from kensho import __version__
from kensho.disks._journal import Journal, has_checkpoint
from kensho.disks._placing import write_placed
from kensho.disks._writeback import start_writeback
from kensho.disks.base import PlacingWriter
from kensho.disks.compare import content_root
from kensho.disks.copy import CopyResult, copy_disk
from kensho.disks.registry import create_disk
from kensho.storage.atomic import partial_path
from kensho.storage.file import FileSink

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kensho.disks.base import DiskReader
    from kensho.storage.base import ByteSink, ReadBuffer

EVERY = 256 << 20  # bytes of data between two checkpoints
_WRITEBACK = 32 << 20


def write_disk_file(
    reader: DiskReader,
    path: Path,
    format: str,  # noqa: A002
    subformat: str | None = None,
    *,
    key: bytes,
    virtual_size: int | None = None,
    compression: str = "fast",
    threads: int | None = None,
    on_bytes: Callable[[int, int], None] | None = None,
    on_resume: Callable[[int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    root: bool = False,
    every: int = EVERY,
) -> CopyResult:
    """Write all of ``reader`` into the new file ``path``; go on where a killed run stopped.

    ``key`` says which source, unchanged, and which options: only a run with the same
    key goes on with the work of another, and identifiers in the disk are derived from
    it. ``on_resume`` gets the offset from which the copy goes on. The file appears
    complete, durable, replacing one that is there, or not at all; after an error what
    is safe waits for the next run in hidden files beside it (``leftovers``).
    Raises what ``create_disk`` and ``copy_disk`` raise; UsageError when another run
    writes the same file.
    """
    size = reader.virtual_size if virtual_size is None else virtual_size
    partial, journal_at = leftovers(path)
    what = (__version__, format, subformat or "", str(size), compression)
    journal = Journal(journal_at, key + "\0".join(what).encode())
    finished = False
    try:
        if journal.has_runs and not partial.is_file():
            journal.restart()
        if not journal.has_runs:
            partial.unlink(missing_ok=True)
        with FileSink(partial, exclusive=True, keep=journal.has_runs) as sink:
            gate = _Gate(sink, is_open=not journal.has_runs)
            writer = create_disk(
                format, subformat, gate, size, compression=compression, identity=key
            )
            start = done = 0
            if isinstance(writer, PlacingWriter):
                start, done = _replay(journal, writer)
                writer = JournaledWriter(writer, gate, journal, every)
            gate.is_open = True
            if start and on_resume is not None:
                on_resume(start)
            result = copy_disk(
                reader,
                writer,
                threads=threads,
                on_bytes=on_bytes,
                cancelled=cancelled,
                root=root and not start,
                start=start,
            )
            sink.flush()
        partial.replace(path)
        _sync_folder(path)
        finished = True
    finally:
        if finished or not journal.has_runs:
            partial.unlink(missing_ok=True)
            journal.remove()
        journal.close()
    if start:
        result = dataclasses.replace(
            result,
            data_bytes=result.data_bytes + done,
            zero_bytes=result.zero_bytes - done,
            content_root=content_root(reader, threads=threads) if root else None,
        )
    return result


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


def _sync_folder(path: Path) -> None:
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    except OSError:
        return  # some network file systems cannot; the file itself is safe
    finally:
        os.close(folder)
