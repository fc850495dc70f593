"""The record of an adaptation made: files and blocks before and after, as `changes` describes it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec
import zstandard

from kensho.disks.base import DiskReader
from kensho.guest.adapt.changes import (
    FACTS,
    MAX_RUN,
    ChangeSet,
    DiskChange,
    FileChange,
    FileState,
    Run,
    Side,
    digest,
)
from kensho.guest.adapt.plan import AdaptPlan
from kensho.guest.edit.disk import PatchedDisk, Piece
from kensho.guest.edit.plan import FileEdit
from kensho.guest.files.base import Kind
from kensho.guest.files.tree import GuestFiles
from kensho.model.errors import LimitError, NotFoundError
from kensho.model.text import told
from kensho.storage.atomic import PendingFile, partial_path
from kensho.storage.tar_write import TarWriter

_MOST_HASHED = 4 << 30


def file_changes(plan: AdaptPlan, machine: str) -> Iterator[FileChange]:
    """Yield what becomes of each file of a machine; the disks are read for what is there."""
    for volume in plan.volumes:
        for edit in volume.edits:
            before = state_of(volume.files, edit.path)
            change = FileChange(
                machine=machine,
                volume=volume.volume.id,
                path=edit.path,
                why=edit.why,
                before=before,
                after=_after(edit, before),
                details=edit.details,
            )
            yield told(change)


def state_of(files: GuestFiles, path: str) -> FileState | None:
    """Return how a file is, None when there is none; what reading raises."""
    try:
        facts = files.stat(path, follow=False)
    except NotFoundError:
        return None
    target, sha256 = "", ""
    if facts.kind is Kind.SYMLINK:
        target = files.readlink(path)
    elif facts.kind is Kind.FILE:
        sha256 = _digest_of(files, path, facts.size)
    return FileState(facts.kind.value, facts.size, sha256, facts.mode, facts.uid, facts.gid, target)


def _digest_of(files: GuestFiles, path: str, size: int) -> str:
    """Return the SHA-256 of a file in bounded memory, its holes being zeros; LimitError above 4 GiB."""
    if size > _MOST_HASHED:  # nothing that is changed is that large, but a hole may say so
        raise LimitError(f"{size} bytes; at most {_MOST_HASHED} are recorded", path=path)
    total, end = hashlib.sha256(), 0
    for offset, data in files.data(path):
        _zeros(total, offset - end)
        total.update(data[: max(0, size - offset)])
        end = offset + len(data)
    _zeros(total, size - end)
    return total.hexdigest()


def _zeros(total: hashlib._Hash, length: int) -> None:
    for at in range(0, length, MAX_RUN):
        total.update(bytes(min(MAX_RUN, length - at)))


def _after(edit: FileEdit, before: FileState | None) -> FileState | None:
    if edit.target:
        size = len(edit.target.encode("utf-8", "surrogateescape"))
        return FileState(Kind.SYMLINK.value, size, "", 0o777, edit.uid, edit.gid, edit.target)
    if edit.content is None:
        return None
    kept = before is not None and before.kind == Kind.FILE
    mode, uid, gid = (
        (before.mode, before.uid, before.gid)
        if before is not None and kept
        else (edit.mode, edit.uid, edit.gid)
    )
    sha256 = hashlib.sha256(edit.content).hexdigest()
    return FileState(Kind.FILE.value, len(edit.content), sha256, mode, uid, gid)


def runs_of(below: DiskReader, above: DiskReader, pieces: Iterable[Piece]) -> Iterator[Run]:
    """Yield what really differs of a disk and the one with pieces over it, ascending."""
    for start, length in spans_of(pieces):
        old, new = bytearray(length), bytearray(length)
        below.read_into(start, old)
        above.read_into(start, new)
        if old != new:
            yield Run(start, length, digest(bytes(old)), digest(bytes(new)))


def spans_of(pieces: Iterable[Piece]) -> Iterator[tuple[int, int]]:
    """Yield (start, length) of what pieces cover, each at most `MAX_RUN` long."""
    start = end = 0
    for piece in sorted(pieces, key=lambda piece: piece.start):
        if piece.start > end:
            yield from _cut(start, end)
            start = piece.start
        end = max(end, piece.start + piece.length)
    yield from _cut(start, end)


def _cut(start: int, end: int) -> Iterator[tuple[int, int]]:
    while start < end:
        stop = min(end, start // MAX_RUN * MAX_RUN + MAX_RUN)
        yield start, stop - start
        start = stop


def changed_disk(
    machine: str,
    name: str,
    file: str,
    below: DiskReader,
    above: DiskReader,
    pieces: Sequence[Piece],
) -> DiskChange:
    """Return what changes of a disk that becomes ``above`` by pieces over it, without its roots."""
    runs = tuple(runs_of(below, above, pieces))
    return DiskChange(machine, name, file, below.virtual_size, runs=runs)


def write_changes(
    path: Path, changes: ChangeSet, disks: Sequence[tuple[DiskReader, Sequence[Piece]]]
) -> None:
    """Write the record to ``path``, there whole or not at all.

    ``disks`` are in the order of ``changes.disks``: each as it was, and the pieces over it.
    """
    with PendingFile(path) as pending:
        partial_path(path).chmod(0o600)  # what files of the guest hold is for nobody else
        archive = TarWriter(pending.sink)
        archive.add(FACTS, msgspec.json.format(msgspec.json.encode(changes), indent=1) + b"\n")
        for number, (change, (below, pieces)) in enumerate(
            zip(changes.disks, disks, strict=True), 1
        ):
            if change.runs:
                above = PatchedDisk(below, pieces)
                try:
                    _pack(archive, number, "before", below, change.runs)
                    _pack(archive, number, "after", above, change.runs)
                finally:
                    above.close()
        archive.finish()


def _pack(
    archive: TarWriter, number: int, side: Side, disk: DiskReader, runs: Iterable[Run]
) -> None:
    sink = archive.begin(f"{number}.{side}.zst")
    packer = zstandard.ZstdCompressor(level=3).compressobj()
    for run in runs:
        data = bytearray(run.length)
        disk.read_into(run.start, data)
        sink.append(packer.compress(bytes(data)))
    sink.append(packer.flush())
    archive.end()
