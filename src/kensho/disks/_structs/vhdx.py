"""VHDX on-disk structures.

Spec: [MS-VHDX] Virtual Hard Disk v2 (VHDX) File Format, section 2. All little
endian. Checksums are CRC-32C over the structure with the field itself zero.
"""

from __future__ import annotations

import dataclasses
import struct
import uuid

import google_crc32c

MIB = 1 << 20
KIB64 = 1 << 16
PAGE = 4096
FILE_ID = b"vhdxfile"
HEADER_PLACES = (KIB64, 2 * KIB64)
REGION_PLACES = (3 * KIB64, 4 * KIB64)

BAT_REGION = uuid.UUID("2dc27766-f623-4200-9d64-115e9bfd4a08").bytes_le
METADATA_REGION = uuid.UUID("8b7ca206-4790-4b9a-b8fe-575f050f886e").bytes_le

FILE_PARAMETERS = uuid.UUID("caa16737-fa36-4d43-b3b6-33f0aa44e76b").bytes_le
DISK_SIZE = uuid.UUID("2fa54224-cd1b-4876-b211-5dbed83bf4b8").bytes_le
DISK_ID = uuid.UUID("beca12ab-b2e6-4523-93ef-c309e000c746").bytes_le
LOGICAL_SECTOR = uuid.UUID("8141bf1d-a96f-4709-ba47-f233a8faab5f").bytes_le
PHYSICAL_SECTOR = uuid.UUID("cda348c7-445d-4471-9cc9-e9885251c556").bytes_le
PARENT_LOCATOR = uuid.UUID("a8d35f2d-b30b-454d-abf7-d3d84834ab0c").bytes_le
KNOWN_ITEMS = frozenset(
    {FILE_PARAMETERS, DISK_SIZE, DISK_ID, LOGICAL_SECTOR, PHYSICAL_SECTOR, PARENT_LOCATOR}
)

LEAVE_ALLOCATED = 1
HAS_PARENT = 2
ITEM_IS_DISK, ITEM_REQUIRED = 2, 4

# Payload block states, section 2.5.1.1
NOT_PRESENT, UNDEFINED, ZEROED, UNMAPPED = 0, 1, 2, 3
FULLY_PRESENT, PARTIALLY_PRESENT = 6, 7
STATE_MASK = 7
OFFSET_MASK = ~0xF_FFFF

HEADER = struct.Struct("<4sIQ16s16s16sHHIQ")
REGION_HEADER = struct.Struct("<4sIII")
REGION_ENTRY = struct.Struct("<16sQII")
METADATA_HEADER = struct.Struct("<8s2xH20x")
METADATA_ENTRY = struct.Struct("<16sIII4x")
LOG_ENTRY = struct.Struct("<4sIIIQII16sQQ")
LOG_ZERO = struct.Struct("<4s4xQQQ")
LOG_DATA = struct.Struct("<4s4s8sQQ")
DESCRIPTOR_SIZE = 32


@dataclasses.dataclass(frozen=True, slots=True)
class Header:
    """File header, section 2.2.2; the one with the higher sequence number counts."""

    signature: bytes
    checksum: int
    sequence: int
    file_write_guid: bytes
    data_write_guid: bytes
    log_guid: bytes
    log_version: int
    version: int
    log_length: int
    log_offset: int

    def pack(self) -> bytes:
        """Return the 4 KiB with their checksum."""
        return with_checksum(HEADER.pack(*dataclasses.astuple(self)).ljust(PAGE, b"\0"))


@dataclasses.dataclass(frozen=True, slots=True)
class Region:
    """A region table entry, section 2.2.3.2."""

    guid: bytes
    offset: int
    length: int
    required: bool


def checksum_of(raw: bytes) -> int:
    """Return the CRC-32C of a structure whose bytes 4..8 hold its checksum."""
    crc = google_crc32c.extend(0, raw[:4])
    crc = google_crc32c.extend(crc, bytes(4))
    return int(google_crc32c.extend(crc, raw[8:]))


def checksum_good(raw: bytes) -> bool:
    """Return whether the checksum in bytes 4..8 of ``raw`` is right."""
    return int.from_bytes(raw[4:8], "little") == checksum_of(raw)


def with_checksum(raw: bytes) -> bytes:
    """Return ``raw`` with its checksum in bytes 4..8."""
    return raw[:4] + checksum_of(raw).to_bytes(4, "little") + raw[8:]


def chunk_ratio(block: int, sector: int) -> int:
    """Return how many payload entries stand between two sector bitmap entries."""
    return (1 << 23) * sector // block
