"""XFS directories: in the inode, in one block, or in many; hashes are passed over."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from kensho.guest.files.xfs.superblock import Superblock, check
from kensho.guest.volumes.view import Readable
from kensho.model.errors import CorruptError

LEAF_OFFSET = 32 << 30  #: bytes of a directory from which on there are no entries
_BLOCK, _DATA = (b"XD2B", b"XDB3"), (b"XD2D", b"XDD3")
_FREE = 0xFFFF


def short_entries(view: Readable, sb: Superblock, area: bytes) -> Iterator[tuple[str, int]]:
    """Yield the entries of a directory that is in its inode."""
    wide = area[1] > 0
    count = area[1] or area[0]
    size = 8 if wide else 4
    at = 2 + size
    for _ in range(count):
        if at + 3 > len(area):
            raise CorruptError("a directory is cut off", path=view.name)
        length = area[at]
        name = area[at + 3 : at + 3 + length]
        at += 3 + length + (1 if sb.ftype else 0)
        number = area[at : at + size]
        at += size
        if len(number) < size:
            raise CorruptError("a directory is cut off", path=view.name)
        yield _name(view, name), int.from_bytes(number, "big")


def block_entries(view: Readable, sb: Superblock, raw: bytes) -> Iterator[tuple[str, int]]:
    """Yield the entries in one block of a directory."""
    at, end = (64 if sb.v5 else 16), len(raw)
    magic = raw[:4]
    if magic == _BLOCK[sb.v5]:
        (count,) = struct.unpack_from(">I", raw, end - 8)
        end -= 8 + 8 * count
    elif magic != _DATA[sb.v5]:
        raise CorruptError("a directory's block has no mark", path=view.name)
    if sb.v5:
        check(view, raw, 4, "directory")
    while at + 8 <= end:
        tag, length = struct.unpack_from(">HH", raw, at)
        if tag == _FREE:
            if length < 8 or length % 8 or at + length > end:
                raise CorruptError("a hole in a directory makes no sense", path=view.name)
            at += length
            continue
        (number,) = struct.unpack_from(">Q", raw, at)
        size = raw[at + 8]
        name = raw[at + 9 : at + 9 + size]
        at += -(-(8 + 1 + size + (1 if sb.ftype else 0) + 2) // 8) * 8
        if at > end:
            raise CorruptError("a directory's entry is cut off", path=view.name)
        if name not in {b".", b".."}:
            yield _name(view, name), number


def _name(view: Readable, name: bytes) -> str:
    if not name or b"/" in name or b"\0" in name:
        raise CorruptError("a name that is none", path=view.name)
    return name.decode("utf-8", "surrogateescape")
