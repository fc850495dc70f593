"""What sources of bytes share: bounds, reads into new memory, and one extent for all there is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kensho.model.errors import TruncatedError
from kensho.model.extent import Extent, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kensho.storage.base import ByteSource


def check_range(name: str, size: int, offset: int, length: int) -> None:
    """Raise TruncatedError unless ``length`` bytes from ``offset`` lie within ``size``."""
    if offset < 0 or length < 0 or offset + length > size:
        raise TruncatedError(
            f"{length} bytes wanted here, but the file has only {size}", path=name, offset=offset
        )


def read_new(source: ByteSource, offset: int, length: int) -> bytes:
    """Return the bytes as new memory, taken only when they are there; else TruncatedError."""
    check_range(source.name, source.size, offset, length)
    buffer = bytearray(length)
    source.read_into(offset, buffer)
    return bytes(buffer)


def all_data(size: int, start: int, end: int | None) -> Iterator[Extent]:
    """Yield the range of a source that knows no holes as one DATA extent."""
    end = size if end is None else min(end, size)
    if start < end:
        yield Extent(start, end - start, Kind.DATA, 0, start)
