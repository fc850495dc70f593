"""A CD-ROM image with a few small files: ISO 9660 with Rock Ridge and Joliet.

Source: ECMA-119 (ISO 9660), IEEE P1281 (SUSP) and P1282 (RRIP 1.10), Joliet specification. Written
here because the libraries for it put the time of day into what they write, and a result must be
the same bytes for the same input. One folder, no boot record.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from datetime import UTC, datetime

from kensho.model.errors import UsageError

SECTOR = 2048
MAX_FILES = 16  #: what fits into one sector of either folder
MAX_SIZE = 64 * 1024 * 1024
#: Blanks at the end, as every writer of CDs leaves them: drives and kernels read ahead.
_PAD_SECTORS = 150
_SYSTEM, _FIRST = 16, 18
#: The extension record that names RRIP (P1282 §4.3).
_RRIP = (
    b"RRIP_1991A",
    b"THE ROCK RIDGE INTERCHANGE PROTOCOL PROVIDES SUPPORT FOR POSIX FILE SYSTEM SEMANTICS",
    (
        b"PLEASE CONTACT DISC PUBLISHER FOR SPECIFICATION SOURCE.  SEE PUBLISHER IDENTIFIER IN"
        b" PRIMARY VOLUME DESCRIPTOR FOR CONTACT INFORMATION."
    ),
)


def write_iso(files: Sequence[tuple[str, bytes]], volume: str, timestamp: int = 0) -> bytes:
    """Return the image of a CD-ROM called ``volume`` with these files in its only folder.

    ``timestamp`` (seconds since 1970) is all the time that gets in. Names are what Linux sees by
    Rock Ridge and Windows by Joliet. UsageError for what does not fit.
    """
    names = [name for name, _ in files]
    if len(files) > MAX_FILES or len(set(names)) < len(names):
        raise UsageError(f"{len(files)} files for a CD-ROM: at most {MAX_FILES}, each name once")
    if any(not name or len(name) > 60 or "/" in name or not name.isascii() for name in names):
        raise UsageError(f"not names of files on a CD-ROM: {names}")
    if sum(len(data) for _, data in files) > MAX_SIZE or len(volume) > 16:
        raise UsageError("too much for a CD-ROM of an environment", field=volume)
    when = datetime.fromtimestamp(max(timestamp, 0), UTC)
    tables, root, more, joliet = _FIRST + 1, _FIRST + 5, _FIRST + 6, _FIRST + 7
    start = joliet + 1
    places: dict[str, tuple[int, int]] = {}
    for name, data in files:
        places[name] = (start, len(data))
        start += max(1, _sectors(len(data)))
    total = start + _PAD_SECTORS
    image = bytearray(total * SECTOR)

    def put(sector: int, data: bytes) -> None:
        image[sector * SECTOR : sector * SECTOR + len(data)] = data

    put(_SYSTEM, _descriptor(1, volume.encode(), b"", total, tables, root, when))
    wide = volume.encode("utf-16-be")
    put(_SYSTEM + 1, _descriptor(2, wide, b"%/E", total, tables + 2, joliet, when))
    put(_FIRST, b"\xffCD001\x01")
    for number, folder in enumerate((root, root, joliet, joliet)):
        order = "<" if number % 2 == 0 else ">"
        put(tables + number, struct.pack(f"{order}BBIHBB", 1, 0, folder, 1, 0, 0))
    put(root, _folder(_short_names(names), places, root, more, when))
    put(more, _extension_record())
    put(joliet, _folder({n: f"{n};1".encode("utf-16-be") for n in names}, places, joliet, 0, when))
    for name, data in files:
        put(places[name][0], data)
    return bytes(image)


def _sectors(length: int) -> int:
    return -(-length // SECTOR)


def _both(number: int, size: str = "I") -> bytes:
    """Return a number in both byte orders (ECMA-119 §7.2.3, §7.3.3)."""
    return struct.pack(f"<{size}", number) + struct.pack(f">{size}", number)


def _descriptor(
    kind: int,
    volume: bytes,
    escapes: bytes,
    total: int,
    tables: int,
    root: int,
    when: datetime,
) -> bytes:
    """Return a primary (1) or supplementary (2) volume descriptor (ECMA-119 §8.4, §8.5)."""
    wide = kind == 2

    def text(content: bytes, length: int) -> bytes:
        blank = b"\0 " if wide else b" "
        return (content + blank * length)[:length]

    stamp = f"{when:%Y%m%d%H%M%S}00".encode() + b"\0"
    none = b"0" * 16 + b"\0"
    parts = (
        struct.pack("<B5sBB", kind, b"CD001", 1, 0),
        text(b"", 32),  # system
        text(volume, 32),
        bytes(8),
        _both(total),
        escapes.ljust(32, b"\0"),
        _both(1, "H") + _both(1, "H") + _both(SECTOR, "H"),
        _both(10),  # bytes of a path table with nothing but the root
        struct.pack("<II", tables, 0) + struct.pack(">II", tables + 1, 0),
        _record(b"\0", root, SECTOR, when, folder=True),
        *(text(b"", 128) for _ in range(4)),  # set, publisher, preparer, application
        *(text(b"", 37) for _ in range(3)),  # copyright, abstract, bibliography
        stamp + stamp + none + none,
        b"\x01\0",
    )
    return b"".join(parts).ljust(SECTOR, b"\0")


def _folder(
    names: dict[str, bytes],
    places: dict[str, tuple[int, int]],
    own: int,
    more: int,
    when: datetime,
) -> bytes:
    """Return the sector of a folder; ``more`` is where RRIP is announced, 0 without RRIP."""
    here, up = b"", b""
    if more:
        begin = b"SP" + bytes((7, 1, 0xBE, 0xEF, 0))
        length = len(_extension_record())
        rest = b"CE" + bytes((28, 1)) + _both(more) + _both(0) + _both(length)
        here, up = begin + _posix(folder=True) + rest, _posix(folder=True)
    records = [
        _record(b"\0", own, SECTOR, when, folder=True, more=here),
        _record(b"\x01", own, SECTOR, when, folder=True, more=up),
    ]
    for name, ident in sorted(names.items(), key=lambda pair: pair[1]):
        start, length = places[name]
        extra = b""
        if more:
            extra = _posix(folder=False) + b"NM" + bytes((5 + len(name), 1, 0)) + name.encode()
        records.append(_record(ident, start, length, when, folder=False, more=extra))
    return b"".join(records)


def _record(
    ident: bytes, start: int, length: int, when: datetime, *, folder: bool, more: bytes = b""
) -> bytes:
    """Return a directory record (ECMA-119 §9.1), ``more`` in its system use area."""
    name = ident + (b"" if len(ident) % 2 else b"\0")
    more += b"\0" if len(more) % 2 else b""
    date = bytes((when.year - 1900, when.month, when.day, when.hour, when.minute, when.second, 0))
    body = (
        b"\0"
        + _both(start)
        + _both(length)
        + date
        + bytes((2 if folder else 0, 0, 0))
        + _both(1, "H")
        + bytes((len(ident),))
        + name
        + more
    )
    return bytes((len(body) + 1,)) + body


def _posix(*, folder: bool) -> bytes:
    """Return RRIP's PX: readable by all, for agents of guests need not run as root."""
    mode, links = (0o040555, 2) if folder else (0o100444, 1)
    return b"PX" + bytes((36, 1)) + _both(mode) + _both(links) + _both(0) + _both(0)


def _extension_record() -> bytes:
    lengths = bytes(len(text) for text in _RRIP)
    body = lengths + b"\x01" + b"".join(_RRIP)
    return b"ER" + bytes((4 + len(body), 1)) + body


def _short_names(names: Sequence[str]) -> dict[str, bytes]:
    """Return ISO 9660's level 1 names, eight and three of A-Z, 0-9 and the underscore."""
    short: dict[str, bytes] = {}
    taken: set[bytes] = set()
    for name in names:
        stem, _, suffix = name.upper().partition(".")
        stem, suffix = (re.sub(r"[^A-Z0-9_]", "_", part) for part in (stem, suffix))
        candidate, number = f"{stem[:8]}.{suffix[:3]};1".encode(), 0
        while candidate in taken:
            number += 1
            candidate = f"{stem[:6]}_{number % 10}.{suffix[:3]};1".encode()
        taken.add(candidate)
        short[name] = candidate
    return short
