"""The record of an adaptation: which files and blocks of which disks changed, and how they were.

It is one file, a tar archive: ``changes.json`` (`ChangeSet`), then for the disk numbered n, counted
from 1, ``n.before.zst`` and ``n.after.zst``: the bytes of its runs one after the other, packed with
Zstandard (RFC 8878). All digests of runs are BLAKE3, those of files SHA-256; roots are the Merkle
roots of docs/integrity.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import msgspec

from kensho.model.errors import CorruptError, LimitError, UsageError
from kensho.storage import FileSource, TarMember, read_members
from kensho.storage.unzstd import begin_zstd
from kensho.storage.window import WindowSource

VERSION = 1
FACTS = "changes.json"
MAX_RUN = 1 << 20
_MAX_FACTS = 64 << 20

Side = Literal["before", "after"]


class FileState(msgspec.Struct, frozen=True, omit_defaults=True):
    """A file as it is at one time: ``kind`` as in ``file`` or ``symlink``, with ``target`` then."""

    kind: str
    size: int = 0
    sha256: str = ""
    mode: int = 0
    uid: int = 0
    gid: int = 0
    target: str = ""


class FileChange(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of a file, and why; None where there was none, or is none any more.

    ``path`` is that within the ``volume`` (``disk1p2``, ``vg/root``) of the ``machine``; ``details``
    are the changes within it, such as keys of a registry.
    """

    machine: str
    volume: str
    path: str
    why: str
    before: FileState | None = None
    after: FileState | None = None
    details: tuple[str, ...] = ()


class Run(msgspec.Struct, frozen=True, array_like=True):
    """``length`` bytes of a disk from ``start`` on, and the digests of them before and after."""

    start: int
    length: int
    before: str
    after: str


class DiskChange(msgspec.Struct, frozen=True, omit_defaults=True):
    """A disk of a machine: ``name`` is ``disk1`` …, ``file`` what it was read from, ``size`` bytes.

    Roots are empty where nobody read the whole disk.
    """

    machine: str
    name: str
    file: str
    size: int
    root_before: str = ""
    root_after: str = ""
    runs: tuple[Run, ...] = ()


class ChangeSet(msgspec.Struct, frozen=True, kw_only=True):
    """All that an adaptation changed. ``disks`` are all disks of the machines, in their order."""

    kensho_changes: int = VERSION
    kensho: str
    source: str
    targets: tuple[str, ...]
    files: tuple[FileChange, ...]
    disks: tuple[DiskChange, ...]


class RecordedChanges:
    """A record opened to be read; close it."""

    def __init__(self, path: Path) -> None:
        """Raise LocatorError, CorruptError and LimitError kinds for what is no record."""
        self.path = path
        self._source = FileSource(path)
        try:
            self._members = {m.name: m for m in read_members(self._source)}
            self.changes = _facts(self._source, self._members.get(FACTS))
        except BaseException:
            self._source.close()
            raise

    def runs(self, number: int) -> Iterator[tuple[Run, bytes, bytes]]:
        """Yield the runs of a disk, counted from 1, with the bytes before and after.

        CorruptError when they are not what the record's digests say.
        """
        runs = self.changes.disks[number - 1].runs
        if not runs:
            return
        before, after = self._packed(number, "before"), self._packed(number, "after")
        for run in runs:
            old, new = before(run.length), after(run.length)
            if (digest(old), digest(new)) != (run.before, run.after):
                raise CorruptError("the record is damaged", path=self.path, offset=run.start)
            yield run, old, new

    def _packed(self, number: int, side: Side) -> Callable[[int], bytes]:
        name = f"{number}.{side}.zst"
        member = self._members.get(name)
        if member is None:
            raise CorruptError(f"the record has no {name}", path=self.path)
        unpack = begin_zstd(WindowSource(self._source, member.offset, member.size, name))

        def read(length: int) -> bytes:
            data = bytearray()
            while len(data) < length and (more := unpack(length - len(data))):
                data += more
            return bytes(data)

        return read

    def close(self) -> None:
        """Close the file."""
        self._source.close()


def digest(data: bytes) -> str:
    """Return the BLAKE3 of a run's bytes, lowercase hexadecimal."""
    from blake3 import blake3

    return blake3(data).hexdigest()


def _facts(source: FileSource, member: TarMember | None) -> ChangeSet:
    path = source.name
    if member is None:
        raise CorruptError("is no record of an adaptation", path=path)
    if member.size > _MAX_FACTS:
        raise LimitError(f"{member.size} bytes of facts", path=path, field=FACTS)
    try:
        changes = msgspec.json.decode(source.read_at(member.offset, member.size), type=ChangeSet)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CorruptError(f"is no record of an adaptation: {error}", path=path) from None
    if changes.kensho_changes != VERSION:
        raise UsageError(
            f"a record of version {changes.kensho_changes}; this kensho reads version {VERSION}",
            path=path,
        )
    for disk in changes.disks:
        end = 0
        for run in disk.runs:
            if not (end <= run.start and 0 < run.length <= MAX_RUN):
                raise CorruptError("runs that cannot be", path=path, field=disk.name)
            end = run.start + run.length
        if end > disk.size:
            raise CorruptError("a run behind the disk's end", path=path, field=disk.name)
    return changes
