"""What a gzip file (RFC 1952) holds, as bytes that come once: for pipes, where `gzip` cannot go back."""

from __future__ import annotations

import gzip
import zlib
from typing import TYPE_CHECKING, BinaryIO, cast

from kensho.model.errors import CorruptError, LimitError
from kensho.storage.pipe import ForwardBytes

if TYPE_CHECKING:
    from collections.abc import Callable


def gunzip(read: Callable[[int], bytes], name: str, limit: int | None = None) -> ForwardBytes:
    """Return what is packed in the bytes that ``read`` gives, at most so many at a time.

    Reading raises CorruptError for damaged data, an early end included, and LimitError when more
    than ``limit`` bytes come out.
    """
    packed = gzip.GzipFile(fileobj=cast("BinaryIO", _Readable(read)), mode="rb")
    made = 0

    def fill(view: memoryview) -> int:
        nonlocal made
        done = 0
        try:
            while done < len(view) and (got := packed.readinto(view[done:])):
                done += got
        except (OSError, EOFError, zlib.error) as error:
            raise CorruptError(f"damaged gzip data: {error}", path=name) from None
        made += done
        if limit is not None and made > limit:
            raise LimitError(
                f"unpacks to more than {limit} bytes, the most that its disk can need", path=name
            )
        return done

    return ForwardBytes(fill, name)


class _Readable:
    """As much of a file as the standard library asks for."""

    __slots__ = ("read",)

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self.read = read
