"""On-disk structures of a registry hive (``regf``).

Spec: M. Suhanov, "Windows registry file format specification", sections "Format of primary
files" and "Format of transaction log files". All little endian. Offsets of cells count from the
first hive bin, which follows the base block.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

BASE_SIZE = 4096  #: of the base block; the hive bins follow
BIN_STEP = 4096
BIN_HEADER = struct.Struct("<4sII8xQ4x")  #: signature, offset, size, timestamp
NONE = 0xFFFF_FFFF  #: no cell
CHECKED = 508  #: bytes of the base block under its checksum

MAGIC, BIN_MAGIC = b"regf", b"hbin"
PRIMARY_AT, SECONDARY_AT, WRITTEN_AT, MINOR_AT, TYPE_AT = 4, 8, 12, 24, 28
ROOT_AT, BINS_SIZE_AT, CLUSTER_AT, CHECKSUM_AT = 36, 40, 44, 508
BASE = struct.Struct("<4sIIQIIIIIII")
PRIMARY_FILE, LOG_FILE, LOG_FILE_8_1 = 0, 1, 6
MEMORY_LOAD = 1  #: the one file format there is

KEY_HIVE_ENTRY, KEY_NO_DELETE, KEY_SYM_LINK, KEY_COMP_NAME = 0x04, 0x08, 0x10, 0x20
VALUE_COMP_NAME = 1
INLINE = 0x8000_0000  #: in a value's size: the data is where its offset would be
SEGMENT = 16344  #: bytes of data in a segment of big data, which hives have from version 1.4 on

KEY = struct.Struct("<2sHQIIIIIIIIIIIIIIIHH")
VALUE = struct.Struct("<2sHIIIHH")
LIST_HEAD = struct.Struct("<2sH")
BIG_DATA = struct.Struct("<2sHI")
SECURITY_HEAD = struct.Struct("<2sHIIII")  #: flink, blink, references, size of the descriptor


@dataclass(slots=True)
class KeyNode:
    """A key node (``nk``); counts and offsets as stored, names apart."""

    flags: int
    written: int  #: FILETIME
    access: int
    parent: int
    subkey_count: int
    volatile_count: int
    subkeys: int
    volatile: int
    value_count: int
    values: int
    security: int
    class_name: int
    longest_name: int  #: lower 16 bits; what is above is flags of Windows' own
    longest_class: int
    longest_value_name: int
    longest_value: int
    work: int
    name_size: int
    class_size: int

    @classmethod
    def unpack(cls, data: bytes) -> KeyNode:
        """Take the fixed part of a cell; the caller has seen that it is long enough."""
        return cls(*KEY.unpack_from(data)[1:])

    def pack(self) -> bytes:
        """Return the fixed part."""
        return KEY.pack(
            b"nk", self.flags, self.written, self.access, self.parent, self.subkey_count,
            self.volatile_count, self.subkeys, self.volatile, self.value_count, self.values,
            self.security, self.class_name, self.longest_name, self.longest_class,
            self.longest_value_name, self.longest_value, self.work, self.name_size,
            self.class_size,
        )  # fmt: skip


def checksum(base: bytes | bytearray | memoryview) -> int:
    """Return the base block's checksum: the words before it, exclusive-ored."""
    total = 0
    for (word,) in struct.iter_unpack("<I", base[:CHECKED]):
        total ^= word
    # The two values that Windows itself never stores.
    return {0: 1, 0xFFFF_FFFF: 0xFFFF_FFFE}.get(total, total)
