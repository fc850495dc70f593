"""XFS attributes: in the inode, or in leaves of a tree; long values in blocks of their own."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

from kensho.guest.files.xfs.superblock import Superblock, check
from kensho.guest.volumes.view import Readable
from kensho.model.errors import CorruptError, LimitError

_LOCAL, _ROOT, _SECURE, _PARENT, _INCOMPLETE = 0x01, 0x02, 0x04, 0x08, 0x80
_LEAF, _NODE = (0xFBEE, 0x3BEE), (0xFEBE, 0x3EBE)
_LARGEST, _MAX_BLOCKS, _MAX_DEPTH = 1 << 16, 100_000, 6
_ACLS = {
    "trusted.SGI_ACL_FILE": "system.posix_acl_access",
    "trusted.SGI_ACL_DEFAULT": "system.posix_acl_default",
}
_NAMED = frozenset({0x02, 0x08})
#: Reads one block of the attributes' fork by its number.
Blocks = Callable[[int], bytes]


def short_attributes(view: Readable, area: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the attributes that are in the inode."""
    at = 4
    for _ in range(area[2] if len(area) >= 4 else 0):
        if at + 3 > len(area):
            raise CorruptError("attributes are cut off", path=view.name)
        length, size, flags = area[at : at + 3]
        name = area[at + 3 : at + 3 + length]
        value = area[at + 3 + length : at + 3 + length + size]
        at += 3 + length + size
        if len(value) < size:
            raise CorruptError("attributes are cut off", path=view.name)
        yield from _named(view, name, value, flags)


def tree_attributes(view: Readable, sb: Superblock, read: Blocks) -> Iterator[tuple[str, bytes]]:
    """Yield the attributes in leaves: from the leftmost one on, each names the next."""
    number = 0
    for _ in range(_MAX_DEPTH):
        raw = read(number)
        magic = struct.unpack_from(">H", raw, 8)[0]
        if magic != _NODE[sb.v5]:
            break
        number = struct.unpack_from(">I", raw, (64 if sb.v5 else 16) + 4)[0]
    seen: set[int] = set()
    while number not in seen and len(seen) < _MAX_BLOCKS:
        seen.add(number)
        raw = read(number)
        (following,) = struct.unpack_from(">I", raw)
        yield from _leaf(view, sb, raw, read)
        if not following:
            return
        number = following
    raise CorruptError("the leaves of attributes never end", path=view.name)


def _leaf(view: Readable, sb: Superblock, raw: bytes, read: Blocks) -> Iterator[tuple[str, bytes]]:
    if struct.unpack_from(">H", raw, 8)[0] != _LEAF[sb.v5]:
        raise CorruptError("a leaf of attributes has no mark", path=view.name)
    if sb.v5:
        check(view, raw, 12, "leaf of attributes")
    (count,) = struct.unpack_from(">H", raw, 56 if sb.v5 else 12)
    head = 80 if sb.v5 else 32
    if head + count * 8 > len(raw):
        raise CorruptError("a leaf of attributes makes no sense", path=view.name)
    for at in range(head, head + count * 8, 8):
        place, flags = struct.unpack_from(">HB", raw, at + 4)
        if place + (3 if flags & _LOCAL else 9) > len(raw):
            raise CorruptError("an attribute is nowhere", path=view.name)
        if flags & _LOCAL:
            size, length = struct.unpack_from(">HB", raw, place)
            name = raw[place + 3 : place + 3 + length]
            value = raw[place + 3 + length : place + 3 + length + size]
        else:
            block, size, length = struct.unpack_from(">IIB", raw, place)
            name = raw[place + 9 : place + 9 + length]
            value = _remote(view, sb, block, size, read)
        if len(value) < size or len(name) < length:
            raise CorruptError("an attribute is cut off", path=view.name)
        yield from _named(view, name, value, flags)


def _remote(view: Readable, sb: Superblock, block: int, size: int, read: Blocks) -> bytes:
    if size > _LARGEST:
        raise LimitError(f"an attribute of {size} bytes", path=view.name)
    value = b""
    while len(value) < size:
        raw = read(block)
        if sb.v5:
            if raw[:4] != b"XARM":
                raise CorruptError("an attribute's value has no mark", path=view.name)
            check(view, raw, 12, "attribute")
            raw = raw[56:]
        value += raw
        block += 1
    return value[:size]


def _named(view: Readable, name: bytes, value: bytes, flags: int) -> Iterator[tuple[str, bytes]]:
    if flags & (_INCOMPLETE | _PARENT):
        return
    prefix = "trusted." if flags & _ROOT else "security." if flags & _SECURE else "user."
    key = prefix + name.decode("utf-8", "surrogateescape")
    yield (_ACLS[key], _acl(view, value)) if key in _ACLS else (key, value)


def _acl(view: Readable, value: bytes) -> bytes:
    """Return an ACL in the form of getxattr(2)."""
    made = [struct.pack("<I", 2)]
    (count,) = struct.unpack_from(">I", value) if len(value) >= 4 else (0,)
    if 4 + count * 12 > len(value):
        raise CorruptError("an ACL is cut off", path=view.name)
    for at in range(4, 4 + count * 12, 12):
        tag, identity, permissions = struct.unpack_from(">IIH", value, at)
        identity = identity if tag in _NAMED else 0xFFFF_FFFF
        made.append(struct.pack("<HHI", tag & 0xFFFF, permissions, identity))
    return b"".join(made)
