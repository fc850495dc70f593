"""QCOW2 on-disk structures.

Spec: QEMU docs/interop/qcow2.rst, https://www.qemu.org/docs/master/interop/qcow2.html.
All big endian; offsets are bytes.
"""

from __future__ import annotations

import dataclasses
import struct

MAGIC = b"QFI\xfb"
MIN_CLUSTER_BITS, MAX_CLUSTER_BITS = 9, 21

DIRTY = 1 << 0
CORRUPT = 1 << 1
EXTERNAL_DATA = 1 << 2
COMPRESSION_TYPE = 1 << 3
EXTENDED_L2 = 1 << 4
KNOWN_INCOMPATIBLE = DIRTY | CORRUPT | EXTERNAL_DATA | COMPRESSION_TYPE | EXTENDED_L2

ZLIB, ZSTD = 0, 1

COPIED = 1 << 63  # refcount is exactly one
COMPRESSED = 1 << 62
OFFSET_MASK = 0x00FF_FFFF_FFFF_FE00
L2_ZERO = 1  # version 3: cluster reads as zero

AUTOCLEAR_RAW_DATA = 1 << 1  # the external data file is a raw disk of its own

EXTENSION_END = 0
EXTENSION_DATA_FILE = 0x4441_5441
EXTENSION_BACKING_FORMAT = 0xE279_2ACA

_V2 = struct.Struct(">4sIQIIQIIQQIIQ")
_V3 = struct.Struct(">QQQII")
_SNAPSHOT = struct.Struct(">QIHHIIQII")
V2_SIZE = _V2.size
V3_SIZE = _V2.size + _V3.size
SNAPSHOT_SIZE = _SNAPSHOT.size
EXTENSION = struct.Struct(">II")


@dataclasses.dataclass(frozen=True, slots=True)
class Header:
    """QCowHeader; the last six fields exist in version 3 only."""

    magic: bytes
    version: int
    backing_offset: int
    backing_size: int
    cluster_bits: int
    size: int
    crypt_method: int
    l1_size: int
    l1_offset: int
    refcount_offset: int
    refcount_clusters: int
    snapshots: int
    snapshots_offset: int
    incompatible: int = 0
    compatible: int = 0
    autoclear: int = 0
    refcount_order: int = 4
    header_length: int = V2_SIZE
    compression_type: int = ZLIB

    def pack_v2(self) -> bytes:
        """Return a version 2 header of 72 bytes."""
        return _V2.pack(*dataclasses.astuple(self)[:13])

    def pack_v3(self) -> bytes:
        """Return a version 3 header of 112 bytes."""
        values = dataclasses.astuple(self)
        return (
            _V2.pack(*values[:13])
            + _V3.pack(*values[13:18])
            + bytes([self.compression_type] + [0] * 7)
        )


def unpack_header(raw: bytes) -> Header:
    """Read a header out of at least ``V2_SIZE`` bytes, unchecked; missing fields have defaults."""
    first = _V2.unpack_from(raw)
    if first[1] < 3 or len(raw) < V3_SIZE:
        return Header(*first)
    second = _V3.unpack_from(raw, V2_SIZE)
    kind = raw[V3_SIZE] if second[4] > V3_SIZE and len(raw) > V3_SIZE else ZLIB
    return dataclasses.replace(Header(*first, *second), compression_type=kind)


@dataclasses.dataclass(frozen=True, slots=True)
class SnapshotHeader:
    """The fixed part of a snapshot table entry."""

    l1_offset: int
    l1_size: int
    id_size: int
    name_size: int
    seconds: int
    nanoseconds: int
    clock: int
    state_size: int
    extra_size: int


def unpack_snapshot(raw: bytes) -> SnapshotHeader:
    """Read a snapshot table entry out of ``SNAPSHOT_SIZE`` bytes, unchecked."""
    return SnapshotHeader(*_SNAPSHOT.unpack(raw))
