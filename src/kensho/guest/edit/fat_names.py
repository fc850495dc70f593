"""Names in FAT: a short one for every file, and entries with the long one before it.

Spec: Microsoft FAT32 File System Specification 1.03 (fatgen103), "Long Directory Entries" and "Name
Generation".
"""

from __future__ import annotations

import struct
from collections.abc import Collection

from kensho.guest.files.fat import short_name
from kensho.model.errors import NoSpaceError, UnsupportedError

_SHORT = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'()-@^_`{}~")
_FORBIDDEN = frozenset('"*/:<>?\\|\x7f') | {chr(code) for code in range(32)}
_LONGEST = 255  #: UTF-16 units
_UNITS = 13  #: of an entry
_LAST, _ATTRIBUTES = 0x40, 0x0F


def entries_of(name: str, taken: Collection[bytes]) -> tuple[list[bytes], bytes]:
    """Return the entries of the long name, in their order, and the 11 bytes of the short one.

    ``taken`` are the short names of the directory. A name that is a short one needs no entries.
    UnsupportedError for what can be no name in FAT.
    """
    try:
        raw = name.encode("utf-16-le")
    except UnicodeEncodeError:
        raise UnsupportedError("is no name in FAT: no Unicode", path=name) from None
    if (
        not name or name in {".", ".."} or name[-1] in " ." or name[0] == " "
        or set(name) & _FORBIDDEN or len(raw) > 2 * _LONGEST
    ):  # fmt: skip
        raise UnsupportedError("is no name in FAT", path=name)
    short = _short(name, taken)
    if short_name(short + bytes(21)) == name:
        return [], short
    return _long(raw, short), short


def _short(name: str, taken: Collection[bytes]) -> bytes:
    stem, _, suffix = name.strip(".").rpartition(".")
    if not stem:
        stem, suffix = suffix, ""
    base, exact_base = _allowed(stem)
    ending, exact_ending = _allowed(suffix)
    whole = base[:8].ljust(8) + ending[:3].ljust(3)
    exact = exact_base and exact_ending and not name.startswith(".")
    if exact and len(base) <= 8 and len(ending) <= 3 and whole not in taken:
        return whole
    for number in range(1, 1_000_000):
        tail = b"~%d" % number
        made = (base[: 8 - len(tail)] + tail).ljust(8) + ending[:3].ljust(3)
        if made not in taken:
            return made
    raise NoSpaceError("no short name is left in its folder", path=name)


def _allowed(part: str) -> tuple[bytes, bool]:
    """Return what a part becomes in a short name, and whether nothing but its case is lost."""
    kept = part.replace(" ", "").replace(".", "")
    made = bytes(ord(c) if c.isascii() and ord(c) in _SHORT else 0x5F for c in kept.upper())
    return made, kept == part and made.decode() == part.upper()


def _long(raw: bytes, short: bytes) -> list[bytes]:
    total = 0
    for byte in short:
        total = ((total & 1) << 7 | total >> 1) + byte & 0xFF
    size = 2 * _UNITS
    if len(raw) % size:
        raw += bytes(2)
        raw += b"\xff" * (-len(raw) % size)
    parts = [raw[at : at + size] for at in range(0, len(raw), size)]
    made = [
        struct.pack(
            "<B10sBBB12sH4s",
            number | (_LAST if number == len(parts) else 0),
            part[:10], _ATTRIBUTES, 0, total, part[10:22], 0, part[22:],
        )
        for number, part in enumerate(parts, 1)
    ]  # fmt: skip
    return made[::-1]
