"""The room in ext2, ext3 and ext4: by the groups' own counts, which hold where the total is late.

Spec: Linux Documentation/filesystems/ext4 (super block, group descriptors).
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Sequence

from kensho.guest.edit.ext import refuse_unfit
from kensho.guest.edit.plan import FileEdit
from kensho.guest.edit.room import Room, made_by
from kensho.guest.files.ext.inode import read_inode
from kensho.guest.files.ext.reader import Ext, open_ext
from kensho.guest.files.ext.superblock import (
    BIT64,
    EXTENTS,
    SUPERBLOCK,
    Superblock,
    read_superblock,
)
from kensho.guest.files.tree import GuestFiles
from kensho.guest.volumes.view import Readable, View
from kensho.model.errors import NotFoundError

_RESERVED_AT, _RESERVED_HIGH_AT = 0x08, 0x154
_EXTENT, _IN_INODE, _TABLES = 12, 4, 64  #: bytes of one; as many fit without a table; tables to one
_DIRECT = 12  #: blocks of a file that are told in its inode


def room_ext(view: View, edits: Sequence[FileEdit]) -> Room:
    """Measure; paths are those within the file system.

    Raises what reading it raises, and what `refuse_unfit` does: before anything is written.
    """
    files = open_ext(view)
    refuse_unfit(files, read_superblock(view), view)
    sb = read_superblock(files.view)
    raw = files.view.read(SUPERBLOCK, 1024)
    reserved = struct.unpack_from("<I", raw, _RESERVED_AT)[0]
    if sb.incompat & BIT64:
        reserved |= struct.unpack_from("<I", raw, _RESERVED_HIGH_AT)[0] << 32
    clusters, inodes = _free(files.view, sb)
    blocks, new = _needed(files, sb, edits)
    size = sb.block * sb.cluster
    return Room(clusters * size, blocks * sb.block, reserved * sb.block, inodes, new)


def _free(view: Readable, sb: Superblock) -> tuple[int, int]:
    """Return free clusters and inodes."""
    clusters = inodes = 0
    wide = bool(sb.incompat & BIT64) and sb.descriptor_size >= 64
    for group in range(sb.groups):
        raw = view.read(sb.descriptor_at(group), sb.descriptor_size)
        free, free_inodes = struct.unpack_from("<HH", raw, 0x0C)
        if wide:
            high, high_inodes = struct.unpack_from("<HH", raw, 0x2C)
            free, free_inodes = free | high << 16, free_inodes | high_inodes << 16
        clusters, inodes = clusters + free, inodes + free_inodes
    return clusters, inodes


def _needed(files: Ext, sb: Superblock, edits: Sequence[FileEdit]) -> tuple[int, int]:
    """Return blocks taken less blocks given back, and the new files."""
    tree = GuestFiles(files)
    blocks = 0
    for edit in edits:
        with contextlib.suppress(NotFoundError):
            inode = read_inode(files.view, sb, tree.stat(edit.path, follow=False).node)
            if edit.content is not None or inode.facts.links == 1:
                blocks -= inode.taken // sb.block
            if edit.content is not None and inode.acl_block:
                blocks += sb.cluster
        if edit.content is not None:
            blocks += _blocks(sb, len(edit.content))
    new, folders = made_by(tree, edits)
    # A block for each folder, and one where a name finds no room in its folder.
    return blocks + (new + 2 * folders) * sb.cluster, new + folders


def _blocks(sb: Superblock, size: int) -> int:
    """Return the most blocks that a file takes, its tables among them."""
    content = -(-size // (sb.block * sb.cluster)) * sb.cluster
    if sb.incompat & EXTENTS:
        leaves = -(-content // (sb.block // _EXTENT)) if content > _IN_INODE else 0
        return content + (leaves + leaves // _TABLES) * sb.cluster
    pointers, tables, rest = sb.block // 4, 0, content - _DIRECT
    while rest > 0:  # a table for so many blocks, and one more of each depth
        tables += 1 + -(-min(rest, pointers * pointers) // pointers)
        rest -= pointers * pointers
    return content + tables
