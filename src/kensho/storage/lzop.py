"""lzop's container (``.lzo``) read from the front.

A header of big-endian fields, then blocks of (length, packed length, checksums, data); length 0
ends a file, another may follow. There is no specification: the layout was compared with files of
lzop 1.04 (https://www.lzop.org). LZO1X itself is decoded by lzallright, in safe Rust.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

from kensho.model.errors import CorruptError, LimitError, TruncatedError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from kensho.storage.base import ByteSource

MAGIC = b"\x89LZO\0\r\n\x1a\n"
_U8, _U16, _U32 = struct.Struct(">B"), struct.Struct(">H"), struct.Struct(">I")
_NEW = 0x0940  # versions from here on have the fields marked so
_ADLER_D, _ADLER_C, _EXTRA, _CRC_D, _CRC_C, _FILTER, _CRC_H = (
    0x1, 0x2, 0x40, 0x100, 0x200, 0x800, 0x1000)  # fmt: skip
_METHODS = frozenset({1, 2, 3})  # LZO1X-1, LZO1X-1(15), LZO1X-999: one decoder for all
_MOST_BLOCK = 1 << 20  # lzop makes blocks of 256 KiB
_MOST_EXTRA = 1 << 20


def begin_lzop(source: ByteSource) -> Callable[[int], bytes]:
    """Return a function that gives the next block unpacked, nothing at the end.

    It raises CorruptError, TruncatedError, LimitError for a block larger than 1 MiB and
    UnsupportedError for a method that is not LZO1X.
    """
    reader = _Reader(source)
    return lambda _length: reader.block()


class _Reader:
    """Where in the file we are, and what the last header said of its blocks."""

    def __init__(self, source: ByteSource) -> None:
        self._source = source
        self._at = 0
        self._flags: int | None = None

    def block(self) -> bytes:
        while True:
            if self._flags is None:
                if self._at >= self._source.size and self._at:
                    return b""
                self._flags = self._header()
            length = self._number(_U32)
            if length:
                return self._content(length, self._flags)
            self._flags = None

    def _content(self, length: int, flags: int) -> bytes:
        at = self._at
        packed = self._number(_U32)
        if length > _MOST_BLOCK or packed > length:
            raise LimitError(
                f"a block of {length} bytes, {packed} packed; lzop makes none like that",
                path=self._source.name,
                offset=at,
            )
        adler = self._number(_U32) if flags & _ADLER_D else None
        crc = self._number(_U32) if flags & _CRC_D else None
        if packed < length:  # of the packed bytes; those of what comes out say more
            self._at += 4 * (bool(flags & _ADLER_C) + bool(flags & _CRC_C))
        data = self._take(packed)
        if packed < length:
            data = self._unpacked(data, length, at)
        if adler not in {None, zlib.adler32(data)} or crc not in {None, zlib.crc32(data)}:
            raise CorruptError("a block's checksum is wrong", path=self._source.name, offset=at)
        return data

    def _unpacked(self, data: bytes, length: int, at: int) -> bytes:
        from lzallright import LZOCompressor, LZOError

        try:
            made: bytes = LZOCompressor.decompress(data, length)
        except LZOError as error:
            raise CorruptError(
                f"the LZO data are damaged: {error}", path=self._source.name, offset=at
            ) from None
        if len(made) != length:
            raise CorruptError(
                f"a block has {len(made)} bytes, not {length}", path=self._source.name, offset=at
            )
        return made

    def _header(self) -> int:
        begin = self._at
        if self._take(len(MAGIC)) != MAGIC:
            raise CorruptError("no header of lzop", path=self._source.name, offset=begin)
        version = self._number(_U16)
        self._number(_U16)  # of the library
        if version >= _NEW:
            self._number(_U16)  # the version needed
        method = self._number(_U8)
        if version >= _NEW:
            self._number(_U8)  # the level
        flags = self._number(_U32)
        if flags & _FILTER or method not in _METHODS:
            raise UnsupportedError(
                f"packed by lzop with method {method} and flags {flags:#x}",
                path=self._source.name,
                offset=begin,
                hint="unpack it first: lzop -d",
            )
        self._at += 12 if version >= _NEW else 8  # mode and time
        self._take(self._number(_U8))  # its name
        head = self._source.read_at(begin + len(MAGIC), self._at - begin - len(MAGIC))
        wanted = zlib.crc32(head) if flags & _CRC_H else zlib.adler32(head)
        if self._number(_U32) != wanted:
            raise CorruptError(
                "the checksum of lzop's header is wrong", path=self._source.name, offset=begin
            )
        if flags & _EXTRA:
            self._take(min(self._number(_U32), _MOST_EXTRA) + 4)
        return flags

    def _number(self, layout: struct.Struct) -> int:
        (number,) = layout.unpack(self._take(layout.size))
        return int(number)

    def _take(self, length: int) -> bytes:
        if self._at + length > self._source.size:
            raise TruncatedError(
                "the LZO data end too early", path=self._source.name, offset=self._at
            )
        data = self._source.read_at(self._at, length)
        self._at += length
        return data
