"""The room in XFS, by the counts of its allocation groups; what Linux keeps back is taken off.

Spec: XFS Algorithms & Data Structures, "AG Free Space Management"; how much is kept back: Linux
fs/xfs (xfs_default_resblks, xfs_alloc_set_aside, the reservations of each group's trees).
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Sequence

from kensho.guest.edit.plan import FileEdit
from kensho.guest.edit.room import Room, made_by
from kensho.guest.files.base import Kind
from kensho.guest.files.tree import GuestFiles
from kensho.guest.files.xfs.reader import open_xfs
from kensho.guest.files.xfs.superblock import Superblock, read_superblock
from kensho.guest.volumes.view import View
from kensho.model.errors import CorruptError, NotFoundError

_SECTOR_AT, _RO_COMPAT_AT, _FREE_AT = 102, 212, 52
_RESERVE, _ASIDE = 8192, 12  #: blocks: of the whole at most, of each group
#: What trees may grow to in a group, in thousandths of it, by the feature that needs them.
_TREES = {0x1: 5, 0x2: 12, 0x4: 6}
_CHUNK = 64  #: inodes are made in such numbers


def room_xfs(view: View, edits: Sequence[FileEdit]) -> Room:
    """Measure; paths are those within the file system. Raises what reading it raises.

    What a log holds that was not replayed is not seen.
    """
    sb = read_superblock(view)
    tree = GuestFiles(open_xfs(view))
    blocks = 0
    for edit in edits:
        blocks += -(-len(edit.content or b"") // sb.block)
        with contextlib.suppress(NotFoundError):
            old = tree.stat(edit.path, follow=False)
            if old.kind is Kind.FILE and (edit.content is not None or old.links == 1):
                blocks -= -(-old.size // sb.block)
    new = sum(made_by(tree, edits))
    # A block where names find no room in their folder, and as many inodes as are made at once.
    blocks += new + -(-new // _CHUNK) * -(-_CHUNK * sb.inode_size // sb.block)
    return Room(_free(view, sb) * sb.block, blocks * sb.block)


def _free(view: View, sb: Superblock) -> int:
    """Return the blocks that a program gets, in a group's words less what is kept back."""
    raw = view.read(0, 512)
    sector = struct.unpack_from(">H", raw, _SECTOR_AT)[0]
    features = struct.unpack_from(">I", raw, _RO_COMPAT_AT)[0] if sb.v5 else 0
    free = 0
    for group in range(sb.ags):
        agf = view.read(group * sb.ag_blocks * sb.block + sector, 64)
        if agf[:4] != b"XAGF":
            raise CorruptError("an allocation group has no header", path=view.name, field="agf")
        free += struct.unpack_from(">I", agf, _FREE_AT)[0]
    trees = sum(share for bit, share in _TREES.items() if features & bit)
    kept = min(sb.blocks // 20, _RESERVE) + sb.ags * _ASIDE + sb.blocks * trees // 1000
    return max(0, free - kept)
