"""VMDK on-disk structures.

Spec: VMware Virtual Disk Format 5.0, "Hosted Sparse Extents" and
"Stream-Optimized Compressed Sparse Extents". All little endian, units are
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
