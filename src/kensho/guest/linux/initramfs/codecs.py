"""What an initramfs is compressed with: recognised, unpacked within bounds, and packed.

Source: the kernel's lib/decompress.c (the magics) and usr/Kconfig (the algorithms).
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable
from typing import Protocol, cast

import lz4.block
import zstandard

from kensho.model.errors import CorruptError, LimitError, UnsupportedError

MOST = 1 << 30  #: bytes an initramfs may unpack to
_MOST_MEMORY = 256 << 20  #: of xz and lzma; what is packed with -9 takes 65 MiB
_STEP = 1 << 14  #: of input: what one step unpacks to stays within bounds, too
_LZ4_BLOCK = 8 << 20  #: of the legacy frame, which is the one the kernel reads

_MAGICS = (
    (b"\x1f\x8b", "gzip"),
    (b"\xfd7zXZ\0", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\x02\x21\x4c\x18", "lz4"),
    (b"BZh", "bzip2"),
    (b"\x5d\x00\x00", "lzma"),
    (b"\x89LZO", "lzo"),
)


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes) -> bytes: ...


_MAKERS: dict[str, Callable[[], _Decompressor]] = {
    "gzip": lambda: cast("_Decompressor", zlib.decompressobj(31)),
    "xz": lambda: cast("_Decompressor", lzma.LZMADecompressor(lzma.FORMAT_XZ, _MOST_MEMORY)),
    "lzma": lambda: cast("_Decompressor", lzma.LZMADecompressor(lzma.FORMAT_ALONE, _MOST_MEMORY)),
    "bzip2": lambda: cast("_Decompressor", bz2.BZ2Decompressor()),
    "zstd": lambda: cast("_Decompressor", zstandard.ZstdDecompressor().decompressobj()),
}


def codec_of(data: memoryview) -> str | None:
    """Return the name of what ``data`` begins with, None when it is not compressed."""
    head = bytes(data[:6])
    return next((name for magic, name in _MAGICS if head.startswith(magic)), None)


def unpack(data: memoryview, codec: str, path: str) -> tuple[bytes, int]:
    """Return what one compressed member holds, and the bytes it takes of ``data``.

    Raises CorruptError when it is damaged or ends early, LimitError beyond ``MOST``,
    UnsupportedError for LZO.
    """
    if codec == "lz4":
        return _unpack_lz4(data, path)
    maker = _MAKERS.get(codec)
    if maker is None:
        raise UnsupportedError(
            f"is compressed with {codec}",
            path=path,
            hint="set another compressor in the guest and make its initramfs anew",
        )
    stream = maker()
    parts, size, place = [], 0, 0
    try:
        while not stream.eof and place < len(data):
            part = stream.decompress(bytes(data[place : place + _STEP]))
            place = min(place + _STEP, len(data))
            size += len(part)
            if size > MOST:
                raise LimitError(f"unpacks to more than {MOST} bytes", path=path)
            parts.append(part)
    except (zlib.error, lzma.LZMAError, OSError, zstandard.ZstdError, EOFError) as error:
        raise CorruptError(f"the {codec} data is damaged: {error}", path=path) from error
    if not stream.eof:
        raise CorruptError(f"the {codec} data ends early", path=path)
    return b"".join(parts), place - len(stream.unused_data)


def _unpack_lz4(data: memoryview, path: str) -> tuple[bytes, int]:
    """Unpack the legacy frame: a magic, then blocks behind their sizes, until no size fits."""
    parts, size, place = [], 0, 4
    while place + 4 <= len(data):
        length = int.from_bytes(data[place : place + 4], "little")
        if not 0 < length <= _LZ4_BLOCK + _LZ4_BLOCK // 255 + 16 or place + 4 + length > len(data):
            break  # padding, or the next member
        try:
            part = lz4.block.decompress(
                bytes(data[place + 4 : place + 4 + length]), uncompressed_size=_LZ4_BLOCK
            )
        except lz4.block.LZ4BlockError as error:
            raise CorruptError("the lz4 data is damaged", path=path, offset=place) from error
        place += 4 + length
        size += len(part)
        if size > MOST:
            raise LimitError(f"unpacks to more than {MOST} bytes", path=path)
        parts.append(part)
        if len(part) < _LZ4_BLOCK:
            break  # only the last block is not full
    if not parts:
        raise CorruptError("the lz4 data ends early", path=path)
    return b"".join(parts), place


def pack(data: bytes, codec: str | None, *, tight: bool = False) -> bytes:
    """Compress an archive in the way the same kernel is known to read; None leaves it as it is.

    ``tight`` takes many times as long, for the few percent that may be what is lacking.
    """
    if codec == "gzip":
        return gzip.compress(data, 9 if tight else 6, mtime=0)
    if codec == "xz":
        # The kernel's decoder has CRC32 and no CRC64.
        preset = 6 | lzma.PRESET_EXTREME if tight else 3
        return lzma.compress(data, check=lzma.CHECK_CRC32, preset=preset)
    if codec == "zstd":
        level = 19 if tight else 6
        return zstandard.ZstdCompressor(level=level, write_checksum=True).compress(data)
    if codec == "lz4":
        mode = "high_compression" if tight else "default"
        blocks = (data[at : at + _LZ4_BLOCK] for at in range(0, len(data), _LZ4_BLOCK))
        packed = [lz4.block.compress(block, mode=mode, store_size=False) for block in blocks]
        return _MAGICS[3][0] + b"".join(len(p).to_bytes(4, "little") + p for p in packed)
    return data
