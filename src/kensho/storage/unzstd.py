"""Zstandard (RFC 8878) unpacked from the front, in bounded memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, cast

from kensho.model.errors import CorruptError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from kensho.storage.base import ByteSource

MAGIC = b"\x28\xb5\x2f\xfd"
#: What a file can begin with: a frame, or one to be skipped, as pzstd writes before each.
MAGICS = (MAGIC, *(bytes([first]) + b"\x2a\x4d\x18" for first in range(0x50, 0x60)))
_WINDOW = 1 << 27  # what zstd itself accepts unless told otherwise


def begin_zstd(source: ByteSource) -> Callable[[int], bytes]:
    """Return a function that gives the next bytes, at most so many; nothing at the end.

    It raises CorruptError for damaged data, UnsupportedError for a window of more than 128 MiB. An
    early end is an end: what is inside has to tell.
    """
    import zstandard

    decoder = zstandard.ZstdDecompressor(max_window_size=_WINDOW)
    reader = decoder.stream_reader(
        cast("BinaryIO", _Readable(source)), read_across_frames=True, closefd=False
    )

    def unpack(length: int) -> bytes:
        try:
            return reader.read(length)
        except zstandard.ZstdError as error:
            if "too much memory" in str(error):
                raise UnsupportedError(
                    f"packed with a window of more than {_WINDOW} bytes",
                    path=source.name,
                    hint="unpack it first: unzstd --long=31",
                ) from None
            raise CorruptError(
                f"the Zstandard data are damaged: {error}", path=source.name
            ) from None

    return unpack


class _Readable:
    """As much of a file as zstandard asks for."""

    def __init__(self, source: ByteSource) -> None:
        self._source = source
        self._at = 0

    def read(self, length: int) -> bytes:
        data = self._source.read_at(self._at, min(length, self._source.size - self._at))
        self._at += len(data)
        return data
