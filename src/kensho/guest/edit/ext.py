"""Edits of files in ext2, ext3 and ext4, carried out by e2fsprogs on a copy of the metadata.

A journal with changes in it is replayed there first (e2fsck); then debugfs writes, e2fsck checks the
whole, and what came of it is read back. What differs from the disk then is the result: `Patch`.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from kensho.guest.edit import e2fsprogs
from kensho.guest.edit.ext_image import BlocksInUse, inode_tables, metadata_blocks, write_image
from kensho.guest.edit.ext_script import KEPT_FLAGS, Script, itself, old_nodes, settled
from kensho.guest.edit.patch import Patch, Patched, refuse_copied
from kensho.guest.edit.plan import FileEdit
from kensho.guest.files.base import Kind
from kensho.guest.files.ext.inode import read_inode
from kensho.guest.files.ext.journal import Replayed
from kensho.guest.files.ext.reader import Ext, open_ext
from kensho.guest.files.ext.superblock import SIZE, SUPERBLOCK, Superblock, crc32c, read_superblock
from kensho.guest.files.tree import GuestFiles
from kensho.guest.volumes.view import Readable, View
from kensho.model.errors import CorruptError, LimitError, NotFoundError, UnsupportedError

_WRITTEN_AT, _CHECKED_AT = 0x30, 0x40  #: in the superblock, seconds since 1970
_STATE_AT, _JOURNAL_DEVICE_AT = 0x3A, 0xE4
_RO_COMPAT_AT, _ORPHANS_AT = 0x64, 0xE8
_ORPHAN_PRESENT = 0x10000  #: of ro_compat
_ERRORS = 0x2  #: of the state: the kernel met damage
_HAS_JOURNAL = 0x4  #: of compat
_PIECE = 1 << 20
_MOST_GROUPS = 1 << 20  #: 128 TiB in blocks of 4 KiB
#: What e2fsprogs 1.47 changes a file system with, of ro_compat: not read-only, not shared blocks.
_WRITTEN = 0x7F | 0x100 | 0x200 | 0x400 | 0x2000 | 0x8000 | 0x10000
_READ_ONLY = {0x1000: "it is marked read-only", 0x4000: "its files share blocks"}


def edit_ext(view: View, edits: Sequence[FileEdit], folder: Path) -> Patch:
    """Carry edits out; paths are those within this file system. ``folder`` is for files of ours.

    The volume itself is only read. Raises ToolMissingError without e2fsprogs, NoSpaceError when the
    file system is full, CorruptError when it is damaged before or after, UnsupportedError for what
    cannot be done to a file.
    """
    refuse_copied(view)
    files = open_ext(view)
    sb = read_superblock(view)  # as it is on the disk: e2fsck replays the journal itself
    refuse_unfit(files, sb, view)
    image = folder / "ext.img"
    script = Script(files, sb, folder)
    script.add(edits)
    blocks = metadata_blocks(files.view, sb, frozenset(old_nodes(files, edits)))
    write_image(view, sb, blocks, image)
    now = str(int.from_bytes(view.read(SUPERBLOCK + _WRITTEN_AT, 4), "little"))
    if sb.needs_recovery or _has_orphans(view):
        e2fsprogs.repair(image, "-p", view.name, now)
    e2fsprogs.check(image, view.name, now)
    used = _blocks_in_use(image, view)  # not those on the disk: the journal may free and take some
    e2fsprogs.debugfs(image, script.lines, view.name, now)
    if script.flags:
        e2fsprogs.debugfs(image, _with_flags(image, view, script.flags), view.name, now)
    # debugfs leaves the block of a deleted file's attributes behind, and quotas as they were.
    if not e2fsprogs.is_clean(image, view.name, now):
        e2fsprogs.repair(image, "-y", view.name, now)
        e2fsprogs.check(image, view.name, now)
    _with_old_times(view, image)
    patch = Patch(view, image, tuple(_differences(view, image, blocks, used)))
    _read_back(Patched(patch), GuestFiles(files), edits)
    return patch


def refuse_unfit(files: Ext, sb: Superblock, view: View) -> None:
    """Raise for a file system that must not be changed as it is, or that e2fsprogs cannot change.

    ``sb`` is as on the disk. CorruptError where Linux met damage, UnsupportedError for the rest.
    """
    start = "start the guest once and shut it down properly, then copy its disk again"
    raw = view.read(SUPERBLOCK, SIZE)
    if sb.groups > _MOST_GROUPS:
        raise LimitError(f"{sb.groups} groups of blocks are not edited", path=view.name)
    if struct.unpack_from("<H", raw, _STATE_AT)[0] & _ERRORS:
        raise CorruptError(
            "Linux met damage in this file system, and has marked it", path=view.name,
            hint="run e2fsck in the guest, or on a copy of its disk, and try again",
        )  # fmt: skip
    other = sb.ro_compat & ~_WRITTEN
    if other:
        why = [words for bit, words in _READ_ONLY.items() if other & bit]
        raise UnsupportedError(
            f"is not written to: {', '.join(why) or f'features {other:#x} are not known'}",
            path=view.name, hint="change the files in the guest, or take the feature off (tune2fs)",
        )  # fmt: skip
    if sb.compat & _HAS_JOURNAL and struct.unpack_from("<I", raw, _JOURNAL_DEVICE_AT)[0]:
        raise UnsupportedError(
            "its journal is on another device", path=view.name,
            hint="put the journal into the file system: tune2fs -O ^has_journal, then tune2fs -j",
        )  # fmt: skip
    if sb.needs_recovery and not (isinstance(files.view, Replayed) and files.view.whole):
        raise UnsupportedError("; ".join(files.warnings), path=view.name, hint=start)


def _has_orphans(view: View) -> bool:
    """Tell whether files were open when the last of their names went: Linux takes them away at a mount.

    A file system that was frozen for a snapshot has them, too, with nothing in its journal.
    """
    raw = view.read(SUPERBLOCK, SIZE)
    (first,) = struct.unpack_from("<I", raw, _ORPHANS_AT)
    return bool(first or struct.unpack_from("<I", raw, _RO_COMPAT_AT)[0] & _ORPHAN_PRESENT)


def _with_flags(image: Path, view: View, kept: dict[str, int]) -> Iterator[str]:
    """Yield the commands that give new files the flags of those whose place they take."""
    with image.open("rb") as file:
        now = _File(file.fileno(), view.name, view.size)
        files = Ext(now)
        tree, sb = GuestFiles(files), read_superblock(now)
        for path, flags in kept.items():
            inode = read_inode(now, sb, tree.stat(path).node)
            yield f'sif "{path}" flags 0x{inode.flags & ~KEPT_FLAGS | flags:x}'


def _with_old_times(view: View, image: Path) -> None:
    """Take back the times of writing and checking that e2fsck sets to now, whatever it is told."""
    old = view.read(SUPERBLOCK, SIZE)
    with image.open("r+b") as file:
        file.seek(SUPERBLOCK)
        new = bytearray(file.read(SIZE))
        for at in (_WRITTEN_AT, _CHECKED_AT):
            new[at : at + 4] = old[at : at + 4]
        if read_superblock(view).seed is not None:
            new[-4:] = crc32c(0xFFFF_FFFF, bytes(new[:-4])).to_bytes(4, "little")
        file.seek(SUPERBLOCK)
        file.write(new)


def _blocks_in_use(image: Path, view: View) -> BlocksInUse:
    with image.open("rb") as file:
        now = _File(file.fileno(), view.name, view.size)
        return BlocksInUse.of(now, read_superblock(now))


def _differences(
    view: View, image: Path, metadata: Iterable[tuple[int, int]], used: BlocksInUse
) -> Iterable[tuple[int, int]]:
    """Yield the runs of blocks that are not on the disk as they are in the image.

    A block counts when it was put into the image, when it was free before the edits (``used``) and is
    in use now, or when it is one of inodes that were never used before. All others are holes of the
    image and stand for nothing, whatever is read there: what a sparse file keeps is pages, and a page
    may be larger than a block.
    """
    with image.open("rb") as file:
        after = _File(file.fileno(), view.name, view.size)
        before, in_use = read_superblock(view), _blocks_in_use(image, view)
        known = {block for first, count in metadata for block in range(first, first + count)}
        tables = inode_tables(view, before)
        wanted = (
            block
            for block in _candidates(file.fileno(), before.block, known)
            if block in known or block in tables or (block not in used and block in in_use)
        )
        for first, count in _runs(wanted, _PIECE // before.block):
            yield from _changed(view, after, first * before.block, (count, before.block))


def _runs(blocks: Iterable[int], most: int) -> Iterator[tuple[int, int]]:
    """Yield runs of ascending blocks as (first, count), none longer than ``most``."""
    first = count = 0
    for block in blocks:
        if count and (block != first + count or count == most):
            yield first, count
            count = 0
        first = first if count else block
        count += 1
    if count:
        yield first, count


def _changed(
    view: View, after: Readable, start: int, shape: tuple[int, int]
) -> Iterator[tuple[int, int]]:
    """Yield (offset, length) of what differs in so many blocks of so many bytes."""
    count, size = shape
    new, old = after.read(start, count * size), view.read(start, count * size)
    if new == old:
        return
    differing = (
        n
        for n in range(count)
        if new[n * size : n * size + size] != old[n * size : n * size + size]
    )
    for first, blocks in _runs(differing, count):
        yield start + first * size, blocks * size


@dataclass(frozen=True, slots=True)
class _File:
    """The image as a `Readable`."""

    descriptor: int
    name: str
    size: int

    def read(self, offset: int, length: int) -> bytes:
        return os.pread(self.descriptor, length, offset)


def _candidates(descriptor: int, block: int, known: set[int]) -> Iterable[int]:
    """Return the blocks that may have changed, ascending: those put in, and what is no hole now."""
    found = set(known)
    size, place = os.fstat(descriptor).st_size, 0
    while place < size:
        try:
            begin = os.lseek(descriptor, place, os.SEEK_DATA)
        except OSError:
            break  # only a hole is left
        place = os.lseek(descriptor, begin, os.SEEK_HOLE)
        found.update(range(begin // block, -(-place // block)))
    return sorted(found)


def _read_back(view: Readable, before: GuestFiles, edits: Iterable[FileEdit]) -> None:
    tree = GuestFiles(Ext(view))
    for edit in edits:
        path = (settled if edit.content is not None else itself)(before, edit.path)
        if not _came_out(tree, path, edit):
            raise CorruptError("an edit did not come out as planned", path=edit.path)


def _came_out(tree: GuestFiles, path: str, edit: FileEdit) -> bool:
    try:
        facts = tree.stat(path, follow=False)
    except NotFoundError:
        return edit.content is None and not edit.target
    if edit.content is not None:
        return facts.kind is Kind.FILE and tree.read(path, len(edit.content)) == edit.content
    if edit.target:
        return facts.kind is Kind.SYMLINK and tree.readlink(path) == edit.target
    return facts.kind is Kind.DIRECTORY  # made where a file was deleted: folders never are
