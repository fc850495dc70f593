"""A guest's screen: pictures of it, its text mode, and what can be told without reading.

Pictures are QEMU's (`screendump`, in PPM). Text mode is read from where a VGA adapter keeps it, exactly
(IBM VGA Technical Reference: 80 by 25 pairs of character and attribute at B8000h).
"""

from __future__ import annotations

import enum
import re
import struct
import zlib
from collections import Counter
from dataclasses import dataclass

from kensho.model.errors import CorruptError, LimitError

TEXT_AT, TEXT_SIZE = 0xB8000, 80 * 25 * 2
_MOST_PIXELS = 4096 * 4096
_HEAD = re.compile(rb"P6\s+(?:#[^\n]*\n)?(\d{1,5})\s+(\d{1,5})\s+(\d{1,5})\s")
_STEP = 7  #: every so many pixels are looked at: odd, so that columns take turns
_MOSTLY = 0.6
#: Windows' stop screens: 8 and later, 7 and before; a little of them varies with the colour depth.
_STOP_BLUES = ((0x00, 0x78, 0xD7), (0x11, 0x73, 0xAA), (0x00, 0x00, 0x80), (0x00, 0x00, 0xAA))
_NEAR = 24
_DARK, _BRIGHT = 0.9, 64  #: how much of the screen is black, and how bright writing is
#: Windows 11's since 24H2 (KB5062660): black, its sentence in the middle, the stop code at the bottom; parts of
#: the height, and of the width that the writing has there. By published pictures, none of them our own.
_EMPTY, _SENTENCE, _CODE, _WIDE = 0.25, (0.3, 0.65), (0.75, 0.99), 0.12


class Look(enum.StrEnum):
    """What a screen looks like."""

    BLANK = "blank"  #: one colour
    STOPPED = "stopped"  #: the blue of Windows' stop screens, with writing on it
    DARK = "dark"  #: what Windows 11's black stop screen looks like, and other things may
    TEXT = "text"  #: writing on black
    PICTURE = "picture"


@dataclass(frozen=True, slots=True)
class Picture:
    """``pixels`` are three bytes each: red, green, blue; row after row."""

    width: int
    height: int
    pixels: bytes


def read_ppm(data: bytes) -> Picture:
    """Read a PPM (P6) with 8 bits a colour. LimitError above 16 million pixels, CorruptError."""
    match = _HEAD.match(data)
    if match is None or match[3] != b"255":
        raise CorruptError("is no picture in PPM")
    width, height = int(match[1]), int(match[2])
    if width * height > _MOST_PIXELS:
        raise LimitError(f"a picture of {width} by {height}")
    pixels = data[match.end() : match.end() + width * height * 3]
    if len(pixels) < width * height * 3 or not pixels:
        raise CorruptError("a picture in PPM ends early")
    return Picture(width, height, pixels)


def to_png(picture: Picture) -> bytes:
    """Return a picture as PNG (ISO/IEC 15948), the same bytes for the same picture."""
    row = picture.width * 3
    lines = b"".join(
        b"\0" + picture.pixels[at : at + row] for at in range(0, len(picture.pixels), row)
    )
    head = struct.pack(">IIBBBBB", picture.width, picture.height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(lines, 6)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


def look_of(picture: Picture) -> Look:
    """Tell what a screen looks like by its colours alone."""
    pixels = picture.pixels
    count = Counter(pixels[at : at + 3] for at in range(0, len(pixels), 3 * _STEP))
    total = count.total()
    colour, most = count.most_common(1)[0]
    if most == total:
        return Look.BLANK
    if most < total * _MOSTLY:
        return Look.PICTURE
    if any(_near(colour, blue) for blue in _STOP_BLUES):
        return Look.STOPPED
    if _near(colour, (0, 0, 0)) and most >= total * _DARK and _is_dark_stop(picture, count):
        return Look.DARK
    return Look.TEXT if _near(colour, (0, 0, 0)) and len(count) <= 64 else Look.PICTURE


def _is_dark_stop(picture: Picture, count: Counter[bytes]) -> bool:
    if any(max(colour) - min(colour) > _NEAR for colour in count):
        return False  # a logo, say
    ink = [
        divmod(at // 3, picture.width)
        for at in range(0, len(picture.pixels), 3 * _STEP)
        if picture.pixels[at] > _BRIGHT
    ]
    parts = [(y / picture.height, x / picture.width) for y, x in ink]
    if any(y < _EMPTY for y, _ in parts):
        return False  # a text screen begins at its top
    for first, last in (_SENTENCE, _CODE):
        across = [x for y, x in parts if first <= y <= last]
        if not across or max(across) - min(across) < _WIDE:
            return False  # nothing, or what turns while Windows starts
        if abs(max(across) + min(across) - 1) > 0.2:
            return False  # not in the middle
    return True


def _near(colour: bytes, wanted: tuple[int, int, int]) -> bool:
    return all(abs(a - b) <= _NEAR for a, b in zip(colour, wanted, strict=True))


def text_of(memory: bytes) -> tuple[str, ...]:
    """Return the lines of a text screen, empty ones at the end left out; none for what is no text."""
    characters = memory[:TEXT_SIZE:2].decode("cp437")
    lines = [characters[at : at + 80].replace("\0", " ").rstrip() for at in range(0, 2000, 80)]
    while lines and not lines[-1]:
        lines.pop()
    return tuple(lines)
