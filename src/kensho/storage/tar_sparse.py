"""Sparse members of tar archives: which parts of a file are stored.

Format: https://www.gnu.org/software/tar/manual/html_node/Sparse-Formats.html, "Old GNU Format" and
"PAX Format, Version 0.1" and "1.0". GNU tar writes the first with ``-S``; bsdtar, which packs
Vagrant's boxes, writes 1.0 of any file with holes.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from kensho.model.errors import CorruptError, LimitError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from kensho.storage.base import ByteSource

BLOCK = 512
PREFIX = "GNU.sparse."
_MOST_PIECES = 1 << 20
_MOST_DIGITS = 20


@dataclasses.dataclass(frozen=True, slots=True)
class SparseMap:
    """``pieces`` are (offset, bytes) of a file of ``size``; what is stored begins at ``offset``."""

    pieces: tuple[tuple[int, int], ...]
    size: int
    offset: int


def number(field: bytes, name: str, position: int, what: str) -> int:
    """Return a header's number: octal digits or GNU's base 256. CorruptError for neither."""
    if field[0] == 0x80:  # GNU base-256
        return int.from_bytes(field[1:], "big")
    text = field.strip(b" \0")
    if not text:
        return 0
    if text.strip(b"01234567"):
        raise CorruptError("not an octal number", path=name, offset=position, field=what)
    return int(text, 8)


def map_of_header(source: ByteSource, header: bytes, stored: int, position: int) -> SparseMap:
    """Return the map of a member of type S, of which ``stored`` bytes are stored.

    4 pairs are in the header, 21 in each block that follows, a flag behind each group says whether
    another one comes. CorruptError, LimitError, TruncatedError.
    """
    name = source.name
    size = number(header[483:495], name, position, "realsize")
    pairs = list(_pairs(header[386:482], name, position))
    more, data = header[482], position + BLOCK
    while more:
        block = source.read_at(data, BLOCK)
        pairs += _pairs(block[:504], name, data)
        more, data = block[504], data + BLOCK
        if data - position > _MOST_PIECES // 21 * BLOCK:
            raise LimitError(f"more than {_MOST_PIECES} parts", path=name, offset=position)
    return SparseMap(_checked(pairs, size, stored, name, position), size, data)


def map_of_records(
    source: ByteSource, records: Mapping[str, str], data: int, stored: int
) -> SparseMap | None:
    """Return the map of a member by its pax records; None when they are of no sparse member.

    The member's ``stored`` bytes are at ``data``. UnsupportedError for version 0.0, which early
    GNU tar wrote; CorruptError, LimitError, TruncatedError.
    """
    name = source.name
    version = (records.get(f"{PREFIX}major", "0"), records.get(f"{PREFIX}minor", "1"))
    if version == ("1", "0"):
        size = _decimal(records.get(f"{PREFIX}realsize", ""), name, data)
        numbers, offset = _numbers_in_front(source, data, stored)
    elif f"{PREFIX}map" in records:
        size = _decimal(records.get(f"{PREFIX}size", ""), name, data)
        text = records[f"{PREFIX}map"]
        numbers, offset = [_decimal(t, name, data) for t in text.split(",") if t], data
    elif any(key.startswith(PREFIX) for key in records):
        raise UnsupportedError("a sparse member of an old version", path=name, offset=data)
    else:
        return None
    if len(numbers) % 2:
        raise CorruptError("a sparse member's map is cut off", path=name, offset=data)
    pairs = list(zip(numbers[::2], numbers[1::2], strict=True))
    left = stored - (offset - data)
    return SparseMap(_checked(pairs, size, left, name, data), size, offset)


def _numbers_in_front(source: ByteSource, data: int, stored: int) -> tuple[list[int], int]:
    """Return the numbers of a map of version 1.0, and where the parts begin behind it."""
    numbers: list[int] = []
    wanted, text, place = 1, b"", data
    while len(numbers) < wanted:
        if place + BLOCK > data + stored:
            raise CorruptError("a sparse member's map is cut off", path=source.name, offset=data)
        *lines, text = (text + source.read_at(place, BLOCK)).split(b"\n")
        place += BLOCK
        for line in lines:
            if len(numbers) < wanted:
                numbers.append(_decimal(line.decode("latin-1"), source.name, data))
                wanted = 1 + 2 * numbers[0]
        if wanted > 2 * _MOST_PIECES:
            raise LimitError(f"more than {_MOST_PIECES} parts", path=source.name, offset=data)
        if len(numbers) < wanted and len(text) > _MOST_DIGITS:
            raise CorruptError("not a number", path=source.name, offset=data, field="sparse map")
    return numbers[1:], place


def _pairs(group: bytes, name: str, position: int) -> Iterator[tuple[int, int]]:
    for at in range(0, len(group), 24):
        if not any(group[at : at + 24]):
            return
        yield (
            number(group[at : at + 12], name, position, "sparse offset"),
            number(group[at + 12 : at + 24], name, position, "sparse length"),
        )


def _checked(
    pairs: Sequence[tuple[int, int]], size: int, stored: int, name: str, position: int
) -> tuple[tuple[int, int], ...]:
    end = 0
    for at, length in pairs:
        if at < end or at + length > size:
            raise CorruptError(
                "a sparse member's parts overlap or are outside", path=name, offset=position
            )
        end = at + length
    if sum(length for _, length in pairs) != stored:
        raise CorruptError("a sparse member's parts are not its size", path=name, offset=position)
    return tuple(pair for pair in pairs if pair[1])


def _decimal(text: str, name: str, position: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < _MOST_DIGITS):
        raise CorruptError("not a number", path=name, offset=position, field="sparse map")
    return int(text)
