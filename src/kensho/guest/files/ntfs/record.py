"""Records of the master file table and the attributes in them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from kensho.model.errors import CorruptError

STANDARD, LIST, NAME, VOLUME_NAME, VOLUME_INFO = 0x10, 0x20, 0x30, 0x60, 0x70
DATA, INDEX_ROOT, INDEX_ALLOCATION, REPARSE = 0x80, 0x90, 0xA0, 0xC0
COMPRESSED, ENCRYPTED = 0x0001, 0x4000
_END = 0xFFFF_FFFF
_SECTOR = 512
_IN_USE, _DIRECTORY = 0x1, 0x2
_MAX_CLUSTER = 1 << 56


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute, or a part of one. ``value`` when resident, else ``runs`` from cluster ``first``.

    A run is (first cluster on the volume, None for a hole; clusters). Sizes are bytes.
    """

    type: int
    name: str
    flags: int
    value: bytes | None
    first: int = 0
    runs: tuple[tuple[int | None, int], ...] = ()
    size: int = 0
    initialized: int = 0
    unit: int = 0  #: clusters compressed together


@dataclass(frozen=True, slots=True)
class Record:
    """A record: ``base`` is the number of the record it goes on from, 0 when it is a first one."""

    in_use: bool
    directory: bool
    links: int
    base: int
    attributes: tuple[Attribute, ...]


def fixed(raw: bytes, magic: bytes, name: str, place: int) -> bytes:
    """Return a record with the last bytes of its sectors put back; CorruptError when it is torn."""
    if raw[:4] != magic:
        raise CorruptError(f"NTFS: no {magic.decode()} record here", path=name, offset=place)
    offset, count = struct.unpack_from("<HH", raw, 4)
    if count < 1 or offset + 2 * count > len(raw) or (count - 1) * _SECTOR > len(raw):
        raise CorruptError("NTFS: a record's fixups make no sense", path=name, offset=place)
    mark = raw[offset : offset + 2]
    whole = bytearray(raw)
    for n in range(1, count):
        end = n * _SECTOR - 2
        if raw[end : end + 2] != mark:
            raise CorruptError("NTFS: a record was written by half", path=name, offset=place)
        whole[end : end + 2] = raw[offset + 2 * n : offset + 2 * n + 2]
    return bytes(whole)


def parse_record(raw: bytes, name: str, place: int) -> Record:
    """Return a record, fixups applied; CorruptError when it makes no sense."""
    whole = fixed(raw, b"FILE", name, place)
    links, start, flags = struct.unpack_from("<HHH", whole, 18)
    used = min(struct.unpack_from("<I", whole, 24)[0], len(whole))
    base = struct.unpack_from("<Q", whole, 32)[0] & ((1 << 48) - 1)
    attributes = tuple(_attributes(whole[:used], start, name, place))
    return Record(bool(flags & _IN_USE), bool(flags & _DIRECTORY), links, base, attributes)


def _attributes(raw: bytes, at: int, name: str, place: int) -> Iterator[Attribute]:
    while at + 8 <= len(raw):
        kind, length = struct.unpack_from("<II", raw, at)
        if kind == _END:
            return
        if length < 24 or length % 8 or at + length > len(raw):
            raise CorruptError("NTFS: an attribute makes no sense", path=name, offset=place)
        yield _attribute(raw[at : at + length], kind, name, place)
        at += length


def _attribute(raw: bytes, kind: int, name: str, place: int) -> Attribute:
    away, length, offset, flags = raw[8], raw[9], *struct.unpack_from("<HH", raw, 10)
    word = raw[offset : offset + 2 * length].decode("utf-16-le", "surrogatepass")
    if not away:
        size, start = struct.unpack_from("<IH", raw, 16)
        if start + size > len(raw):
            raise CorruptError("NTFS: an attribute is cut off", path=name, offset=place)
        return Attribute(kind, word, flags, raw[start : start + size], size=size)
    if len(raw) < 64:
        raise CorruptError("NTFS: an attribute is cut off", path=name, offset=place)
    first, _, start, unit = struct.unpack_from("<QQHB", raw, 16)
    _, size, initialized = struct.unpack_from("<QQQ", raw, 40)
    runs = tuple(_runs(raw[start:], name, place))
    return Attribute(
        kind, word, flags, None, first, runs, size, initialized, 1 << unit if 0 < unit < 9 else 0
    )


def _runs(raw: bytes, name: str, place: int) -> Iterator[tuple[int | None, int]]:
    at, cluster = 0, 0
    while at < len(raw) and raw[at]:
        wide, far = raw[at] & 15, raw[at] >> 4
        count = int.from_bytes(raw[at + 1 : at + 1 + wide], "little")
        step = raw[at + 1 + wide : at + 1 + wide + far]
        at += 1 + wide + far
        if at > len(raw) or not 0 < count < _MAX_CLUSTER or wide > 8 or far > 8:
            raise CorruptError("NTFS: a list of runs makes no sense", path=name, offset=place)
        if not far:
            yield None, count
            continue
        cluster += int.from_bytes(step, "little", signed=True)
        if not 0 <= cluster < _MAX_CLUSTER:
            raise CorruptError("NTFS: a run is nowhere", path=name, offset=place)
        yield cluster, count
