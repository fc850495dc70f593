"""The metadata of an ext2, ext3 or ext4 file system in a sparse file of its own.

e2fsprogs' tools change a file system by its metadata alone: what is in the files does not matter to
them. So they are given a file with nothing but that, whatever format the disk is in, and what they
have written there is laid over the disk. Nothing is mounted, and no right is needed.

Spec: Linux Documentation/filesystems/ext4 (group descriptors, bitmaps, inodes); which blocks count as
metadata is e2image(8)'s choice.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from kensho.guest.edit.scratch import write_whole
from kensho.guest.files.ext.inode import FLAG_EA_INODE, FLAG_EXTENTS, FLAG_INLINE, read_inode, runs
from kensho.guest.files.ext.journal import Replayed
from kensho.guest.files.ext.superblock import (
    BIT64,
    EXTENTS,
    META_BG,
    MMP,
    SUPERBLOCK,
    Superblock,
)
from kensho.guest.volumes.view import Readable
from kensho.model.errors import NoSpaceError

_INODE_UNINIT, _BLOCK_UNINIT = 1, 2
_GROUP_CHECKSUMS = 0x10 | 0x400  # of ro_compat: only then are the groups' flags valid
_RESERVED_GDT_AT, _MMP_AT, _PROJECT_QUOTA_AT, _ORPHAN_FILE_AT = 0xCE, 0x168, 0x26C, 0x280
_ORPHAN_FILE = 0x1000  # of compat
_QUOTA = 0x100  # of ro_compat
_QUOTA_INODES = (3, 4)
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class _Group:
    """A group descriptor: where its tables are, and how much of them is in use."""

    block_bitmap: int
    inode_bitmap: int
    inode_table: int
    used_inodes: int  #: only this many of the table have ever been in use
    blocks_in_use_told: (
        bool  #: False when the bitmap was never written: no block but tables is used
    )


@dataclass(slots=True)
class _Recorder:
    """A view that remembers which blocks were read through it."""

    view: Readable
    block: int
    seen: set[int] = field(default_factory=set)

    @property
    def name(self) -> str:
        return self.view.name

    @property
    def size(self) -> int:
        return self.view.size

    def read(self, offset: int, length: int) -> bytes:
        self.add(offset // self.block, -(-(offset % self.block + length) // self.block))
        return self.view.read(offset, length)

    def add(self, first: int, count: int) -> None:
        self.seen.update(range(first, first + count))


def metadata_blocks(
    view: Readable, sb: Superblock, contents: frozenset[int] = frozenset()
) -> list[tuple[int, int]]:
    """Return the blocks that are no file's content, as ascending runs of (first, count).

    ``view`` shows the file system with its journal replayed. The journal's own blocks are among
    them when it holds changes, and so is the content of the inodes in ``contents``: files that are to
    be deleted, the blocks of which may be used again. Raises CorruptError for what makes no sense.
    """
    recorder = _Recorder(view, sb.block)
    raw = recorder.read(SUPERBLOCK, 1024)
    (reserved,) = struct.unpack_from("<H", raw, _RESERVED_GDT_AT)
    if sb.incompat & MMP:
        recorder.add(struct.unpack_from("<Q", raw, _MMP_AT)[0], 1)
    whole = set(contents)
    if sb.compat & _ORPHAN_FILE:
        whole.add(struct.unpack_from("<I", raw, _ORPHAN_FILE_AT)[0])
    if sb.ro_compat & _QUOTA:
        whole |= {*_QUOTA_INODES, struct.unpack_from("<I", raw, _PROJECT_QUOTA_AT)[0]}
    if sb.needs_recovery:
        whole.add(sb.journal_inode)
    per_block = sb.block // sb.descriptor_size
    tables = -(-sb.groups // per_block) + reserved
    if isinstance(view, Replayed):
        recorder.seen.update(view.blocks)
    for group in range(sb.groups):
        if sb.group_has_super(group):
            recorder.add(sb.first_block + group * sb.blocks_per_group, 1 + tables)
        if sb.incompat & META_BG:  # copies of descriptors, in the second and last of some groups
            recorder.add(sb.first_block + group * sb.blocks_per_group, 2)
        _add_group(recorder, sb, group, whole)
    return _runs_of(block for block in _clusters(recorder.seen, sb) if block < sb.blocks)


def _clusters(blocks: set[int], sb: Superblock) -> set[int]:
    """Return all blocks of the clusters: one that is freed whole may be used again whole."""
    if sb.cluster == 1:
        return blocks
    firsts = {block // sb.cluster * sb.cluster for block in blocks}
    return {block for first in firsts for block in range(first, min(first + sb.cluster, sb.blocks))}


def _group(view: Readable, sb: Superblock, number: int) -> _Group:
    raw = view.read(sb.descriptor_at(number), sb.descriptor_size)
    wide = bool(sb.incompat & BIT64) and sb.descriptor_size >= 64

    def pointer(low: int, high: int) -> int:
        value: int = struct.unpack_from("<I", raw, low)[0]
        return value | (struct.unpack_from("<I", raw, high)[0] << 32 if wide else 0)

    used, told = sb.inodes_per_group, True
    if sb.ro_compat & _GROUP_CHECKSUMS:
        (flags,) = struct.unpack_from("<H", raw, 0x12)
        unused = struct.unpack_from("<H", raw, 0x1C)[0]
        unused |= struct.unpack_from("<H", raw, 0x32)[0] << 16 if wide else 0
        used = 0 if flags & _INODE_UNINIT else max(0, used - unused)
        told = not flags & _BLOCK_UNINIT
    return _Group(pointer(0, 0x20), pointer(4, 0x24), pointer(8, 0x28), used, told)


def _add_group(recorder: _Recorder, sb: Superblock, number: int, whole: set[int]) -> None:
    group = _group(recorder, sb, number)
    recorder.add(group.block_bitmap, 1)
    recorder.add(group.inode_bitmap, 1)
    used = group.used_inodes
    if not used:
        return
    length = used * sb.inode_size
    recorder.add(group.inode_table, -(-length // sb.block))
    bitmap = recorder.view.read(group.inode_bitmap * sb.block, -(-used // 8))
    inodes = recorder.view.read(group.inode_table * sb.block, length)
    first = number * sb.inodes_per_group + 1
    for index in range(used):
        if bitmap[index >> 3] >> (index & 7) & 1:
            _add_inode(recorder, sb, first + index, inodes, index * sb.inode_size, whole)


def inode_tables(view: Readable, sb: Superblock) -> frozenset[int]:
    """Return the blocks of all inode tables, those that were never written among them."""
    count = -(-sb.inodes_per_group * sb.inode_size // sb.block)
    tables = (_group(view, sb, number).inode_table for number in range(sb.groups))
    return frozenset(block for table in tables for block in range(table, table + count))


@dataclass(slots=True)
class BlocksInUse:
    """Which blocks of a file system its bitmaps said were in use when they were read."""

    sb: Superblock
    bitmaps: tuple[bytes, ...]  #: of each group; empty where none was ever written

    @classmethod
    def of(cls, view: Readable, sb: Superblock) -> BlocksInUse:
        """Read all bitmaps."""
        groups = (_group(view, sb, number) for number in range(sb.groups))
        return cls(
            sb,
            tuple(
                view.read(group.block_bitmap * sb.block, sb.block)
                if group.blocks_in_use_told
                else b""
                for group in groups
            ),
        )

    def __contains__(self, block: int) -> bool:
        """Tell whether a block is in use, by the bit of its cluster."""
        group, within = divmod(block - self.sb.first_block, self.sb.blocks_per_group)
        if group < 0:
            return True
        bit = within // self.sb.cluster
        bitmap = self.bitmaps[group]
        return bool(bitmap and bitmap[bit >> 3] >> (bit & 7) & 1)


def _add_inode(
    recorder: _Recorder, sb: Superblock, number: int, inodes: bytes, at: int, whole: set[int]
) -> None:
    """Add the blocks of an inode that are metadata; most inodes have none, and are left quickly."""
    mode = inodes[at] | inodes[at + 1] << 8
    kind = stat.S_IFMT(mode)
    (flags,) = struct.unpack_from("<I", inodes, at + 0x20)
    (acl,) = struct.unpack_from("<I", inodes, at + 0x68)
    if acl:
        acl |= struct.unpack_from("<H", inodes, at + 0x76)[0] << 32
        recorder.add(acl, 1)
    contents = kind in {stat.S_IFDIR, stat.S_IFLNK} or number in whole or flags & FLAG_EA_INODE
    journal = number == sb.journal_inode
    if kind == 0 or (kind not in {stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK}):
        return
    if not contents and not journal:
        if flags & FLAG_EXTENTS and sb.incompat & EXTENTS:
            if not inodes[at + 0x2E] | inodes[at + 0x2F] << 8:  # the depth of its tree
                return
        elif not any(inodes[at + 0x58 : at + 0x64]):  # its tables of pointers
            return
    inode = read_inode(recorder.view, sb, number)
    if kind == stat.S_IFLNK and inode.facts.size < 60 and not flags & FLAG_EXTENTS:
        return
    if inode.flags & FLAG_INLINE:
        return
    for position, physical, count in runs(recorder, sb, inode):
        if contents:
            recorder.add(physical, count)
        elif journal and position == 0:
            recorder.add(physical, 1)


def _runs_of(blocks: Iterator[int]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for block in sorted(blocks):
        if found and block == found[-1][0] + found[-1][1]:
            found[-1] = (found[-1][0], found[-1][1] + 1)
        else:
            found.append((block, 1))
    return found


def write_image(view: Readable, sb: Superblock, blocks: list[tuple[int, int]], path: Path) -> None:
    """Write those blocks of ``view`` into a sparse file as large as the file system.

    NoSpaceError when there is no room for them.
    """
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
    try:
        os.ftruncate(descriptor, sb.blocks * sb.block)
        step = _PIECE // sb.block
        for first, count in blocks:
            for start in range(first, first + count, step):
                take = min(step, first + count - start)
                write_whole(
                    descriptor, view.read(start * sb.block, take * sb.block), start * sb.block
                )
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            raise
        raise NoSpaceError(f"write failed: {error.strerror}", path=path.parent) from None
    finally:
        os.close(descriptor)
