"""The superblock of UFS1 and UFS2, and where inodes are.

Spec: FreeBSD sys/ufs/ffs/fs.h (``struct fs``); NetBSD and OpenBSD have the same fields. Little endian
alone, as on x86 and arm64. The old layout of directories and inodes of 4.3BSD is refused.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from kensho.guest.volumes.view import Readable
from kensho.model.errors import CorruptError, UnsupportedError

SIZE = 1376
_PLACES = (65536, 8192, 0, 262144)  #: where a superblock may be, in the order they are looked at
_MAGIC_AT = 1372
_UFS1, _UFS2 = 0x00011954, 0x19540119
_FORMAT_44 = 2
_MAX_BLOCK = 65536
_MAX_GROUPS = 1 << 24


@dataclass(frozen=True, slots=True)
class Superblock:
    """Sizes in bytes; ``fragment`` is what block numbers count, ``frags`` how many make a block."""

    version: int
    block: int
    fragment: int
    frags: int
    groups: int
    fragments_per_group: int
    inodes_per_group: int
    inodes_at: int  #: of a group, in fragments
    group_offset: int
    group_mask: int
    max_inline_link: int
    volume: str
    clean: bool

    @property
    def inode_size(self) -> int:
        """Bytes of an inode."""
        return 256 if self.version == 2 else 128

    @property
    def pointer(self) -> int:
        """Bytes of a block number."""
        return 8 if self.version == 2 else 4

    def inode_at(self, number: int) -> int:
        """Return the byte an inode begins at. CorruptError for a number that cannot be."""
        group, index = divmod(number, self.inodes_per_group)
        if number < 2 or group >= self.groups:
            raise CorruptError(f"there is no inode {number}")
        start = self.fragments_per_group * group
        if self.version == 1:
            start += self.group_offset * (group & ~self.group_mask)
        return (start + self.inodes_at) * self.fragment + index * self.inode_size


def read_superblock(view: Readable) -> Superblock:
    """Return the first superblock that makes sense.

    CorruptError when there is none, UnsupportedError for the layout of 4.3BSD.
    """
    for place in _PLACES:
        if place + SIZE <= view.size:
            raw = view.read(place, SIZE)
            (magic,) = struct.unpack_from("<I", raw, _MAGIC_AT)
            if magic in {_UFS1, _UFS2}:
                return _parse(raw, view.name, place, 2 if magic == _UFS2 else 1)
    raise CorruptError("a UFS without a superblock", path=view.name)


def _parse(raw: bytes, name: str, place: int, version: int) -> Superblock:
    def at(offset: int) -> int:
        value: int = struct.unpack_from("<i", raw, offset)[0]
        return value

    if version == 1 and at(1324) < _FORMAT_44:
        raise UnsupportedError("the UFS of 4.3BSD or Solaris is not read", path=name)
    found = Superblock(
        version=version,
        block=at(48),
        fragment=at(52),
        frags=at(56),
        groups=at(44),
        fragments_per_group=at(188),
        inodes_per_group=at(184),
        inodes_at=at(16),
        group_offset=at(24),
        group_mask=at(28),
        max_inline_link=at(1320),
        volume=raw[680:712].partition(b"\0")[0].decode("utf-8", "replace"),
        clean=raw[209] != 0,
    )
    sane = (
        512 <= found.fragment <= found.block <= _MAX_BLOCK
        and found.fragment & (found.fragment - 1) == 0
        and found.block == found.fragment * found.frags
        and 0 < found.groups <= _MAX_GROUPS
        and found.fragments_per_group > 0
        and found.inodes_per_group > 0
        and 0 <= found.inodes_at < found.fragments_per_group
        and 0 <= found.max_inline_link <= (120 if version == 2 else 60)
    )
    if not sane:
        raise CorruptError("a UFS's superblock makes no sense", path=name, offset=place)
    return found
