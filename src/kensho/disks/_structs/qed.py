"""QED on-disk structures.

Spec: QEMU docs/interop/qed_spec.rst, https://www.qemu.org/docs/master/interop/qed_spec.html.
All little endian; offsets are bytes.
"""

from __future__ import annotations

import dataclasses
import struct

MAGIC = b"QED\0"
BACKING_FILE, NEED_CHECK, BACKING_RAW = 1, 2, 4
KNOWN_FEATURES = BACKING_FILE | NEED_CHECK | BACKING_RAW
ZERO = 1  # table entry of a cluster that reads as zero and hides the backing file

_HEADER = struct.Struct("<4sIIIQQQQQII")
SIZE = _HEADER.size


@dataclasses.dataclass(frozen=True, slots=True)
class Header:
    """The header; ``table_size`` and ``header_size`` count clusters."""

    magic: bytes
    cluster_size: int
    table_size: int
    header_size: int
    features: int
    compat_features: int
    autoclear_features: int
    l1_offset: int
    image_size: int
    backing_offset: int
    backing_size: int


def unpack_header(raw: bytes) -> Header:
    """Read a header, unchecked."""
    return Header(*_HEADER.unpack_from(raw))
