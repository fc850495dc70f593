"""XFS's superblock, where blocks and inodes are, and whether the log is clean."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import google_crc32c

from kensho.guest.volumes.view import Readable
from kensho.model.errors import CorruptError, UnsupportedError

FTYPE, SPINODES, META_UUID, BIGTIME, NEEDS_REPAIR, NREXT64, EXCHANGE, PARENT = (
    1, 2, 4, 8, 16, 32, 64, 128,
)  # fmt: skip
_READ = FTYPE | SPINODES | META_UUID | BIGTIME | NEEDS_REPAIR | NREXT64 | EXCHANGE | PARENT
_FEATURES2_FTYPE = 0x200
_RECORD, _UNMOUNT = b"\xfe\xed\xba\xbe", 0x20
_SECTOR = 512
_MAX_LOG = 256 << 20
_STEP = 4 << 20


@dataclass(frozen=True, slots=True)
class Superblock:
    """What reading takes; ``v5`` has checksums, ``ftype`` a kind in each directory entry."""

    block: int
    blocks: int
    root: int
    ag_blocks: int
    ags: int
    inode_size: int
    inodes_log: int
    ag_log: int
    directory_block: int
    v5: bool
    ftype: bool
    incompat: int
    log_start: int
    log_blocks: int

    def block_at(self, number: int) -> int | None:
        """Return the byte of a file system block, None for a number that there is not."""
        group, inside = number >> self.ag_log, number & ((1 << self.ag_log) - 1)
        block = group * self.ag_blocks + inside
        if group >= self.ags or inside >= self.ag_blocks or block >= self.blocks:
            return None
        return block * self.block

    def inode_at(self, number: int) -> int | None:
        """Return the byte of an inode, None for a number that there is not."""
        place = self.block_at(number >> self.inodes_log)
        inside = number & ((1 << self.inodes_log) - 1)
        return None if place is None else place + inside * self.inode_size


def read_superblock(view: Readable) -> Superblock:
    """Return the first superblock, checked; CorruptError, UnsupportedError when it cannot be used."""
    raw = view.read(0, 512)
    if raw[:4] != b"XFSB":
        raise CorruptError("no XFS superblock", path=view.name, offset=0)
    block, blocks = struct.unpack_from(">IQ", raw, 4)
    log_start, root = struct.unpack_from(">QQ", raw, 48)
    ag_blocks, ags, _, log_blocks, version, sector, inode_size, per_block = struct.unpack_from(
        ">IIIIHHHH", raw, 84
    )
    inodes_log, ag_log = raw[123], raw[124]
    features2, _, _, _, incompat = struct.unpack_from(">IIIII", raw, 200)
    v5 = version & 15 == 5
    incompat = incompat if v5 else 0
    if version & 15 not in {4, 5} or incompat & ~_READ:
        raise UnsupportedError(
            f"XFS of version {version & 15} with features {incompat:#x} is not read", path=view.name,
            hint="mount it and copy the files",
        )  # fmt: skip
    sane = (
        512 <= block <= 65536
        and not block & (block - 1)
        and 256 <= inode_size <= min(2048, block)
        and not inode_size & (inode_size - 1)
        and per_block == block // inode_size == 1 << min(inodes_log, 16)
        and 0 < ag_blocks <= 1 << min(ag_log, 31)
        and 512 <= sector <= 32768
        and ags > 0
        and (ags - 1) * ag_blocks < blocks <= ags * ag_blocks
        and raw[192] <= 8
        and block << raw[192] <= 65536
    )
    if not sane or blocks * block > view.size:
        raise CorruptError(
            "the superblock makes no sense", path=view.name, offset=0,
            hint="the image may be cut off; xfs_repair on a copy of it may help",
        )  # fmt: skip
    if v5:
        check(view, view.read(0, sector), 224, "superblock")
    ftype = bool(incompat & FTYPE) if v5 else bool(features2 & _FEATURES2_FTYPE)
    return Superblock(
        block, blocks, root, ag_blocks, ags, inode_size, inodes_log, ag_log, block << raw[192],
        v5, ftype, incompat, log_start, log_blocks,
    )  # fmt: skip


def check(view: Readable, data: bytes, at: int, what: str) -> None:
    """Raise CorruptError unless the CRC-32C at ``at``, little endian, is that of the rest."""
    stored = int.from_bytes(data[at : at + 4], "little")
    if google_crc32c.value(data[:at] + bytes(4) + data[at + 4 :]) != stored:
        raise CorruptError(f"XFS: the checksum of a {what} is wrong", path=view.name)


def log_is_clean(view: Readable, sb: Superblock) -> bool | None:
    """Tell whether the log ends with an unmount; None where that is not told."""
    start = sb.block_at(sb.log_start)
    size = sb.log_blocks * sb.block
    if not sb.log_start or start is None or not 0 < size <= min(_MAX_LOG, view.size - start):
        return None
    newest, place = -1, 0
    for at in range(0, size, _STEP):
        data = view.read(start + at, min(_STEP, size - at))
        found = data.find(_RECORD)
        while found >= 0:
            if found % _SECTOR == 0 and found + 32 <= len(data):
                (lsn,) = struct.unpack_from(">Q", data, found + 16)
                if lsn > newest:
                    newest, place = lsn, start + at + found
            found = data.find(_RECORD, found + 1)
    if newest < 0:
        return True  # never written
    header = view.read(place, _SECTOR)
    version, _ = struct.unpack_from(">II", header, 8)
    operations = struct.unpack_from(">I", header, 40)[0]
    # version 2 headers say how large the log's buffers are: one sector of header for each 32 KiB
    heads = max(1, struct.unpack_from(">I", header, 320)[0] // 32768) if version & 2 else 1
    if place + heads * _SECTOR + 16 > start + size:
        return None
    first = view.read(place + heads * _SECTOR, 16)
    return operations == 1 and bool(first[9] & _UNMOUNT)
