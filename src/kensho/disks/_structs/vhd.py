"""VHD on-disk structures.

Spec: Microsoft "Virtual Hard Disk Image Format Specification" 1.0 (2006). All big
endian; offsets are bytes, block allocation table entries are sectors of 512 bytes.
"""

from __future__ import annotations

import dataclasses
import struct

SECTOR = 512
COOKIE = b"conectix"
DYNAMIC_COOKIE = b"cxsparse"
UNUSED = 0xFFFF_FFFF  # table entry of a block that does not exist
NO_OFFSET = 0xFFFF_FFFF_FFFF_FFFF
EPOCH = 946_684_800  # seconds from 1970 to 2000-01-01 UTC, when VHD times begin
FIXED, DYNAMIC, DIFFERENCING = 2, 3, 4

_FOOTER = struct.Struct(">8sIIQI4sI4sQQHBBII16sB427x")
_DYNAMIC = struct.Struct(">8sQQIIII16sII512s192s256x")
_LOCATOR = struct.Struct(">4sIIIQ")
LOCATORS = 8  # places for parent locators in a dynamic header
_FOOTER_SUM = 64  # offset of the checksum
_DYNAMIC_SUM = 36
FOOTER_SIZE = _FOOTER.size
DYNAMIC_SIZE = _DYNAMIC.size


@dataclasses.dataclass(frozen=True, slots=True)
class Footer:
    """Hard disk footer, at the end of every VHD and at the start of dynamic ones."""

    cookie: bytes
    features: int
    version: int
    data_offset: int
    timestamp: int
    creator: bytes
    creator_version: int
    creator_host: bytes
    original_size: int
    current_size: int
    cylinders: int
    heads: int
    sectors: int
    disk_type: int
    checksum: int
    uuid: bytes
    saved_state: int

    def pack(self) -> bytes:
        """Return the 512 bytes with their checksum."""
        return _with_sum(_FOOTER.pack(*dataclasses.astuple(self)), _FOOTER_SUM)


@dataclasses.dataclass(frozen=True, slots=True)
class DynamicHeader:
    """Dynamic disk header."""

    cookie: bytes
    data_offset: int
    table_offset: int
    version: int
    max_entries: int
    block_size: int
    checksum: int
    parent_uuid: bytes
    parent_timestamp: int
    reserved: int
    parent_name: bytes
    parent_locators: bytes

    def pack(self) -> bytes:
        """Return the 1024 bytes with their checksum."""
        return _with_sum(_DYNAMIC.pack(*dataclasses.astuple(self)), _DYNAMIC_SUM)


@dataclasses.dataclass(frozen=True, slots=True)
class Locator:
    """Parent locator entry: where in the file the parent's path is, in a platform's own form.

    ``space`` is counted in bytes by Windows and by most others, in sectors by some.
    """

    platform: bytes
    space: int
    length: int
    reserved: int
    offset: int

    def pack(self) -> bytes:
        """Return the 24 bytes."""
        return _LOCATOR.pack(*dataclasses.astuple(self))


def unpack_locators(raw: bytes) -> list[Locator]:
    """Return the used entries out of the 192 bytes in the dynamic header, unchecked."""
    entries = [Locator(*fields) for fields in _LOCATOR.iter_unpack(raw)]
    return [entry for entry in entries if any(entry.platform) and entry.length]


def unpack_footer(raw: bytes) -> Footer:
    """Read a footer out of 512 bytes, unchecked."""
    return Footer(*_FOOTER.unpack(raw))


def unpack_dynamic(raw: bytes) -> DynamicHeader:
    """Read a dynamic disk header out of 1024 bytes, unchecked."""
    return DynamicHeader(*_DYNAMIC.unpack(raw))


def footer_sum(raw: bytes) -> int:
    """Return the checksum the footer in ``raw`` should have."""
    return _sum(raw, _FOOTER_SUM)


def dynamic_sum(raw: bytes) -> int:
    """Return the checksum the dynamic header in ``raw`` should have."""
    return _sum(raw, _DYNAMIC_SUM)


def _sum(raw: bytes, at: int) -> int:
    return ~(sum(raw) - sum(raw[at : at + 4])) & 0xFFFF_FFFF


def _with_sum(raw: bytes, at: int) -> bytes:
    return raw[:at] + struct.pack(">I", _sum(raw, at)) + raw[at + 4 :]


def geometry(total_sectors: int) -> tuple[int, int, int]:
    """Return (cylinders, heads, sectors per track) as the specification's appendix computes them."""
    total = min(total_sectors, 65535 * 16 * 255)
    if total >= 65535 * 16 * 63:
        sectors, heads = 255, 16
        return total // sectors // heads, heads, sectors
    sectors = 17
    cylinder_heads = total // sectors
    heads = max(4, (cylinder_heads + 1023) // 1024)
    if cylinder_heads >= heads * 1024 or heads > 16:
        sectors, heads = 31, 16
        cylinder_heads = total // sectors
    if cylinder_heads >= heads * 1024:
        sectors, heads = 63, 16
        cylinder_heads = total // sectors
    return cylinder_heads // heads, heads, sectors
