"""Make a disk that was written before equal to its source again, writing only what differs.

The block hashes of the last run (``kensho.disks.hashes``) say what the disk holds, so it
need not be read; the source is read and hashed once.

Before the first block is changed the file is renamed to the hidden name of unfinished
disks: under its own name it is never seen half old, half new. It gets its name back when
all is durable and its new hashes are in place. An update that was killed has left the
hidden file; the next one compares the source with what that holds, byte for byte through
the same hashes, and goes on. Nothing is believed about a file that was being changed.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from typing import TYPE_CHECKING

import msgspec

from kensho.disks._journal import Journal
from kensho.disks.compare import content_root, each_span, read_padded, union_spans
from kensho.disks.content import LEAF, MerkleTree, leaf_digests
from kensho.disks.copy import BATCH, batches
from kensho.disks.hashes import (
    CHANGEABLE_NAMES,
    HashFile,
    HashLog,
    facts_of,
    hashes_path,
    is_unchanged,
)
from kensho.disks.in_place import open_in_place
from kensho.disks.resume import leftovers
from kensho.disks.transfer import check_destination, check_unchanged
from kensho.disks.update_checks import demand_alone, demand_same, verify_update
from kensho.model.errors import CorruptError, KenshoError, UsageError
from kensho.storage.atomic import partial_path, sync_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from kensho.disks.base import DiskReader
    from kensho.disks.compare import Found, Span
    from kensho.disks.hashes import Facts
    from kensho.disks.in_place import InPlaceDisk
    from kensho.disks.transfer import Target

    OnBytes = Callable[[int, int], None]


class Updated(msgspec.Struct, frozen=True, kw_only=True):
    """What an update did; sizes in bytes, blocks are of 64 KiB.

    ``blocks_compared`` are those that are not all zero in the source or in the disk.
    ``finished`` says that an update killed before was finished.
    """

    path: str
    format: str
    subformat: str
    virtual_size: int
    file_size: int
    blocks_compared: int
    blocks_written: int
    seconds: float
    verified: bool
    finished: bool
    root: str


def is_updatable(path: Path) -> bool:
    """Return whether there is a disk at ``path``, or a killed update of one, to go by."""
    return path.exists() or (partial_path(path).exists() and hashes_path(path).exists())


def written_as(path: Path) -> Facts:
    """Return what the disk at ``path`` is by its block hashes; UsageError if it has none."""
    if not hashes_path(path).exists():
        raise UsageError(
            f"has no block hashes ({hashes_path(path).name}) to update it by",
            path=path,
            hint=f"write it once with --overwrite --hash, as {CHANGEABLE_NAMES} it can be updated",
        )
    with HashFile(hashes_path(path)) as hashes:
        return hashes.facts


def update_disk(
    reader: DiskReader,
    path: Path,
    target: Target,
    *,
    threads: int | None = None,
    verify: bool = False,
    on_bytes: OnBytes | None = None,
    on_check: OnBytes | None = None,
    on_verify: OnBytes | None = None,
) -> Updated:
    """Make the disk at ``path``, written as ``target`` with its hashes, equal to ``reader``.

    ``on_check`` is called while the disk itself has to be read because its file is not
    the one that was written, a copy maybe. CorruptError when it is not the disk the hashes
    describe, UsageError when it was written as something else or a full conversion would
    give another size, UnsupportedError when it cannot be changed in place. With ``verify``
    the whole result is compared with the source, and keeps its hidden name if it differs.
    """
    started = time.monotonic()
    demand_alone(path)
    check_destination(reader, path, overwrite=True)
    check_destination(reader, partial_path(path), overwrite=True)
    facts = written_as(path)
    demand_same(facts, target, path)
    with _locked(path), HashFile(hashes_path(path)) as hashes:
        run = _Update(reader, path, hashes, threads)
        try:
            run.check(on_check)
            run.apply(on_bytes)
            if verify:
                verify_update(reader, run.place, facts, run.root, threads, on_verify)
            run.publish()
        except KenshoError as error:
            if run.is_hidden:
                error.hint = f"the same command finishes it; until then it is {run.place.name}"
            raise
        finally:
            run.close()
    return Updated(
        path=str(path),
        format=facts.format,
        subformat=facts.subformat,
        virtual_size=facts.virtual_size,
        file_size=path.stat().st_size,
        blocks_compared=run.compared,
        blocks_written=run.written,
        seconds=round(time.monotonic() - started, 3),
        verified=verify,
        finished=run.was_hidden,
        root=run.root,
    )


class _Update:
    """One run: ``place`` is where the disk's file is at the moment."""

    def __init__(
        self, reader: DiskReader, path: Path, hashes: HashFile, threads: int | None
    ) -> None:
        self._path = path
        self._reader = reader
        self._hashes = hashes
        self._threads = threads
        self._lock = threading.Lock()
        self.compared = self.written = 0
        self.root = ""
        self.was_hidden = self.is_hidden = not path.exists()
        self.place = partial_path(path) if self.is_hidden else path
        self._log: HashLog | None = None
        facts = hashes.facts
        # Asked before it is opened, which may touch it.
        self._is_known = not self.was_hidden and is_unchanged(self.place, facts)
        self._disk: InPlaceDisk = open_in_place(self.place, facts.format, facts.subformat)

    def check(self, on_bytes: OnBytes | None) -> None:
        """Raise CorruptError unless the disk is the one its hashes describe."""
        facts, disk = self._hashes.facts, self._disk.reader
        same = disk.virtual_size == facts.virtual_size
        if same and not self.was_hidden and not self._is_known:
            same = content_root(disk, threads=self._threads, on_bytes=on_bytes) == facts.root
        if not same:
            raise CorruptError(
                "is not the disk its block hashes describe: it was changed since",
                path=self._path,
                hint="keep it if the changes matter; --overwrite --hash writes it anew",
            )

    def apply(self, on_bytes: OnBytes | None) -> None:
        """Write the blocks that differ and make them durable."""
        disk = self._disk.reader
        size = disk.virtual_size
        below = batches(disk, LEAF) if self.was_hidden else self._hashes.spans(BATCH)
        spans = union_spans(batches(self._reader, LEAF), below)
        self._log = HashLog(self._path)
        tree = MerkleTree(self._log.add)
        each_span(spans, self._look, tree, self._threads, on_bytes, size)
        check_unchanged(self._reader)
        self.root = tree.root()
        self._disk.changes.flush()
        self._disk.changes.close()

    def publish(self) -> None:
        """Put the new hashes in place, and then the disk."""
        assert self._log is not None
        facts = self._hashes.facts
        self._log.commit(
            facts_of(self.place, facts.format, facts.subformat, facts.virtual_size, self.root)
        )
        if self.is_hidden:
            self._rename(self._path)
            self.is_hidden = False

    def close(self) -> None:
        """Close the disk; remove hashes that did not get their place."""
        self._disk.changes.close()
        self._disk.reader.close()
        if self._log is not None:
            self._log.discard()

    def _look(self, span: Span, data: bytearray, other: bytearray) -> Found:
        start, end = span
        read_padded(self._reader, start, end, data)
        wanted = leaf_digests(data, start, end - start)
        known = self._known(start, end, other)
        changed = 0
        if wanted != known:
            changed = self._write(start, end, data, dict(wanted), dict(known))
        with self._lock:
            self.compared += -(-(end - start) // LEAF)
            self.written += changed
        return None, wanted

    def _write(
        self, start: int, end: int, data: bytearray, want: dict[int, bytes], known: dict[int, bytes]
    ) -> int:
        """Write the leaves that differ, neighbours together; return how many those are."""
        self._hide()
        changes, view = self._disk.changes, memoryview(data)
        indexes = [i for i in range(start // LEAF, -(-end // LEAF)) if want.get(i) != known.get(i)]
        # Of neighbours with the same fate, index minus place in the list is the same.
        runs = itertools.groupby(enumerate(indexes), lambda p: (p[1] - p[0], p[1] in want))
        for (_, has_data), group in runs:
            run = [index for _, index in group]
            low, high = run[0] * LEAF, min((run[-1] + 1) * LEAF, end)
            if has_data:
                changes.write_at(low, view[low - start : high - start])
            else:
                changes.zero(low, high - low)
        return len(indexes)

    def _known(self, start: int, end: int, buffer: bytearray) -> list[tuple[int, bytes]]:
        """Return the leaves the disk has now."""
        if not self.was_hidden:
            return self._hashes.leaves(start, end)
        read_padded(self._disk.reader, start, end, buffer)
        return leaf_digests(buffer, start, end - start)

    def _hide(self) -> None:
        """Take the disk's name away before it is changed."""
        with self._lock:
            if not self.is_hidden:
                self._rename(partial_path(self._path))
                self.is_hidden = True

    def _rename(self, to: Path) -> None:
        self.place = self.place.replace(to)
        sync_folder(to)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Keep every other run from this disk; UsageError when one is at work."""
    journal = Journal(leftovers(path)[1], b"update")
    try:
        yield
    finally:
        if path.exists():  # what is left under the hidden name is of a conversion, forgotten now
            partial_path(path).unlink(missing_ok=True)
        journal.remove()
