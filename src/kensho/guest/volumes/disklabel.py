"""BSD disklabels: the partitions within a slice of an MBR, or of a whole disk.

Spec: FreeBSD sys/sys/disklabel.h, OpenBSD sys/sys/disklabel.h (version 1 has 48 bits for sectors),
NetBSD sys/sys/disklabel.h. FreeBSD's offsets count from where partition c begins, the others' from
the beginning of the disk.
"""

from __future__ import annotations

import functools
import operator
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from kensho.guest.volumes.view import Readable

_MAGIC = 0x82564557
_PLACES = (512, 0, 64, 128)  #: of a slice: x86 has it in the second sector
_AT, _ENTRY, _MOST = 148, 16, 22
_RAW = 2  #: partition c: the slice, or on OpenBSD the disk
_UNUSED = 0
#: Types of partitions that have a label within: in an MBR, in a GPT.
SLICES = {
    "a5": "freebsd",
    "a6": "openbsd",
    "a9": "netbsd",
    "516e7cb4-6ecf-11d6-8ff8-00022d09712b": "freebsd",
    "824cc7a0-36a8-11e3-890a-952519ad3f61": "openbsd",
}


@dataclass(frozen=True, slots=True)
class Labelled:
    """A partition of a label: its letter, and where it is within the slice, in bytes."""

    letter: str
    start: int
    size: int


def read_disklabel(slice_: Readable, system: str, slice_start: int) -> tuple[Labelled, ...]:
    """Return the partitions in a slice that are in use; none when there is no label.

    ``slice_start`` is the byte of the disk that the slice begins at. Partitions that do not lie
    within the slice are left out: those are other slices, which are seen by themselves.
    """
    for place in _PLACES:
        if place + 1024 <= slice_.size:
            raw = slice_.read(place, 1024)
            if _is_label(raw):
                return tuple(_within(raw, system, slice_start, slice_.size))
    return ()


def _is_label(raw: bytes) -> bool:
    first, second = struct.unpack_from("<I", raw)[0], struct.unpack_from("<I", raw, 132)[0]
    (count,) = struct.unpack_from("<H", raw, 138)
    if first != _MAGIC or second != _MAGIC or count > _MOST:
        return False
    words = struct.unpack_from(f"<{(_AT + count * _ENTRY) // 2}H", raw)
    return functools.reduce(operator.xor, words, 0) == 0


def _within(raw: bytes, system: str, slice_start: int, size: int) -> Iterator[Labelled]:
    (sector,) = struct.unpack_from("<I", raw, 40)
    (count,) = struct.unpack_from("<H", raw, 138)
    if sector not in {512, 1024, 2048, 4096}:
        return
    entries = [_entry(raw, _AT + n * _ENTRY, system) for n in range(count)]
    base = slice_start // sector
    if system == "freebsd":
        base = entries[_RAW][0] if count > _RAW else 0
    for number, (offset, sectors, kind) in enumerate(entries):
        start, length = (offset - base) * sector, sectors * sector
        whole = system == "freebsd" and number == _RAW
        if kind == _UNUSED or whole or not length:
            continue
        if start >= 0 and start + length <= size:
            yield Labelled(chr(ord("a") + number), start, length)


def _entry(raw: bytes, at: int, system: str) -> tuple[int, int, int]:
    """Return offset and sectors, and the type of a file system."""
    sectors, offset, low, high, kind = struct.unpack_from("<IIHHB", raw, at)
    if system == "openbsd":
        return offset | low << 32, sectors | high << 32, kind
    return offset, sectors, kind
