"""Inodes of UFS1 and UFS2, and the blocks of their files.

Spec: FreeBSD sys/ufs/ufs/dinode.h.
"""

from __future__ import annotations

import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from kensho.guest.files.base import KINDS, Stat
from kensho.guest.files.ufs.superblock import Superblock
from kensho.guest.volumes.view import Readable
from kensho.model.errors import CorruptError, LimitError

_DIRECT = 12
_MAX_SIZE = 1 << 60
_MAX_EMPTY = 1 << 22  #: tables of pointers looked into for one file


@dataclass(frozen=True, slots=True)
class Inode:
    """An inode: ``area`` is where its pointers are, or the target of a short link."""

    facts: Stat
    direct: tuple[int, ...]
    indirect: tuple[int, ...]
    area: bytes


def read_inode(view: Readable, sb: Superblock, number: int) -> Inode:
    """Return an inode; CorruptError for one that is not in use or makes no sense."""
    place = sb.inode_at(number)
    raw = view.read(place, sb.inode_size)
    mode, links = struct.unpack_from("<Hh", raw)
    kind = KINDS.get(stat.S_IFMT(mode))
    if kind is None or links <= 0:
        raise CorruptError(f"inode {number} is not one in use", path=view.name, offset=place)
    if sb.version == 2:
        uid, gid, _, size, _, _, seconds = struct.unpack_from("<IIIQQqq", raw, 4)
        (nanoseconds,) = struct.unpack_from("<i", raw, 64)
        area = raw[112:232]
    else:
        size, _, _, seconds, nanoseconds = struct.unpack_from("<Qiiii", raw, 8)
        uid, gid = struct.unpack_from("<II", raw, 112)
        area = raw[40:100]
    if size > _MAX_SIZE:
        raise CorruptError(f"inode {number} has {size} bytes", path=view.name, offset=place)
    numbers = struct.unpack(f"<{len(area) // sb.pointer}{'q' if sb.version == 2 else 'i'}", area)
    facts = Stat(
        number, kind, size, stat.S_IMODE(mode), uid, gid,
        seconds * 1_000_000_000 + nanoseconds, links, _device(numbers[0]),
    )  # fmt: skip
    return Inode(facts, numbers[:_DIRECT], numbers[_DIRECT : _DIRECT + 3], area)


def _device(number: int) -> tuple[int, int]:
    """Return major and minor: makedev of the BSDs that keep 32 bits."""
    return (number >> 8 & 0xFF, (number & 0xFF) | (number >> 8 & 0xFFFF00))


def runs(view: Readable, sb: Superblock, inode: Inode) -> Iterator[tuple[int, int, int]]:
    """Yield (offset in the file, byte on the volume, bytes) of what is no hole, ascending.

    The last piece ends with the file: a fragment of a block may be all there is of it.
    """
    count = -(-inode.facts.size // sb.block)
    budget = [_MAX_EMPTY]
    numbers = _numbers(view, sb, inode, count, budget)
    for index, block in numbers:
        offset = index * sb.block
        length = min(sb.block, inode.facts.size - offset)
        place = block * sb.fragment
        if block < 0 or place + length > view.size:
            raise CorruptError(
                f"a block of inode {inode.facts.node} is outside the volume", path=view.name
            )
        yield offset, place, length


def _numbers(
    view: Readable, sb: Superblock, inode: Inode, count: int, budget: list[int]
) -> Iterator[tuple[int, int]]:
    for index, block in enumerate(inode.direct[:count]):
        if block:
            yield index, block
    per, start = sb.block // sb.pointer, _DIRECT
    for level, block in enumerate(inode.indirect):
        if start >= count:
            return
        if block:
            yield from _table(view, sb, block, level, start, count, budget)
        start += per ** (level + 1)


def _table(
    view: Readable, sb: Superblock, block: int, level: int, start: int, count: int,
    budget: list[int],
) -> Iterator[tuple[int, int]]:  # fmt: skip
    budget[0] -= 1
    if budget[0] < 0:
        raise LimitError("a file with too many tables of blocks", path=view.name)
    per = sb.block // sb.pointer
    if block < 0 or block * sb.fragment + sb.block > view.size:
        raise CorruptError("a table of blocks is outside the volume", path=view.name)
    raw = view.read(block * sb.fragment, sb.block)
    numbers = struct.unpack(f"<{per}{'q' if sb.version == 2 else 'i'}", raw)
    step = per**level
    for index, number in enumerate(numbers):
        at = start + index * step
        if at >= count:
            return
        if not number:
            continue
        if level:
            yield from _table(view, sb, number, level - 1, at, count, budget)
        else:
            yield at, number
