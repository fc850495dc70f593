"""The superblock and where group descriptors and inodes are."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import google_crc32c

from kensho.guest.volumes.view import Readable
from kensho.model.errors import CorruptError, UnsupportedError

SUPERBLOCK, SIZE = 1024, 1024
MAGIC = 0xEF53
# incompatible features
COMPRESSION, FILETYPE, RECOVER, JOURNAL_DEV, META_BG = 0x1, 0x2, 0x4, 0x8, 0x10
EXTENTS, BIT64, MMP, FLEX_BG, EA_INODE = 0x40, 0x80, 0x100, 0x200, 0x400
CSUM_SEED, LARGEDIR, INLINE_DATA, ENCRYPT, CASEFOLD = 0x2000, 0x4000, 0x8000, 0x10000, 0x20000
_READ = (
    FILETYPE | RECOVER | META_BG | EXTENTS | BIT64 | MMP | FLEX_BG | EA_INODE | CSUM_SEED
    | LARGEDIR | INLINE_DATA | ENCRYPT | CASEFOLD
)  # fmt: skip
_SPARSE_SUPER, _BIGALLOC, _METADATA_CSUM = 0x1, 0x200, 0x400
_SPARSE_SUPER2 = 0x200
_JOURNAL = 0x4
_MAX_GROUPS = 1 << 25


@dataclass(frozen=True, slots=True)
class Superblock:
    """What reading takes: sizes in bytes, ``seed`` of the metadata's checksums or None."""

    kind: str
    block: int
    blocks: int
    first_block: int
    blocks_per_group: int
    inodes: int
    inodes_per_group: int
    inode_size: int
    descriptor_size: int
    first_meta_bg: int
    incompat: int
    ro_compat: int
    compat: int
    seed: int | None
    backup_groups: tuple[int, int]
    journal_inode: int
    cluster: int  #: blocks that a bit of a block bitmap stands for; 1 without bigalloc

    @property
    def groups(self) -> int:
        """Number of block groups."""
        return -(-(self.blocks - self.first_block) // self.blocks_per_group)

    @property
    def needs_recovery(self) -> bool:
        """Tell whether the journal holds changes that are not in their places yet."""
        return bool(self.incompat & RECOVER)

    def group_has_super(self, group: int) -> bool:
        """Tell whether a group begins with a copy of the superblock."""
        if self.compat & _SPARSE_SUPER2:
            return group == 0 or group in self.backup_groups
        if group <= 1 or not self.ro_compat & _SPARSE_SUPER:
            return True
        return any(_is_power(group, base) for base in (3, 5, 7))

    def descriptor_at(self, group: int) -> int:
        """Return the byte where a group's descriptor is."""
        per_block = self.block // self.descriptor_size
        meta = group // per_block
        if not self.incompat & META_BG or meta < self.first_meta_bg:
            # with blocks of 1 KiB the superblock is in block 1, wherever the groups begin
            first = max(self.first_block, 1 if self.block == SUPERBLOCK else 0)
            return (first + 1) * self.block + group * self.descriptor_size
        first = meta * per_block
        place = self.first_block + first * self.blocks_per_group
        place += 1 if self.group_has_super(first) else 0
        if self.block == 1024 and first == 0 and self.first_block == 0:
            place += 1  # block 0 is the boot sector's
        return place * self.block + (group % per_block) * self.descriptor_size


def crc32c(seed: int, data: bytes) -> int:
    """Return ext4's CRC-32C: without the complement at both ends."""
    return int(google_crc32c.extend(seed ^ 0xFFFF_FFFF, data)) ^ 0xFFFF_FFFF


def read_superblock(view: Readable) -> Superblock:
    """Return the first superblock, checked.

    CorruptError when it contradicts itself, UnsupportedError for features that change what the
    rest means.
    """
    raw = view.read(SUPERBLOCK, SIZE)
    name = view.name
    (magic,) = struct.unpack_from("<H", raw, 0x38)
    if magic != MAGIC:
        raise CorruptError("no ext superblock", path=name, offset=SUPERBLOCK)
    inodes, blocks_low = struct.unpack_from("<II", raw)
    first_block, log_block = struct.unpack_from("<II", raw, 0x14)
    blocks_per_group, _, inodes_per_group = struct.unpack_from("<III", raw, 0x20)
    (revision,) = struct.unpack_from("<I", raw, 0x4C)
    compat, incompat, ro_compat = struct.unpack_from("<III", raw, 0x5C) if revision else (0, 0, 0)
    if incompat & ~_READ:
        raise UnsupportedError(
            f"ext4 with features that are not read: {incompat & ~_READ:#x}", path=name,
            hint="mount it and copy the files, or turn the feature off with tune2fs",
        )  # fmt: skip
    inode_size = struct.unpack_from("<H", raw, 0x58)[0] if revision else 128
    descriptor = struct.unpack_from("<H", raw, 0xFE)[0] if incompat & BIT64 else 32
    high = struct.unpack_from("<I", raw, 0x150)[0] if incompat & BIT64 else 0
    seed = None
    if ro_compat & _METADATA_CSUM:
        (stored,) = struct.unpack_from("<I", raw, 0x3FC)
        if crc32c(0xFFFF_FFFF, raw[:0x3FC]) != stored:
            raise CorruptError("the superblock's checksum is wrong", path=name, offset=SUPERBLOCK)
        kept = struct.unpack_from("<I", raw, 0x270)[0]
        seed = kept if incompat & CSUM_SEED else crc32c(0xFFFF_FFFF, raw[0x68:0x78])
    extended = incompat & (EXTENTS | BIT64 | FLEX_BG)
    found = Superblock(
        kind="ext4" if extended else "ext3" if compat & _JOURNAL else "ext2",
        block=1024 << min(log_block, 7),
        blocks=blocks_low | high << 32,
        first_block=first_block,
        blocks_per_group=blocks_per_group,
        inodes=inodes,
        inodes_per_group=inodes_per_group,
        inode_size=inode_size,
        descriptor_size=descriptor,
        first_meta_bg=struct.unpack_from("<I", raw, 0x104)[0],
        incompat=incompat,
        ro_compat=ro_compat,
        compat=compat,
        seed=seed,
        backup_groups=struct.unpack_from("<II", raw, 0x24C),
        journal_inode=struct.unpack_from("<I", raw, 0xE0)[0],
        cluster=_cluster(raw, log_block) if ro_compat & _BIGALLOC else 1,
    )
    _check(found, log_block, view)
    return found


def _cluster(raw: bytes, log_block: int) -> int:
    """Return the blocks of a cluster; more than there can be for what makes no sense."""
    (log_cluster,) = struct.unpack_from("<I", raw, 0x1C)
    return 1 << (log_cluster - log_block if log_block <= log_cluster < log_block + 24 else 24)


def _check(sb: Superblock, log_block: int, view: Readable) -> None:
    wrong = ""
    if log_block > 6:
        wrong = "block size"
    elif sb.cluster > 1 << 20:
        wrong = "cluster size"
    elif sb.first_block >= sb.blocks or sb.blocks * sb.block > view.size:
        wrong = "number of blocks"
    elif (
        not sb.blocks_per_group
        or sb.groups > _MAX_GROUPS
        or (sb.blocks_per_group > 8 * sb.block and not sb.ro_compat & _BIGALLOC)
    ):
        wrong = "blocks per group"
    if not wrong and (sb.inode_size < 128 or sb.inode_size > sb.block
                      or sb.inode_size & (sb.inode_size - 1)):  # fmt: skip
        wrong = "inode size"
    if not wrong and not 0 < sb.inodes_per_group <= 8 * sb.block:
        wrong = "inodes per group"
    if not wrong and sb.inodes > sb.groups * sb.inodes_per_group:
        wrong = "number of inodes"
    if not wrong and not (32 <= sb.descriptor_size <= sb.block and sb.descriptor_size % 4 == 0):
        wrong = "descriptor size"
    if wrong:
        raise CorruptError(
            "the superblock makes no sense", path=view.name, offset=SUPERBLOCK, field=wrong,
            hint="the image may be cut off; e2fsck on a copy of it may help",
        )  # fmt: skip


def _is_power(number: int, base: int) -> bool:
    while number > 1 and number % base == 0:
        number //= base
    return number == 1
