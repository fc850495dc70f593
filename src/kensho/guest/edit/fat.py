"""Edits of files in FAT12, FAT16 and FAT32, by kensho itself: no program, no root, no mount.

The tables and directories are checked first: FAT has no journal, and a file system that was mounted
when its disk was copied may be torn. What differs from the disk then is the result: `Patch`.

Spec: Microsoft FAT32 File System Specification 1.03 (fatgen103).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from kensho.guest.edit.fat_names import entries_of
from kensho.guest.edit.fat_table import Table
from kensho.guest.edit.patch import Patch, Patched, refuse_copied
from kensho.guest.edit.plan import FileEdit
from kensho.guest.edit.scratch import Scratch
from kensho.guest.files.base import Kind
from kensho.guest.files.fat import Fat, first_cluster
from kensho.guest.files.fat_layout import ENTRY, read_geometry
from kensho.guest.files.tree import GuestFiles
from kensho.guest.volumes.view import View
from kensho.model.errors import CorruptError, NoSpaceError, UnsupportedError

_DELETED = 0xE5
_LONG, _DIRECTORY, _ARCHIVE = 0x0F, 0x10, 0x20
_LARGEST = (1 << 32) - 1
_MOST_SLOTS = 65536
_FIRST_DAY = 0x21  #: 1980-01-01
_REPAIR = "run fsck.fat in the guest, or on a copy of its disk, and try again"


def edit_fat(view: View, edits: Sequence[FileEdit], folder: Path) -> Patch:
    """Carry edits out; paths are those within this file system. ``folder`` is for files of ours.

    The volume itself is only read. Raises NoSpaceError when the file system is full, CorruptError
    when it is damaged, UnsupportedError for what FAT cannot do. Modes and owners do not count.
    """
    refuse_copied(view)
    with closing(Scratch(view, folder / "fat.img")) as scratch:
        table = Table.read(scratch, read_geometry(scratch))
        volume = _Volume(scratch, table, check(Fat(scratch), table))
        for edit in edits:
            if edit.content is None:
                volume.delete(edit)
        for edit in edits:
            if edit.content is not None:
                volume.write(edit.path, edit.content)
        table.write(scratch)
        patch = scratch.patch()
    after = Fat(Patched(patch))
    check(after, Table.read(Patched(patch), table.geometry))
    _read_back(GuestFiles(after), edits)
    return patch


def check(files: Fat, table: Table) -> tuple[int, int]:
    """Return the latest (date, time) that a file was written.

    CorruptError where two files share a cluster, or a file has fewer or more than its size takes.
    """
    latest = (_FIRST_DAY, 0)
    cluster = table.geometry.cluster
    met = bytearray(table.geometry.clusters + 2)
    folders = [files.root]
    if table.geometry.bits == 32:
        _meet(met, table.chain(table.geometry.root_cluster), table.name)
    while folders:
        for _, node in files.entries(folders.pop()):
            raw = files.raw(node)
            time, date = struct.unpack_from("<HH", raw, 22)
            latest = max(latest, (date, time))
            facts, first = files.stat(node), first_cluster(raw)
            chain = table.chain(first) if first else []
            _meet(met, chain, table.name)
            if facts.kind is Kind.DIRECTORY:
                folders.append(node)
                wrong = not chain
            else:
                wrong = len(chain) != -(-facts.size // cluster)
            if wrong:
                raise CorruptError(
                    "a file does not have the clusters its size takes",
                    path=table.name, offset=node, hint=_REPAIR,
                )  # fmt: skip
    return latest


def _meet(met: bytearray, chain: list[int], name: str) -> None:
    for cluster in chain:
        if met[cluster]:
            raise CorruptError("two files share a cluster", path=name, hint=_REPAIR)
        met[cluster] = 1


class _Volume:
    """A FAT file system in a scratch: its files are changed there, its table in memory."""

    def __init__(self, scratch: Scratch, table: Table, now: tuple[int, int]) -> None:
        self._scratch = scratch
        self._table = table
        # No clock: what is written is as old as the newest file there is.
        self._date, self._time = now

    def delete(self, edit: FileEdit) -> None:
        """Delete a file, if it is there."""
        if edit.target:
            raise UnsupportedError("FAT has no links", path=edit.path)
        folder, name = self._folder(edit.path, make=False)
        found = None if folder is None else self._find(folder, name)
        if folder is None or found is None:
            return
        raw = self._scratch.read(found, ENTRY)
        if raw[11] & _DIRECTORY:
            raise UnsupportedError("is a directory: only files are deleted", path=edit.path)
        if first_cluster(raw):
            self._table.release(first_cluster(raw))
        for place in self._slots_of(folder, found):
            self._scratch.write_at(place, bytes([_DELETED]))

    def write(self, path: str, content: bytes) -> None:
        """Write a file's content; what is there keeps its name, attributes and day of making."""
        if len(content) > _LARGEST:
            raise UnsupportedError("is too large for FAT", path=path)
        folder, name = self._folder(path, make=True)
        assert folder is not None
        found = self._find(folder, name)
        if found is None:
            first = self._store(content)
            self._enter(folder, name, _ARCHIVE, first, len(content))
            return
        raw = bytearray(self._scratch.read(found, ENTRY))
        if raw[11] & _DIRECTORY:
            raise UnsupportedError("is a directory, no plain file", path=path)
        if first_cluster(bytes(raw)):
            self._table.release(first_cluster(bytes(raw)))
        first = self._store(content)
        raw[11] |= _ARCHIVE
        struct.pack_into("<HHHHHI", raw, 18, self._date, first >> 16, self._time, self._date,
                         first & 0xFFFF, len(content))  # fmt: skip
        self._scratch.write_at(found, bytes(raw))

    def _store(self, content: bytes) -> int:
        """Return the first cluster of the content, 0 when there is none."""
        size = self._table.geometry.cluster
        clusters = self._table.allocate(-(-len(content) // size))
        for number, cluster in enumerate(clusters):
            part = content[number * size : (number + 1) * size]
            self._scratch.write_at(self._place(cluster), part.ljust(size, b"\0"))
        return clusters[0] if clusters else 0

    def _place(self, cluster: int) -> int:
        return self._table.geometry.data + (cluster - 2) * self._table.geometry.cluster

    def _find(self, folder: int, name: str) -> int | None:
        self._flush()
        wanted = name.casefold()
        for found, node in Fat(self._scratch).entries(folder):
            if found.casefold() == wanted:
                return node
        return None

    def _folder(self, path: str, *, make: bool) -> tuple[int | None, str]:
        """Return the folder a file is in, made if it is not there, and the last name."""
        *above, name = [part for part in path.split("/") if part] or [""]
        folder = 0
        for part in above:
            found = self._find(folder, part)
            if found is None:
                if not make:
                    return None, name
                found = self._make(folder, part)
            elif not self._scratch.read(found, ENTRY)[11] & _DIRECTORY:
                raise UnsupportedError(f"{part} is a file, no folder", path=path)
            folder = found
        return folder, name

    def _make(self, parent: int, name: str) -> int:
        first = self._store(bytes(self._table.geometry.cluster))
        above = first_cluster(self._scratch.read(parent, ENTRY)) if parent else 0
        dots = self._entry(b".".ljust(11), _DIRECTORY, first, 0)
        dots += self._entry(b"..".ljust(11), _DIRECTORY, above, 0)
        self._scratch.write_at(self._place(first), dots)
        return self._enter(parent, name, _DIRECTORY, first, 0)

    def _entry(self, short: bytes, attributes: int, first: int, size: int) -> bytes:
        return struct.pack(
            "<11sBBBHHHHHHHI", short, attributes, 0, 0, self._time, self._date, self._date,
            first >> 16, self._time, self._date, first & 0xFFFF, size,
        )  # fmt: skip

    def _enter(self, folder: int, name: str, attributes: int, first: int, size: int) -> int:
        """Put a new name into a folder; return its entry's place."""
        taken = {
            raw[:11]
            for _, raw in self._slots(folder)
            if raw[0] not in {0, _DELETED} and raw[11] & 0x3F != _LONG
        }
        long, short = entries_of(name, taken)
        made = [*long, self._entry(short, attributes, first, size)]
        places = self._room(folder, len(made))
        for place, raw in zip(places, made, strict=True):
            self._scratch.write_at(place, raw)
        return places[-1]

    def _room(self, folder: int, count: int) -> list[int]:
        """Return so many free entries in a row, the folder enlarged if need be."""
        while True:
            slots = list(self._slots(folder))
            run: list[int] = []
            ended = False
            for number, (place, raw) in enumerate(slots):
                ended |= raw[0] == 0
                run = [*run, place] if ended or raw[0] == _DELETED else []
                if len(run) == count:
                    if ended and number + 1 < len(slots):  # the end is behind it now
                        self._scratch.write_at(slots[number + 1][0], bytes(ENTRY))
                    return run
            self._enlarge(folder, len(slots))

    def _enlarge(self, folder: int, slots: int) -> None:
        g = self._table.geometry
        if (folder == 0 and g.bits != 32) or slots + g.cluster // ENTRY > _MOST_SLOTS:
            raise NoSpaceError(
                f"a folder of {self._table.name} takes no more names",
                hint="take files out of it in the guest",
            )
        first = g.root_cluster if folder == 0 else first_cluster(self._scratch.read(folder, ENTRY))
        chain = self._table.chain(first)
        more = self._store(bytes(g.cluster))
        self._table.link([*chain, more])

    def _slots(self, folder: int) -> Iterator[tuple[int, bytes]]:
        self._flush()
        return Fat(self._scratch).slots(folder)

    def _flush(self) -> None:
        self._table.write(self._scratch)

    def _slots_of(self, folder: int, entry: int) -> list[int]:
        """Return the places of an entry and of its long name's before it."""
        run: list[int] = []
        for place, raw in self._slots(folder):
            if place == entry:
                return [*run, place]
            long = raw[0] != _DELETED and raw[11] & 0x3F == _LONG
            run = [*run, place] if long and not (raw[0] & 0x40) else [place] if long else []
        return [entry]


def _read_back(tree: GuestFiles, edits: Sequence[FileEdit]) -> None:
    for edit in edits:
        if edit.content is None:
            good = not tree.exists(edit.path) or tree.stat(edit.path).kind is Kind.DIRECTORY
        else:
            good = tree.exists(edit.path) and tree.read(edit.path, _LARGEST) == edit.content
        if not good:
            raise CorruptError("an edit did not come out as planned", path=edit.path)
