"""Inodes: facts, and which blocks their data is in (extents or block maps)."""

from __future__ import annotations

import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from kensho.guest.files.base import KINDS, Kind, Stat
from kensho.guest.files.ext.superblock import BIT64, Superblock, crc32c
from kensho.guest.volumes.view import Readable
from kensho.model.errors import CorruptError

FLAG_ENCRYPT, FLAG_EXTENTS, FLAG_EA_INODE, FLAG_INLINE = 0x800, 0x80000, 0x200000, 0x10000000
FLAG_HUGE = 0x40000  #: its size on the volume is told in blocks, not in sectors
_EXTENT_MAGIC, _MAX_DEPTH, _UNWRITTEN = 0xF30A, 5, 32768
_HUGE_MTIME = 0x3


@dataclass(frozen=True, slots=True)
class Inode:
    """An inode as read: its facts, ``area`` (60 bytes of i_block), ``extra`` behind the fixed fields.

    ``project`` is the one that project quotas count it to, ``taken`` the bytes it takes on the volume,
    those of its tables and attributes among them.
    """

    facts: Stat
    flags: int
    area: bytes
    acl_block: int
    extra: bytes
    project: int = 0
    taken: int = 0


def read_inode(view: Readable, sb: Superblock, number: int) -> Inode:
    """Return inode ``number``; CorruptError when there is no such one, or its checksum is wrong."""
    if not 0 < number <= sb.inodes:
        raise CorruptError(f"there is no inode {number}", path=view.name, field="inode")
    group, index = divmod(number - 1, sb.inodes_per_group)
    descriptor = view.read(sb.descriptor_at(group), sb.descriptor_size)
    (table,) = struct.unpack_from("<I", descriptor, 8)
    if sb.incompat & BIT64 and sb.descriptor_size >= 64:
        table |= struct.unpack_from("<I", descriptor, 0x28)[0] << 32
    if not 0 < table < sb.blocks:
        raise CorruptError(
            f"the inodes of group {group} are nowhere", path=view.name, field="bg_inode_table"
        )
    place = table * sb.block + index * sb.inode_size
    raw = view.read(place, sb.inode_size)
    _check(view, sb, number, raw, place)
    return _parse(view, sb, number, raw, place)


def _check(view: Readable, sb: Superblock, number: int, raw: bytes, place: int) -> None:
    if sb.seed is None:
        return
    (low,) = struct.unpack_from("<H", raw, 0x7C)
    body = bytearray(raw)
    body[0x7C:0x7E] = bytes(2)
    wide = len(raw) > 128 and struct.unpack_from("<H", raw, 0x80)[0] >= 4
    stored = low
    if wide:
        stored |= struct.unpack_from("<H", raw, 0x82)[0] << 16
        body[0x82:0x84] = bytes(2)
    seed = crc32c(crc32c(sb.seed, number.to_bytes(4, "little")), raw[0x64:0x68])
    found = crc32c(seed, bytes(body))
    if (found if wide else found & 0xFFFF) != stored:
        raise CorruptError(f"inode {number}: the checksum is wrong", path=view.name, offset=place)


def _parse(view: Readable, sb: Superblock, number: int, raw: bytes, place: int) -> Inode:
    mode, uid, size_low = struct.unpack_from("<HHI", raw)
    (mtime,) = struct.unpack_from("<i", raw, 0x10)
    gid, links = struct.unpack_from("<HH", raw, 0x18)
    (flags,) = struct.unpack_from("<I", raw, 0x20)
    acl_low, size_high = struct.unpack_from("<II", raw, 0x68)
    acl_high, uid_high, gid_high = struct.unpack_from("<HHH", raw, 0x76)
    kind = KINDS.get(stat.S_IFMT(mode))
    if kind is None:
        raise CorruptError(
            f"inode {number} is no file of any kind", path=view.name, offset=place, field="i_mode"
        )
    area = raw[0x28:0x64]
    extra_size = struct.unpack_from("<H", raw, 0x80)[0] if len(raw) > 128 else 0
    nanoseconds = 0
    if extra_size >= 12:
        (more,) = struct.unpack_from("<I", raw, 0x88)
        mtime += (more & _HUGE_MTIME) << 32
        nanoseconds = more >> 2
    facts = Stat(
        node=number,
        kind=kind,
        size=size_low | (size_high << 32 if kind in {Kind.FILE, Kind.DIRECTORY} else 0),
        mode=stat.S_IMODE(mode),
        uid=uid | uid_high << 16,
        gid=gid | gid_high << 16,
        mtime=mtime * 1_000_000_000 + nanoseconds,
        links=links,
        device=_device(area) if kind in {Kind.BLOCK, Kind.CHARACTER} else (0, 0),
    )
    extra = raw[128 + extra_size :] if 4 <= extra_size <= len(raw) - 128 else b""
    project = struct.unpack_from("<I", raw, 0x9C)[0] if extra_size >= 32 else 0
    units, units_high = (
        struct.unpack_from("<I", raw, 0x1C)[0],
        struct.unpack_from("<H", raw, 0x74)[0],
    )
    taken = (units | units_high << 32) * (sb.block if flags & FLAG_HUGE else 512)
    return Inode(facts, flags, area, acl_low | acl_high << 32, extra, project, taken)


