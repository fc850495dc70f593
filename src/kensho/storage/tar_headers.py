"""Headers of tar members with all that a file has: owner, mode, links, extended attributes.

Format: POSIX.1-2001 pax, with ``SCHILY.xattr.`` records as GNU tar, bsdtar and Go write them, behind
plain ustar headers. Image layers (OCI image-spec, layer.md) are such archives. Same input, same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kensho.storage.tar import BLOCK, checksum

_OCTAL_SIZE = 8**11
_OCTAL_ID = 8**7
_NAME = 100
REGULAR, HARD_LINK, SYMLINK, DIRECTORY, FIFO = b"0", b"1", b"2", b"5", b"6"


@dataclass(frozen=True, slots=True)
class Member:
    """A member: names and link targets are bytes, ``mode`` the 12 permission bits, ``mtime`` seconds."""

    name: bytes
    kind: bytes = REGULAR
    size: int = 0
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    mtime: int = 0
    link: bytes = b""
    xattrs: Mapping[str, bytes] = field(default_factory=dict)


def headers(member: Member) -> bytes:
    """Return the blocks in front of a member's bytes: a pax header where one is needed, and ustar's."""
    records: dict[bytes, bytes] = {}
    if len(member.name) > _NAME:
        records[b"path"] = member.name
    if len(member.link) > _NAME:
        records[b"linkpath"] = member.link
    if member.size >= _OCTAL_SIZE:
        records[b"size"] = b"%d" % member.size
    if not 0 <= member.mtime < _OCTAL_SIZE:
        records[b"mtime"] = b"%d" % member.mtime
    for key, number in ((b"uid", member.uid), (b"gid", member.gid)):
        if number >= _OCTAL_ID:
            records[key] = b"%d" % number
    for name in sorted(member.xattrs):
        records[b"SCHILY.xattr." + name.encode(errors="surrogateescape")] = member.xattrs[name]
    if not records:
        return _ustar(member)
    body = b"".join(_record(key, value) for key, value in records.items())
    before = Member(b"././@PaxHeader", b"x", len(body))
    return _ustar(before) + body + bytes(-len(body) % BLOCK) + _ustar(member)


def _record(key: bytes, value: bytes) -> bytes:
    """Return a pax record; its length counts its own digits."""
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    length = rest + len(str(length))
    return b"%d %s=%s\n" % (length, key, value)


def _ustar(member: Member) -> bytes:
    header = bytearray(BLOCK)
    name, link = member.name[:_NAME], member.link[:_NAME]
    header[: len(name)] = name
    header[100:108] = b"%07o\0" % (member.mode & 0o7777)
    header[108:116] = b"%07o\0" % min(member.uid, _OCTAL_ID - 1)
    header[116:124] = b"%07o\0" % min(member.gid, _OCTAL_ID - 1)
    header[124:136] = b"%011o\0" % (member.size if member.size < _OCTAL_SIZE else 0)
    header[136:148] = b"%011o\0" % min(max(member.mtime, 0), _OCTAL_SIZE - 1)
    header[156:157] = member.kind
    header[157 : 157 + len(link)] = link
    header[257:265] = b"ustar\x0000"
    header[329:345] = b"0000000\0" * 2
    header[148:156] = b"%06o\0 " % checksum(bytes(header))
    return bytes(header)
