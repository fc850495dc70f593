"""The header of a QCOW2, checked, and what its extensions say.

Spec: QEMU docs/interop/qcow2.rst, sections "Header", "Header extensions".
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from kensho.disks._structs import qcow2 as s
from kensho.model.errors import CorruptError, LimitError, TruncatedError, UnsupportedError

if TYPE_CHECKING:
    from kensho.storage.base import ByteSource

_MAX_L1_BYTES = 32 << 20  # as QEMU
_MAX_NAME = 1023  # as the specification
_MIN_EXTENDED_BITS = 14
_LIMITS = {s.EXTENSION_BACKING_FORMAT: 64, s.EXTENSION_DATA_FILE: _MAX_NAME}

#: Features that change nothing about where data are.
PLAIN_FEATURES = s.DIRTY | s.CORRUPT | s.COMPRESSION_TYPE


@dataclasses.dataclass(frozen=True, slots=True)
class Qcow2Header:
    """The header, the name and format of the backing file and the name of the data file, if any."""

    header: s.Header
    backing_name: str | None
    backing_format: str | None
    data_name: str | None = None

    @property
    def entry_size(self) -> int:
        """Bytes of an L2 entry."""
        return 16 if self.header.incompatible & s.EXTENDED_L2 else 8

    @property
    def per_table(self) -> int:
        """Clusters an L2 table describes."""
        return (1 << self.header.cluster_bits) // self.entry_size


def read_header(source: ByteSource, features: int = PLAIN_FEATURES) -> Qcow2Header:
    """Read and check the header; ``features`` are the incompatible ones the caller can handle.

    UnsupportedError names the feature that is missing.
    """
    raw = source.read_at(0, min(4096, source.size))
    if raw[:4] != s.MAGIC:
        raise CorruptError("not a QCOW2", path=source.name, offset=0, field="magic")
    if len(raw) < s.V2_SIZE:
        raise TruncatedError("the file ends in its header", path=source.name, offset=len(raw))
    header = s.unpack_header(raw)
    _check_features(source, header, features)
    _check_sizes(source, header, len(raw))
    name = _backing_name(source, header)
    extensions = _extensions(source, header)
    backing_format = extensions.get(s.EXTENSION_BACKING_FORMAT) if name else None
    data_name = None
    if header.incompatible & s.EXTERNAL_DATA:
        data_name = extensions.get(s.EXTENSION_DATA_FILE, "")
    return Qcow2Header(header, name, backing_format, data_name)


def _check_features(source: ByteSource, header: s.Header, features: int) -> None:
    def unsupported(message: str, hint: str | None = None) -> UnsupportedError:
        return UnsupportedError(message, path=source.name, offset=0, hint=hint)

    if header.version not in {2, 3}:
        raise unsupported(
            f"QCOW version {header.version}", "convert it with `qemu-img convert -O qcow2`"
        )
    if header.crypt_method:
        raise unsupported("the disk is encrypted", "decrypt it with `qemu-img convert`")
    bits = header.incompatible
    if bits & ~s.KNOWN_INCOMPATIBLE:
        raise unsupported(f"unknown incompatible features {bits & ~s.KNOWN_INCOMPATIBLE:#x}")
    if bits & s.EXTERNAL_DATA & ~features:
        raise unsupported("its data are in an external file", "flatten it with `qemu-img convert`")
    if bits & s.EXTENDED_L2 & ~features:
        raise unsupported("extended L2 entries", "rewrite it with `qemu-img convert -O qcow2`")
    if bits & s.CORRUPT:
        raise CorruptError(
            "the image is marked as corrupt",
            path=source.name,
            field="incompatible_features",
            hint="repair a copy of it with `qemu-img check -r all`",
        )
    if header.compression_type not in {s.ZLIB, s.ZSTD}:
        raise unsupported(f"compression type {header.compression_type}")
    if (header.compression_type != s.ZLIB) != bool(bits & s.COMPRESSION_TYPE):
        raise CorruptError("compression type and features disagree", path=source.name)


def _check_sizes(source: ByteSource, header: s.Header, available: int) -> None:
    if not s.MIN_CLUSTER_BITS <= header.cluster_bits <= s.MAX_CLUSTER_BITS:
        raise CorruptError(
            f"clusters of 2^{header.cluster_bits} bytes", path=source.name, field="cluster_bits"
        )
    cluster = 1 << header.cluster_bits
    if header.version >= 3 and (
        available < s.V3_SIZE or not s.V3_SIZE <= header.header_length <= cluster
    ):
        raise CorruptError(
            f"a header of {header.header_length} bytes", path=source.name, field="header_length"
        )
    extended = bool(header.incompatible & s.EXTENDED_L2)
    if extended and header.cluster_bits < _MIN_EXTENDED_BITS:
        raise CorruptError(
            f"subclusters in clusters of {cluster} bytes", path=source.name, field="cluster_bits"
        )
    tables = -(-header.size // (cluster * (cluster // (16 if extended else 8))))
    check_l1(source, header.size, tables, header.l1_size, header.l1_offset, header.cluster_bits)


def check_l1(
    source: ByteSource, size: int, tables: int, l1_size: int, l1_offset: int, cluster_bits: int
) -> None:
    """Raise FormatError kinds unless an L1 table can be that of a disk with so many L2 tables."""
    if 8 * max(tables, l1_size) > _MAX_L1_BYTES:
        raise LimitError(
            f"a disk of {size} bytes needs too large an L1 table", path=source.name, field="size"
        )
    if l1_size < tables:
        raise CorruptError(
            f"{l1_size} L1 entries for {tables} tables", path=source.name, field="l1_size"
        )
    if l1_offset % (1 << cluster_bits):
        raise CorruptError("L1 table is not aligned", path=source.name, field="l1_table_offset")


def _backing_name(source: ByteSource, header: s.Header) -> str | None:
    if header.backing_offset == 0:
        return None
    if not 0 < header.backing_size <= _MAX_NAME:
        raise CorruptError(f"a backing file name of {header.backing_size} bytes", path=source.name)
    raw = source.read_at(header.backing_offset, header.backing_size)
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _extensions(source: ByteSource, header: s.Header) -> dict[int, str]:
    """Return the texts of the extensions known here; they end before the backing file's name."""
    end = min(header.backing_offset or 1 << header.cluster_bits, source.size)
    found: dict[int, str] = {}
    at = header.header_length
    while at + s.EXTENSION.size <= end:
        kind, length = s.EXTENSION.unpack(source.read_at(at, s.EXTENSION.size))
        at += s.EXTENSION.size
        if kind == s.EXTENSION_END:
            break
        if kind in _LIMITS and length <= _LIMITS[kind]:
            found[kind] = source.read_at(at, length).decode("utf-8", "replace")
        at += (length + 7) // 8 * 8
    return found
