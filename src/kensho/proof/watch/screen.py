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


class Look(enum.StrEnum):
    """What a screen looks like."""

    BLANK = "blank"  #: one colour
    STOPPED = "stopped"  #: the blue of Windows' stop screens, with writing on it
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
    return Look.TEXT if _near(colour, (0, 0, 0)) and len(count) <= 64 else Look.PICTURE


def _near(colour: bytes, wanted: tuple[int, int, int]) -> bool:
    return all(abs(a - b) <= _NEAR for a, b in zip(colour, wanted, strict=True))


def text_of(memory: bytes) -> tuple[str, ...]:
    """Return the lines of a text screen, empty ones at the end left out; none for what is no text."""
    characters = memory[:TEXT_SIZE:2].decode("cp437")
    lines = [characters[at : at + 80].replace("\0", " ").rstrip() for at in range(0, 2000, 80)]
    while lines and not lines[-1]:
        lines.pop()
    return tuple(lines)
