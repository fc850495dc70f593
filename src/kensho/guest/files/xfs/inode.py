"""XFS inodes, and the extents of their forks."""

from __future__ import annotations

import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from kensho.guest.files.base import KINDS, Kind, Stat
from kensho.guest.files.xfs.superblock import NREXT64, Superblock, check
from kensho.guest.volumes.view import Readable
from kensho.model.errors import CorruptError, UnsupportedError

DEV, LOCAL, EXTENTS, BTREE = 0, 1, 2, 3
_REALTIME = 0x1
_FLAG2_BIGTIME, _FLAG2_NREXT64 = 0x8, 0x10
_BIGTIME_EPOCH = (1 << 31) * 1_000_000_000
_MAX_LEVEL = 9


@dataclass(frozen=True, slots=True)
class Fork:
    """A fork as it is in the inode: its format, its bytes, how many extents it has."""

    format: int
    area: bytes
    extents: int


@dataclass(frozen=True, slots=True)
class Inode:
    """An inode as read."""

    facts: Stat
    data: Fork
    attributes: Fork | None
    realtime: bool


def read_inode(view: Readable, sb: Superblock, number: int) -> Inode:
    """Return inode ``number``; CorruptError when there is no such one, or it is damaged."""
    place = sb.inode_at(number)
    if place is None:
        raise CorruptError(f"there is no inode {number}", path=view.name, field="inode")
    raw = view.read(place, sb.inode_size)
    mode, version, form = struct.unpack_from(">HBB", raw, 2)
    kind = KINDS.get(stat.S_IFMT(mode))
    if raw[:2] != b"IN" or version not in {1, 2, 3} or kind is None or (version == 3) != sb.v5:
        raise CorruptError(f"inode {number} is none", path=view.name, offset=place)
    if sb.v5:
        check(view, raw, 100, f"inode ({number})")
    core = 176 if version == 3 else 100
    (flags2,) = struct.unpack_from(">Q", raw, 120) if version == 3 else (0,)
    counts = _counts(raw, large=bool(flags2 & _FLAG2_NREXT64 and sb.incompat & NREXT64))
    (size,) = struct.unpack_from(">Q", raw, 56)
    offset = raw[82] * 8
    if core + offset > len(raw):
        raise CorruptError(f"inode {number}: its forks overlap", path=view.name, offset=place)
    area = raw[core : core + offset] if offset else raw[core:]
    uid, gid, links = struct.unpack_from(">III", raw, 8)
    facts = Stat(
        node=number,
        kind=kind,
        size=size,
        mode=stat.S_IMODE(mode),
        uid=uid,
        gid=gid,
        mtime=_moment(raw[40:48], big=bool(flags2 & _FLAG2_BIGTIME)),
        links=struct.unpack_from(">H", raw, 6)[0] if version == 1 else links,
        device=_device(area) if form == DEV and kind in {Kind.BLOCK, Kind.CHARACTER} else (0, 0),
    )
    attributes = Fork(raw[83], raw[core + offset :], counts[1]) if offset else None
    (flags,) = struct.unpack_from(">H", raw, 90)
    return Inode(facts, Fork(form, area, counts[0]), attributes, bool(flags & _REALTIME))


def _counts(raw: bytes, *, large: bool) -> tuple[int, int]:
    """Return the extents of the data fork and of the attributes' one."""
    if large:
        return struct.unpack_from(">Q", raw, 24)[0], struct.unpack_from(">I", raw, 76)[0]
    return struct.unpack_from(">IH", raw, 76)


def _moment(raw: bytes, *, big: bool) -> int:
    if big:
        return int.from_bytes(raw, "big") - _BIGTIME_EPOCH
    seconds, nanoseconds = struct.unpack(">iI", raw)
    return int(seconds * 1_000_000_000 + nanoseconds)


def _device(area: bytes) -> tuple[int, int]:
    (number,) = struct.unpack_from(">I", area)
    return number >> 18, number & 0x3FFFF


