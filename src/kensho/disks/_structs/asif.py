"""ASIF (Apple Sparse Image Format, macOS 26) on-disk structures.

No specification is published. Source: the reverse-engineered description of header
version 1 at https://github.com/huven/asif-format. All big endian; a chunk number times the
chunk size is the offset in the file.
"""

from __future__ import annotations

import dataclasses
import struct

MAGIC = b"shdw"
CHUNK_MASK = (1 << 55) - 1  # of an entry; the upper nine bits are flags
# Status of a chunk, the upper two bits of its entry
UNINITIALIZED, INITIALIZED, PARTIAL = 0, 1, 3
SECTOR_WRITTEN = 1  # of the two bits a sector has in the bitmap; 0: never written

_HEADER = struct.Struct(">4sIIIQQ16sQQIHHQ")
SIZE = _HEADER.size


@dataclasses.dataclass(frozen=True, slots=True)
class Header:
    """The header; the directory with the higher sequence number counts."""

    magic: bytes
    version: int
    header_size: int
    flags: int
    directory_1: int
    directory_2: int
    uuid: bytes
    sectors: int
    max_sectors: int
    chunk_size: int
    sector_size: int
    unknown: int
    metadata_chunk: int

    @property
    def group_chunks(self) -> int:
        """How many data chunks a group has; then comes the number of its bitmap chunk."""
        return 4 * self.sector_size

    @property
    def table_groups(self) -> int:
        """How many groups fit into the chunk that a table has."""
        return self.chunk_size // (8 * (self.group_chunks + 1))


def unpack_header(raw: bytes) -> Header:
    """Read a header, unchecked."""
    return Header(*_HEADER.unpack_from(raw))
