"""Write what Google Cloud imports: ``disk.raw`` in an oldgnu tar in one gzip stream.

Formats: cloud.google.com "Manually import boot disks"; tar as GNU tar's manual,
"Basic Tar Format"; gzip as RFC 1952. The pieces of the deflate stream are made by
all cores: each ends at a byte (a full flush), so they can simply follow each other.
"""

from __future__ import annotations

import importlib
import struct
import zlib
from typing import TYPE_CHECKING, Any

from kensho.disks._blocks import ZEROS
from kensho.storage.tar import BLOCK, checksum
from kensho.storage.tar_write import pack_header

if TYPE_CHECKING:
    from kensho.storage.base import ReadBuffer, StreamSink


def _codec() -> Any:
    try:
        return importlib.import_module("isal.isal_zlib")
    except ImportError:  # pragma: no cover - wheels exist for all supported platforms
        return zlib


_fast = _codec()
NAME = b"disk.raw"
_RECORD = 20 * BLOCK  # tar archives are whole records long
_GZIP_HEAD = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"  # deflate, no name, no time, unknown system
_LAST_BLOCK = b"\x03\0"  # an empty block with the mark of the last one
_LEVELS = {"balanced": 4, "small": 9}


class GcpWriter:
    """A tar.gz with the raw disk being written; see DiskWriter for the protocol."""

    __slots__ = ("_at", "_crc", "_level", "_sink", "_total", "_zero_piece", "virtual_size")

    format = "gcp"
    subformat = "tar.gz"
    granularity = 1 << 16

    def __init__(self, sink: StreamSink, virtual_size: int, compression: str) -> None:
        self.virtual_size = virtual_size
        self._sink = sink
        self._level = _LEVELS.get(compression, 1)
        self._crc = 0
        self._total = 0  # bytes of the tar so far
        self._at = 0  # bytes of the disk so far
        self._zero_piece = deflate_piece(ZEROS, 9, None)
        sink.append(_GZIP_HEAD)
        self._put(tar_header(virtual_size))

    def encode(self, offset: int, data: memoryview) -> tuple[int, memoryview, bytes]:
        """Deflate a run."""
        return offset, data, deflate_piece(data, self._level, _fast if self._level == 1 else None)

    def commit(self, encoded: tuple[int, memoryview, bytes]) -> None:
        """Append the run, zeros before it."""
        offset, data, packed = encoded
        self._zeros(offset - self._at)
        self._put(data, packed)
        self._at = offset + len(data)

    def finish(self) -> None:
        """Append what is missing of the disk, the end of the archive and of the stream."""
        self._zeros(self.virtual_size - self._at)
        self._at = self.virtual_size
        self._zeros(-self._total % BLOCK + 2 * BLOCK)
        self._zeros(-self._total % _RECORD)
        self._sink.append(_LAST_BLOCK + struct.pack("<II", self._crc, self._total & 0xFFFF_FFFF))

    def _zeros(self, length: int) -> None:
        while length >= len(ZEROS):
            self._put(ZEROS, self._zero_piece)
            length -= len(ZEROS)
        if length:
            self._put(ZEROS[:length])

    def _put(self, data: ReadBuffer, packed: bytes | None = None) -> None:
        self._sink.append(deflate_piece(data, 9, None) if packed is None else packed)
        self._crc = _fast.crc32(data, self._crc)
        self._total += len(data)


def deflate_piece(data: ReadBuffer, level: int, codec: Any) -> bytes:
    """Return ``data`` as raw deflate blocks that end at a byte and need nothing before them."""
    codec = codec or zlib
    packer = codec.compressobj(level=level, wbits=-15)
    return bytes(packer.compress(data)) + bytes(packer.flush(codec.Z_FULL_FLUSH))


def tar_header(size: int) -> bytes:
    """Return the oldgnu header of the member ``disk.raw``."""
    header = bytearray(pack_header(NAME, size, 0))
    header[257:265] = b"ustar  \0"
    header[329:345] = bytes(16)  # oldgnu has no device numbers for files
    header[148:156] = b"%06o\0 " % checksum(bytes(header))
    return bytes(header)


def create_gcp(
    sink: StreamSink,
    virtual_size: int,
    *,
    compression: str = "fast",
    identity: bytes | None = None,  # noqa: ARG001 - nothing in it identifies a disk
) -> GcpWriter:
    """Begin a tar.gz; the size is a whole number of GiB, as Google Cloud demands."""
    return GcpWriter(sink, virtual_size, compression)