def runs(view: Readable, sb: Superblock, fork: Fork, node: int) -> Iterator[tuple[int, int, int]]:
    """Yield (first block of the fork, byte on the volume, blocks) of what is written, ascending.

    CorruptError when extents overlap, are out of order or nowhere.
    """
    position = taken = 0
    for raw in _records(view, sb, fork):
        number = int.from_bytes(raw, "big")
        logical = number >> 73 & ((1 << 54) - 1)
        start, count = number >> 21 & ((1 << 52) - 1), number & ((1 << 21) - 1)
        place = sb.block_at(start)
        end = sb.block_at(start + count - 1) if count else None
        if logical < position or place is None or end != place + (count - 1) * sb.block:
            raise CorruptError(f"inode {node}: an extent makes no sense", path=view.name)
        position = logical + count
        taken += count
        if taken > sb.blocks:
            raise CorruptError(f"inode {node} has more blocks than the volume", path=view.name)
        if not number >> 127:  # else allocated and never written
            yield logical, place, count


def _records(view: Readable, sb: Superblock, fork: Fork) -> Iterator[bytes]:
    if fork.format == EXTENTS:
        if fork.extents * 16 > len(fork.area):
            raise CorruptError("more extents than fit in an inode", path=view.name)
        for at in range(0, fork.extents * 16, 16):
            yield fork.area[at : at + 16]
    elif fork.format == BTREE:
        level, count = struct.unpack_from(">HH", fork.area)
        room = (len(fork.area) - 4) // 16
        if not 0 < level <= _MAX_LEVEL or not 0 < count <= room:
            raise CorruptError("the root of an extent tree makes no sense", path=view.name)
        keys = struct.unpack_from(f">{count}Q", fork.area, 4)
        pointers = struct.unpack_from(f">{count}Q", fork.area, 4 + room * 8)
        yield from _children(view, sb, level, (keys, pointers), (0, 1 << 54))
    elif fork.format != LOCAL:
        raise UnsupportedError(f"a fork of format {fork.format}", path=view.name)


def _children(
    view: Readable,
    sb: Superblock,
    level: int,
    node: tuple[tuple[int, ...], tuple[int, ...]],
    bounds: tuple[int, int],
) -> Iterator[bytes]:
    keys, pointers = node
    position, high = bounds
    for n, (key, pointer) in enumerate(zip(keys, pointers, strict=True)):
        end = keys[n + 1] if n + 1 < len(keys) else high
        if not position <= key < end <= high:  # what keeps a tree from containing itself
            raise CorruptError("an extent tree is not in order", path=view.name)
        yield from _block(view, sb, pointer, level - 1, (key, end))
        position = key + 1


def _block(
    view: Readable, sb: Superblock, pointer: int, level: int, bounds: tuple[int, int]
) -> Iterator[bytes]:
    place = sb.block_at(pointer)
    if place is None:
        raise CorruptError("an extent tree points nowhere", path=view.name)
    raw = view.read(place, sb.block)
    own, count = struct.unpack_from(">HH", raw, 4)
    head = 72 if sb.v5 else 24
    room = (sb.block - head) // 16
    if raw[:4] != (b"BMA3" if sb.v5 else b"BMAP") or own != level or not 0 < count <= room:
        raise CorruptError("a block of an extent tree makes no sense", path=view.name, offset=place)
    if sb.v5:
        check(view, raw, 64, "block of an extent tree")
    if level:
        keys = struct.unpack_from(f">{count}Q", raw, head)
        pointers = struct.unpack_from(f">{count}Q", raw, head + room * 8)
        yield from _children(view, sb, level, (keys, pointers), bounds)
        return
    for at in range(head, head + count * 16, 16):
        record = raw[at : at + 16]
        logical = int.from_bytes(record, "big") >> 73 & ((1 << 54) - 1)
        if not bounds[0] <= logical < bounds[1]:
            raise CorruptError("an extent tree is not in order", path=view.name, offset=place)
        yield record
