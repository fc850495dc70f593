"""Parallels expandable image on-disk structures.

Spec: QEMU docs/interop/parallels.rst, https://www.qemu.org/docs/master/interop/parallels.html.
All little endian, units are sectors of 512 bytes; the table of clusters follows the header.
"""

from __future__ import annotations

import dataclasses
import struct

SECTOR = 512
MAGIC = b"WithoutFreeSpace"  # table entries are sectors
MAGIC_EXT = b"WithouFreSpacExt"  # table entries are clusters
IN_USE = 0x746F_6E59

_HEADER = struct.Struct("<16sIIIIIQIIIQ")
SIZE = _HEADER.size


@dataclasses.dataclass(frozen=True, slots=True)
class Header:
    """The header; ``tracks`` is the cluster size."""

    magic: bytes
    version: int
    heads: int
    cylinders: int
    tracks: int
    entries: int
    sectors: int
    in_use: int
    data_offset: int
    flags: int
    extension_offset: int

    @property
    def capacity(self) -> int:
        """Size of the disk: the older kind has only the lower half of the field."""
        return self.sectors if self.magic == MAGIC_EXT else self.sectors & 0xFFFF_FFFF


def unpack_header(raw: bytes) -> Header:
    """Read a header, unchecked."""
    return Header(*_HEADER.unpack_from(raw))