def _device(area: bytes) -> tuple[int, int]:
    old, new = struct.unpack_from("<II", area)
    if old:
        return old >> 8 & 0xFF, old & 0xFF
    return new >> 8 & 0xFFF, (new & 0xFF) | (new >> 12 & 0xFFF00)


def runs(view: Readable, sb: Superblock, inode: Inode) -> Iterator[tuple[int, int, int]]:
    """Yield (first block of the file, first block of the volume, blocks) of its data, ascending.

    Unwritten extents are holes. CorruptError when the tables point where nothing can be.
    """
    wanted = -(-inode.facts.size // sb.block)
    found = _extents if inode.flags & FLAG_EXTENTS else _mapped
    position = taken = 0
    for logical, physical, count in found(view, sb, inode, wanted):
        if logical < position or physical <= 0 or physical + count > sb.blocks:
            raise CorruptError(
                f"inode {inode.facts.node}: its blocks overlap or are nowhere",
                path=view.name, field="extent",
            )  # fmt: skip
        position = logical + count
        kept = min(count, wanted - logical)
        if kept <= 0:
            continue
        taken += kept
        if taken > sb.blocks:
            raise CorruptError(
                f"inode {inode.facts.node} has more blocks than the volume", path=view.name
            )
        yield logical, physical, kept


def _extents(
    view: Readable, sb: Superblock, inode: Inode, wanted: int
) -> Iterator[tuple[int, int, int]]:
    del wanted
    yield from _node(view, sb, inode.area, None, (0, 1 << 32))


def _node(
    view: Readable, sb: Superblock, data: bytes, depth: int | None, bounds: tuple[int, int]
) -> Iterator[tuple[int, int, int]]:
    magic, count, _, own_depth = struct.unpack_from("<HHHH", data)
    deep = own_depth > _MAX_DEPTH if depth is None else own_depth != depth
    room = (len(data) - 12) // 12
    if magic != _EXTENT_MAGIC or deep or count > room or (depth is not None and not count):
        raise CorruptError("a node of an extent tree makes no sense", path=view.name)
    low, high = bounds
    position = low
    for n in range(count):
        at = 12 + 12 * n
        (logical,) = struct.unpack_from("<I", data, at)
        if not position <= logical < high:  # also what keeps a tree from containing itself
            raise CorruptError("an extent tree is not in order", path=view.name)
        if own_depth == 0:
            length, start_high, start = struct.unpack_from("<HHI", data, at + 4)
            unwritten = length > _UNWRITTEN
            length -= _UNWRITTEN if unwritten else 0
            if not length:
                raise CorruptError("an extent without blocks", path=view.name)
            if not unwritten:
                yield logical, start | start_high << 32, length
            position = logical + length
            continue
        leaf, leaf_high = struct.unpack_from("<IH", data, at + 4)
        block = leaf | leaf_high << 32
        end = struct.unpack_from("<I", data, at + 12)[0] if n + 1 < count else high
        if not 0 < block < sb.blocks:
            raise CorruptError("an extent tree points nowhere", path=view.name)
        child = view.read(block * sb.block, sb.block)
        yield from _node(view, sb, child, own_depth - 1, (logical, end))
        position = logical + 1


def _mapped(
    view: Readable, sb: Superblock, inode: Inode, wanted: int
) -> Iterator[tuple[int, int, int]]:
    """Yield the runs of a block map: 12 blocks, then tables one, two and three deep."""
    pointers = struct.unpack("<15I", inode.area)
    run: tuple[int, int, int] | None = None
    for logical, physical in _pointed(view, sb, pointers, wanted):
        if run and (logical, physical) == (run[0] + run[2], run[1] + run[2]):
            run = (run[0], run[1], run[2] + 1)
            continue
        if run:
            yield run
        run = (logical, physical, 1)
    if run:
        yield run


def _pointed(
    view: Readable, sb: Superblock, pointers: tuple[int, ...], wanted: int
) -> Iterator[tuple[int, int]]:
    for logical in range(min(12, wanted)):
        if pointers[logical]:
            yield logical, pointers[logical]
    start, per_block = 12, sb.block // 4
    seen: set[int] = set()
    for depth in (1, 2, 3):
        if start >= wanted:
            return
        yield from _table(view, sb, pointers[11 + depth], depth, (start, wanted), seen)
        start += per_block**depth


def _table(
    view: Readable, sb: Superblock, block: int, depth: int, bounds: tuple[int, int], seen: set[int]
) -> Iterator[tuple[int, int]]:
    """Yield what a table of a block map points to; ``bounds`` are its first block and the file's end."""
    if not block:
        return
    if block >= sb.blocks or block in seen:  # the latter would let a small volume go on for ever
        raise CorruptError("a block map points nowhere, or to one table twice", path=view.name)
    seen.add(block)
    start, wanted = bounds
    per_block = sb.block // 4
    step = per_block ** (depth - 1)
    raw = view.read(block * sb.block, sb.block)
    if not any(raw):
        return
    for n, pointer in enumerate(struct.unpack(f"<{per_block}I", raw)):
        at = start + n * step
        if at >= wanted:
            return
        if pointer and depth == 1:
            yield at, pointer
        elif pointer:
            yield from _table(view, sb, pointer, depth - 1, (at, wanted), seen)
