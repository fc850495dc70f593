"""Extended attributes, in the inode and in a block of their own; ACLs as getxattr(2) gives them."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from kensho.model.errors import CorruptError, LimitError

_MAGIC = 0xEA020000
_PREFIXES = {
    0: "",
    1: "user.",
    2: "system.posix_acl_access",
    3: "system.posix_acl_default",
    4: "trusted.",
    6: "security.",
    7: "system.",
    8: "system.richacl",
}
_LARGEST = 1 << 16
_ACLS = ("system.posix_acl_access", "system.posix_acl_default")
_NAMED = frozenset({0x02, 0x08})  #: ACL_USER and ACL_GROUP, which alone have an id on disk


def in_inode(extra: bytes, name: str) -> Iterator[tuple[str, bytes, int]]:
    """Yield (name, value, inode of the value or 0) of the attributes in an inode's own room."""
    if len(extra) >= 4 and struct.unpack_from("<I", extra)[0] == _MAGIC:
        yield from _entries(extra, 4, 4, name)


def in_block(block: bytes, name: str) -> Iterator[tuple[str, bytes, int]]:
    """Yield the attributes in a block."""
    if struct.unpack_from("<I", block)[0] != _MAGIC:
        raise CorruptError("a block of attributes has no mark", path=name)
    yield from _entries(block, 32, 0, name)


def _entries(data: bytes, at: int, base: int, name: str) -> Iterator[tuple[str, bytes, int]]:
    while at + 4 <= len(data) and any(data[at : at + 4]):
        if at + 16 > len(data):
            raise CorruptError("an attribute's entry is cut off", path=name)
        length, index, offset, inode, size, _ = struct.unpack_from("<BBHIII", data, at)
        word = data[at + 16 : at + 16 + length].decode("utf-8", "surrogateescape")
        if size > _LARGEST:
            raise LimitError(f"an attribute of {size} bytes", path=name)
        if not inode and base + offset + size > len(data):
            raise CorruptError("an attribute's value is cut off", path=name)
        key = _PREFIXES.get(index, f"unknown{index}.") + word
        value = b"" if inode else data[base + offset : base + offset + size]
        yield key, _acl(value, name) if key in _ACLS and value else value, inode
        at += 16 + (length + 3 & ~3)


def _acl(value: bytes, name: str) -> bytes:
    """Return an ACL in the form of getxattr(2): entries of one size, an id in each."""
    if len(value) < 4 or struct.unpack_from("<I", value)[0] != 1:
        raise CorruptError("an ACL of an unknown version", path=name)
    made = [struct.pack("<I", 2)]
    at = 4
    while at + 4 <= len(value):
        tag, permissions = struct.unpack_from("<HH", value, at)
        at += 4
        identity = 0xFFFF_FFFF
        if tag in _NAMED:
            if at + 4 > len(value):
                raise CorruptError("an ACL is cut off", path=name)
            (identity,) = struct.unpack_from("<I", value, at)
            at += 4
        made.append(struct.pack("<HHI", tag, permissions, identity))
    return b"".join(made)
