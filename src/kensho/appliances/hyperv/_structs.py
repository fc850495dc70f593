"""What lies on disk in Hyper-V's storage of keys: `.vmcx`, `.vmrs`. Little-endian, packed.

Source: OpenVMM's description of the format and its definitions (github.com/microsoft/openvmm, MIT).
Sizes and offsets are bytes; checksums are CRC-32 (ISO 3309) with the checksum's own field zero.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kensho.storage.base import ByteSource

HEADERS = (0, 4096)  #: where the two copies of the file's header are
HEADER_SIGNATURE = 0x01282014
#: signature, checksum, sequence, format version, data version, flags, alignment,
#: offset and size of the log, size of its header
HEADER = struct.Struct("<IIHIIIIQQI")
VERSION = 0x0400  #: the format since Windows Server 2016

OBJECTS = 8192  #: the first object table
OBJECTS_SIGNATURE = 0x01110001
OBJECT_TABLE = struct.Struct("<II")  #: signature, entries
OBJECT = struct.Struct("<BIQIB")  #: kind, checksum, offset, size, flags
MORE_OBJECTS, KEY_TABLE = 1, 2  #: kinds of objects, beside data that keys point to

LOG_SIGNATURE = 0x01110003
LOG = struct.Struct("<IIIBIBQII")  #: signature, checksum, entries, reserved, most entries, …
LOG_ENTRY = struct.Struct("<IQIQI")  #: checksum, target, size, offset in the log, data's checksum

KEYS_SIGNATURE = 0x0002
KEYS = struct.Struct("<HHHI")  #: signature, number of the table, sequence, checksum
#: kind, flags, size, parent's table, parent's offset in it, checksum, order, bytes of the name
KEY = struct.Struct("<BBIHIIIB")
FREE, INT, UINT, DOUBLE, STRING, ARRAY, BOOL, NODE = 1, 3, 4, 5, 6, 7, 8, 9
ELSEWHERE = 1  #: flag of a key: its value is an object of its own
POINTER = struct.Struct("<IQ")  #: size, offset


def checksum(data: bytes, at: int) -> int:
    """Return the checksum of a structure whose own four bytes for it are at ``at``."""
    return zlib.crc32(data[at + 4 :], zlib.crc32(bytes(4), zlib.crc32(data[:at])))


def is_storage(source: ByteSource) -> bool:
    """Tell whether one of the two headers has the signature."""
    mark = HEADER_SIGNATURE.to_bytes(4, "little")
    return any(source.size >= at + HEADER.size and source.read_at(at, 4) == mark for at in HEADERS)
