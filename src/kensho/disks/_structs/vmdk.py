"""VMDK on-disk structures.

Spec: VMware Virtual Disk Format 5.0, "Hosted Sparse Extents" and
"Stream-Optimized Compressed Sparse Extents"; Virtual Disk Format 1.1, "ESX Server Sparse
Extents" (COWD). seSparse has no specification: what is known is in QEMU's block/vmdk.c
(VMDKSESparseConstHeader). All little endian, units are
sectors of 512 bytes unless a name says bytes.
"""

from __future__ import annotations

import dataclasses
import struct

SECTOR = 512
MAGIC = b"KDMV"
NEWLINES = b"\n \r\n"
AT_END = 0xFFFF_FFFF_FFFF_FFFF  # gdOffset: the real header is the footer

FLAG_NEWLINES = 1 << 0  # NEWLINES are to be verified
FLAG_REDUNDANT = 1 << 1  # rgdOffset is valid
FLAG_ZERO_GRAINS = 1 << 2  # grain table entry 1 means zeroed grain
FLAG_COMPRESSED = 1 << 16
FLAG_MARKERS = 1 << 17

DEFLATE = 1

MARKER = struct.Struct("<QII")  # value, size of data in bytes, type if that is 0
MARKER_EOS, MARKER_GT, MARKER_GD, MARKER_FOOTER = range(4)
MARKER_PROGRESS = 4  # not in the specification: ovftool, where it finds nothing for a while
GRAIN_HEADER = struct.Struct("<QI")  # sector on the disk, size of data in bytes

_HEADER = struct.Struct("<4sIIQQQQIQQQB4sH433x")


@dataclasses.dataclass(frozen=True, slots=True)
class SparseHeader:
    """SparseExtentHeader, at the start of a sparse extent and again as its footer."""

    magic: bytes
    version: int
    flags: int
    capacity: int
    grain_size: int
    descriptor_offset: int
    descriptor_size: int
    entries_per_gt: int
    rgd_offset: int
    gd_offset: int
    overhead: int
    unclean: int = 0
    newlines: bytes = NEWLINES
    algorithm: int = 0

    def pack(self) -> bytes:
        """Return the 512 bytes."""
        return _HEADER.pack(
            self.magic,
            self.version,
            self.flags,
            self.capacity,
            self.grain_size,
            self.descriptor_offset,
            self.descriptor_size,
            self.entries_per_gt,
            self.rgd_offset,
            self.gd_offset,
            self.overhead,
            self.unclean,
            self.newlines,
            self.algorithm,
        )


def unpack_header(raw: bytes) -> SparseHeader:
    """Read a header out of 512 bytes, unchecked."""
    return SparseHeader(*_HEADER.unpack(raw))


COWD_MAGIC = b"COWD"
COWD_ENTRIES = 4096  # per grain table
_COWD = struct.Struct("<4s7I")
_COWD_WHOLE = struct.Struct(
    "<4s7I3I2004x"
)  # geometry; then generation, name and the like, all zero
COWD_SIZE = 2048
COWD_FLAGS = 3  # a disk of its own as far as the header goes, to be checked: as ESX writes


@dataclasses.dataclass(frozen=True, slots=True)
class CowdHeader:
    """COWDisk_Header of a vmfsSparse extent, as far as it is needed to read."""

    magic: bytes
    version: int
    flags: int
    capacity: int
    grain_size: int
    gd_offset: int
    gd_entries: int
    free_sector: int

    def pack(self) -> bytes:
        """Return the 2048 bytes."""
        cylinders = max(1, min(self.capacity // (255 * 63), 65535))
        return _COWD_WHOLE.pack(
            self.magic,
            self.version,
            self.flags,
            self.capacity,
            self.grain_size,
            self.gd_offset,
            self.gd_entries,
            self.free_sector,
            cylinders,
            255,
            63,
        )


def unpack_cowd(raw: bytes) -> CowdHeader:
    """Read a COWD header, unchecked."""
    return CowdHeader(*_COWD.unpack_from(raw))


SESPARSE_MAGIC = 0xCAFE_BABE
SESPARSE_VOLATILE_MAGIC = 0xCAFE_CAFE
SESPARSE_VERSION = 0x2_0000_0001
SESPARSE_GRAIN = 8  # sectors
SESPARSE_TABLE = 64  # sectors
_SESPARSE = struct.Struct("<26Q")
SESPARSE_VOLATILE = struct.Struct("<4Q")  # magic, free table, next transaction, replay journal

# The type of a grain table entry, its upper four bits; in a directory 1 means a table.
SE_ABSENT, SE_UNMAPPED, SE_ZERO, SE_DATA = range(4)


@dataclasses.dataclass(frozen=True, slots=True)
class SeSparseHeader:
    """The constant header of a seSparse extent, without the places that are not needed."""

    magic: int
    version: int
    capacity: int
    grain_size: int
    table_size: int
    flags: int
    reserved: tuple[int, ...]
    volatile_offset: int
    gd_offset: int
    gd_size: int
    tables_offset: int
    grains_offset: int


def unpack_sesparse(raw: bytes) -> SeSparseHeader:
    """Read a constant header out of 512 bytes, unchecked."""
    v = _SESPARSE.unpack_from(raw)
    return SeSparseHeader(
        magic=v[0],
        version=v[1],
        capacity=v[2],
        grain_size=v[3],
        table_size=v[4],
        flags=v[5],
        reserved=v[6:10],
        volatile_offset=v[10],
        gd_offset=v[16],
        gd_size=v[17],
        tables_offset=v[18],
        grains_offset=v[24],
    )


def sesparse_grain(entry: int) -> int:
    """Return the number of the grain in an entry of type SE_DATA."""
    return entry >> 48 & 0xFFF | (entry & 0xFFFF_FFFF_FFFF) << 12
