"""Deflate and zstd with the fastest library at hand, the standard library otherwise.

All functions release the GIL while they work. Decompression is bounded by the
size expected: a bomb costs no more than one block.
"""

from __future__ import annotations

import functools
import importlib
import threading
import zlib
from collections.abc import Callable
from typing import Any, TypeAlias, cast

from kensho.model.errors import UnsupportedError, UsageError
from kensho.storage.base import ReadBuffer


def _optional(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:  # pragma: no cover - wheels exist for all supported platforms
        return None


_libdeflate = _optional("deflate")
_isal = _optional("isal.isal_zlib")

Compressor: TypeAlias = Callable[[ReadBuffer], bytes | bytearray]

COMPRESSIONS = ("fast", "balanced", "small")
#: isal level 1 is twice as fast as libdeflate 1, whose output is 2 % smaller; 6 is the smallest sane.
_LIBDEFLATE_LEVEL = {"balanced": 1, "small": 6}
_ZLIB_LEVEL = {"fast": 1, "balanced": 3, "small": 6}
_ZSTD_LEVEL = {"fast": 1, "balanced": 3, "small": 9}


class DamagedDataError(Exception):
    """Compressed data do not decode to what was expected; callers add the place."""


def zlib_compressor(compression: str) -> Compressor:
    """Return a function that makes a zlib stream; UsageError for an unknown ``compression``."""
    _check(compression)
    if compression == "fast" and _isal is not None:
        return cast("Compressor", functools.partial(_isal.compress, level=1))
    if compression != "fast" and _libdeflate is not None:
        level = _LIBDEFLATE_LEVEL[compression]
        return lambda data: cast("bytearray", _libdeflate.zlib_compress(data, level))
    return functools.partial(zlib.compress, level=_ZLIB_LEVEL[compression])


def window_4k_compressor(compression: str) -> Compressor:
    """Return a function that makes raw deflate data with a window of 4 KiB, as QCOW2 demands."""
    _check(compression)
    if _isal is not None:
        level = {"fast": 1, "balanced": 3, "small": 3}[compression]
        return cast("Compressor", functools.partial(_isal.compress, level=level, wbits=-12))
    return functools.partial(zlib.compress, level=_ZLIB_LEVEL[compression], wbits=-12)


def zstd_compressor(compression: str) -> Compressor:
    """Return a function that makes a zstd frame that states the size of its content."""
    _check(compression)
    level = _ZSTD_LEVEL[compression]

    def compress(data: ReadBuffer) -> bytes:
        encoders = _local.__dict__.setdefault("encoders", {})
        if level not in encoders:
            encoders[level] = _zstandard().ZstdCompressor(level=level)
        return cast("bytes", encoders[level].compress(data))

    return compress


def inflate_zlib(data: ReadBuffer, size: int) -> bytes | bytearray:
    """Decode a zlib stream of at most ``size`` bytes and verify its Adler-32.

    DamagedDataError if it is damaged or longer; it may be shorter.
    """
    if _libdeflate is not None:
        try:
            out = _libdeflate.zlib_decompress(data, size)
        except _libdeflate.DeflateError:
            raise DamagedDataError("damaged zlib stream") from None
        # The binding does not say how much it wrote. The checksum at the end of the stream,
        # which covers exactly what was written, only matches if that is all of ``out``.
        if len(data) >= 4 and _libdeflate.adler32(out) == int.from_bytes(data[-4:], "big"):
            return cast("bytearray", out)
    return _inflate(zlib, data, size, 15)[0]


def inflate_raw(data: ReadBuffer, size: int) -> tuple[bytes, int]:
    """Decode raw deflate data of exactly ``size`` bytes; return them and how many bytes they took."""
    out, used = _inflate(_isal or zlib, data, size, -15)
    if len(out) != size:
        raise DamagedDataError(f"{len(out)} bytes instead of {size}")
    return out, used


def zlib_to_raw(data: ReadBuffer) -> ReadBuffer:
    """Return the raw deflate data within a zlib stream, which is not looked at."""
    if len(data) < 6 or data[0] & 15 != 8 or data[1] & 32 or (data[0] << 8 | data[1]) % 31:
        raise DamagedDataError("no zlib stream")
    return memoryview(data)[2:-4]


def raw_to_zlib(data: ReadBuffer, content: ReadBuffer) -> bytes:
    """Return raw deflate data, whose content is given, as a zlib stream."""
    checksum = (_libdeflate or zlib).adler32(content)
    return b"".join((b"\x78\x01", data, checksum.to_bytes(4, "big")))


def unzstd(data: ReadBuffer, size: int) -> bytes:
    """Decode a zstd frame of exactly ``size`` bytes; what follows the frame is ignored."""
    decoder, error_type = _zstd_decoder()
    try:
        with decoder.stream_reader(data) as stream:  # bounded, unlike decompressobj
            out = cast("bytes", stream.read(size + 1))
    except error_type:
        raise DamagedDataError("damaged zstd frame") from None
    if len(out) != size:
        raise DamagedDataError(f"{len(out)} bytes instead of {size}")
    return out


def _inflate(module: Any, data: ReadBuffer, size: int, wbits: int) -> tuple[bytes, int]:
    decoder = module.decompressobj(wbits)
    try:
        out = decoder.decompress(data, size)
        # At the limit the decoder may not have seen the end yet; one more byte tells.
        if not decoder.eof and decoder.decompress(decoder.unconsumed_tail, 1):
            raise DamagedDataError(f"more than {size} bytes")
    except _INFLATE_ERRORS:
        raise DamagedDataError("damaged deflate data") from None
    if not decoder.eof:
        raise DamagedDataError("deflate data end early")
    return cast("bytes", out), len(data) - len(decoder.unused_data)


_INFLATE_ERRORS: tuple[type[Exception], ...] = (
    (zlib.error,) if _isal is None else (zlib.error, _isal.error)
)
_local = threading.local()  # zstd contexts must not be shared between threads


def _zstandard() -> Any:
    try:
        import zstandard
    except ImportError:  # pragma: no cover
        raise UnsupportedError(
            "zstd-compressed clusters need the zstandard package", hint="pip install zstandard"
        ) from None
    return zstandard


def _zstd_decoder() -> tuple[Any, type[Exception]]:
    zstandard = _zstandard()
    if not hasattr(_local, "decoder"):
        _local.decoder = zstandard.ZstdDecompressor(max_window_size=1 << 23)
    return _local.decoder, zstandard.ZstdError


def _check(compression: str) -> None:
    if compression not in COMPRESSIONS:
        known = ", ".join(COMPRESSIONS)
        raise UsageError(f"no compression {compression!r}", hint=f"known: {known}")
