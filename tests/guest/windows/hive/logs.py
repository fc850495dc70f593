"""Transaction logs made for the tests, after the specification's text."""

from __future__ import annotations

import struct

from kensho.guest.windows.hive._structs import BASE_SIZE, checksum
from kensho.guest.windows.hive.marvin import marvin32

PAGE = 4096


def make_dirty(before: bytes) -> bytes:
    """Return the hive as a crash leaves it: the first number counted up, the second not."""
    data = bytearray(before)
    (sequence,) = struct.unpack_from("<I", data, 4)
    struct.pack_into("<I", data, 4, sequence + 1)
    struct.pack_into("<I", data, 508, checksum(data))
    return bytes(data)


def log_base(hive: bytes, kind: int, sequence: int) -> bytes:
    """Return the first sector of a log."""
    base = bytearray(hive[:512])
    struct.pack_into("<II", base, 4, sequence, sequence)
    struct.pack_into("<I", base, 28, kind)
    struct.pack_into("<I", base, 508, checksum(base))
    return bytes(base)


def changed_pages(before: bytes, after: bytes) -> list[int]:
    """Return the offsets in the bins of the pages that differ."""
    return [
        at
        for at in range(0, len(after) - BASE_SIZE, PAGE)
        if after[BASE_SIZE + at :][:PAGE] != before[BASE_SIZE + at :][:PAGE]
    ]


def new_log(before: bytes, after: bytes, sequence: int) -> bytes:
    """Return a log of Windows 8.1 and later with one entry that makes ``after`` of ``before``."""
    pages = changed_pages(before, after)
    references = b"".join(struct.pack("<II", at, PAGE) for at in pages)
    body = references + b"".join(after[BASE_SIZE + at :][:PAGE] for at in pages)
    size = -(-(40 + len(body)) // 512) * 512
    body = body.ljust(size - 40, b"\0")
    bins_size = len(after) - BASE_SIZE
    head = struct.pack(
        "<4sIIIIIQ", b"HvLE", size, 0, sequence, bins_size, len(pages), marvin32(body)
    )
    return log_base(after, 6, sequence) + head + struct.pack("<Q", marvin32(head)) + body


def old_log(before: bytes, after: bytes) -> bytes:
    """Return a log of Windows up to 8: a bitmap and the sectors."""
    bins_size = len(after) - BASE_SIZE
    bitmap = bytearray(bins_size // 512 // 8)
    sectors = []
    for at in changed_pages(before, after):
        bitmap[at // PAGE] = 0xFF
        sectors.append(after[BASE_SIZE + at :][:PAGE])
    vector = b"DIRT" + bytes(bitmap)
    vector = vector.ljust(-(-len(vector) // 512) * 512, b"\0")
    (sequence,) = struct.unpack_from("<I", after, 4)
    return log_base(after, 1, sequence) + vector + b"".join(sectors)
