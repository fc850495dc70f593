"""Compressed extents of btrfs: zlib, LZO, zstd.

Spec: btrfs.readthedocs.io, "Compression"; LZO's framing: Linux fs/btrfs/lzo.c, its opening comment.
"""

from __future__ import annotations

import zlib

import zstandard

from kensho.model.errors import CorruptError, UnsupportedError

_ZLIB, _LZO, _ZSTD = 1, 2, 3
_WINDOW = 1 << 20


def unpack(data: bytes, kind: int, size: int, sector: int, name: str) -> bytes:
    """Return at most ``size`` bytes; CorruptError when the data is none of that kind."""
    try:
        if kind == _ZLIB:
            return zlib.decompressobj().decompress(data, size)
        if kind == _ZSTD:
            reader = zstandard.ZstdDecompressor(max_window_size=_WINDOW).stream_reader(data)
            return reader.read(size)
        if kind == _LZO:
            return _unpack_lzo(data, size, sector)
    except (zlib.error, zstandard.ZstdError, _LzoError) as error:
        raise CorruptError(f"btrfs: a compressed extent is damaged: {error}", path=name) from error
    raise UnsupportedError(f"btrfs: compression {kind} is not read", path=name)


class _LzoError(Exception):
    """What is not LZO, or not framed as btrfs does it."""


def _unpack_lzo(data: bytes, size: int, sector: int) -> bytes:
    """Return unpacked segments; each is a sector's, and its length never straddles a sector."""
    from lzallright import LZOCompressor, LZOError

    total = min(int.from_bytes(data[:4], "little"), len(data))
    at, made = 4, bytearray()
    while at + 4 <= total and len(made) < size:
        left = sector - at % sector
        if left < 4:
            at += left
            continue
        length = int.from_bytes(data[at : at + 4], "little")
        segment = data[at + 4 : at + 4 + length]
        if not length or len(segment) < length:
            raise _LzoError("a segment is cut off")
        try:
            made += LZOCompressor.decompress(segment, sector)
        except LZOError as error:
            raise _LzoError(str(error)) from error
        at += 4 + length
    return bytes(made[:size])
