"""VDI on-disk structures.

Source: VirtualBox "VDI image header" as described at
https://forums.virtualbox.org/viewtopic.php?t=8046. All little endian; offsets
are bytes. The first 64 bytes are free text.
"""

from __future__ import annotations

import dataclasses
import struct

SECTOR = 512
SIGNATURE = 0xBEDA_107F
TEXT = b"<<< Oracle VM VirtualBox Disk Image >>>\n"
DYNAMIC, FIXED, UNDO, DIFF = 1, 2, 3, 4
FREE = 0xFFFF_FFFF  # block not there: the parent's, or zero
ZERO = 0xFFFF_FFFE  # block there in principle, reads as zero

_PRE = struct.Struct("<64sII")
_HEADER = struct.Struct("<III256sIIIIIIIQIIII16s16s16s16sIIII")
PRE_SIZE = _PRE.size
SIZE = PRE_SIZE + _HEADER.size
HEADER_SIZE = 400  # what VirtualBox puts into ``size`` for version 1.1


@dataclasses.dataclass(frozen=True, slots=True)
class Header:
    """VDIHEADER1PLUS."""

    size: int
    image_type: int
    flags: int
    comment: bytes
    blocks_offset: int
    data_offset: int
    cylinders: int
    heads: int
    sectors: int
    sector_size: int
    unused: int
    disk_size: int
    block_size: int
    block_extra: int
    blocks: int
    blocks_allocated: int
    uuid_create: bytes
    uuid_modify: bytes
    uuid_parent: bytes  # VirtualBox's uuidLinkage: the UUID of the disk below
    uuid_parent_modify: bytes
    lchs_cylinders: int = 0
    lchs_heads: int = 0
    lchs_sectors: int = 0
    lchs_sector_size: int = 0

    def pack(self) -> bytes:
        """Return text, signature, version 1.1 and the header."""
        return _PRE.pack(TEXT, SIGNATURE, 0x0001_0001) + _HEADER.pack(*dataclasses.astuple(self))


def unpack_pre(raw: bytes) -> tuple[int, int]:
    """Return (signature, version)."""
    _, signature, version = _PRE.unpack_from(raw)
    return signature, version


def unpack_header(raw: bytes) -> Header:
    """Read the header out of ``SIZE`` bytes from the start of the file, unchecked."""
    return Header(*_HEADER.unpack_from(raw, PRE_SIZE))
