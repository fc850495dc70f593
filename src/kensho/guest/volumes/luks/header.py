"""What a LUKS header says: the encrypted segment, the key slots, and how to know the right key."""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from kensho.guest.volumes.view import Readable
from kensho.model.errors import CorruptError, KenshoError, LimitError, UnsupportedError

MAGIC, _SECOND = b"LUKS\xba\xbe", b"SKUL\xba\xbe"
_SECTOR = 512
_ACTIVE, _SLOTS_AT, _SLOT = 0x00AC71F3, 208, 48
#: Where LUKS2 may have its second header, and so how large each may be.
_SIZES = tuple(0x4000 << n for n in range(9))
_HASHES = frozenset({"sha1", "sha256", "sha512", "sha384", "sha224", "ripemd160", "whirlpool"})
_MAX_KEY, _MAX_STRIPES, _MAX_SLOTS = 512, 1 << 14, 64
_MAX_ITERATIONS = 1 << 28
_MAX_MEMORY, _MAX_TIME, _MAX_LANES = 4 << 20, 1 << 10, 64  #: of Argon2: KiB, passes, threads


@dataclass(frozen=True, slots=True)
class Kdf:
    """What makes a key of a passphrase: ``pbkdf2`` with a hash, ``argon2i`` or ``argon2id``."""

    kind: str
    salt: bytes
    hash: str = ""
    iterations: int = 0
    memory: int = 0
    lanes: int = 0


@dataclass(frozen=True, slots=True)
class Slot:
    """A key slot: where the key is, encrypted and split into ``stripes``."""

    kdf: Kdf
    cipher: str
    area: int
    area_key: int
    key: int
    stripes: int
    hash: str


@dataclass(frozen=True, slots=True)
class Luks:
    """A header. ``digest`` is what ``checked`` makes of the right key; ``tweak`` the first sector's number."""

    version: int
    cipher: str
    offset: int
    size: int
    sector: int
    tweak: int
    slots: tuple[Slot, ...]
    checked: Kdf
    digest: bytes


def read_header(view: Readable) -> Luks:
    """Return what the header says; CorruptError, LimitError, UnsupportedError."""
    head = view.read(0, 592)
    if head[:6] == MAGIC and head[6:8] == b"\0\1":
        return _first(head, view)
    return _second(view)


def _first(head: bytes, view: Readable) -> Luks:
    name, mode, digest_hash = (_word(head[at : at + 32]) for at in (8, 40, 72))
    payload, key = struct.unpack_from(">II", head, 104)
    cipher = f"{name}-{mode}"
    slots = []
    for at in range(_SLOTS_AT, _SLOTS_AT + 8 * _SLOT, _SLOT):
        active, iterations = struct.unpack_from(">II", head, at)
        area, stripes = struct.unpack_from(">II", head, at + 40)
        if active == _ACTIVE:
            kdf = _pbkdf2(digest_hash, iterations, head[at + 8 : at + 40])
            slots.append(_slot(kdf, cipher, area * _SECTOR, key, key, stripes, digest_hash, view))
    checked = _pbkdf2(digest_hash, struct.unpack_from(">I", head, 164)[0], head[132:164])
    start = payload * _SECTOR
    if not _SECTOR <= start < view.size:
        raise CorruptError("LUKS: the data are nowhere", path=view.name)
    size = (view.size - start) // _SECTOR * _SECTOR
    return Luks(1, cipher, start, size, _SECTOR, 0, tuple(slots), checked, head[112:132])


def _second(view: Readable) -> Luks:
    found: list[tuple[int, dict[str, Any]]] = []
    for place, magic in ((0, MAGIC), *((size, _SECOND) for size in _SIZES)):
        area = _area(view, place, magic)
        if area is not None:
            found.append(area)
    if not found:
        raise CorruptError("LUKS: no good header", path=view.name, offset=0)
    _, told = max(found, key=lambda pair: pair[0])
    try:
        return _told(told, view)
    except KenshoError:
        raise
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise CorruptError(f"LUKS: the header makes no sense: {error!r}", path=view.name) from None


def _area(view: Readable, place: int, magic: bytes) -> tuple[int, dict[str, Any]] | None:
    """Return the number and the JSON of a copy of the header, None when it is not good."""
    if place + 4096 > view.size:
        return None
    head = view.read(place, 4096)
    version, size, number = struct.unpack_from(">HQQ", head, 6)
    if head[:6] != magic or version != 2 or size not in _SIZES or place + size > view.size:
        return None
    if struct.unpack_from(">Q", head, 256)[0] != place:
        return None
    name = _word(head[72:104])
    raw = view.read(place, size)
    if name not in _HASHES:
        return None
    try:
        made = hashlib.new(name, raw[:448] + bytes(64) + raw[512:]).digest()
    except ValueError:
        return None
    if raw[448 : 448 + len(made)] != made:
        return None
    try:
        told = msgspec.json.decode(raw[4096:].partition(b"\0")[0], type=dict)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return number, told


def _told(told: Mapping[str, Any], view: Readable) -> Luks:
    needed = told["config"].get("requirements", {}).get("mandatory", [])
    if needed:
        raise UnsupportedError(
            f"LUKS with {', '.join(map(str, needed))[:100]} is not read", path=view.name,
            hint="let cryptsetup finish what it began in the guest",
        )  # fmt: skip
    segments = told["segments"]
    if len(segments) != 1:
        raise UnsupportedError("LUKS with several segments is not read", path=view.name)
    ((segment_id, segment),) = segments.items()
    if segment["type"] != "crypt" or "integrity" in segment:
        raise UnsupportedError("LUKS with integrity, or not encrypted, is not read", path=view.name)
    offset, sector = int(segment["offset"]), int(segment["sector_size"])
    left = view.size - offset
    size = left if segment["size"] == "dynamic" else int(segment["size"])
    if sector not in {512, 1024, 2048, 4096} or offset <= 0 or not 0 < size <= left:
        raise CorruptError("LUKS: the data are nowhere", path=view.name)
    digests = [d for d in told["digests"].values() if segment_id in d["segments"]]
    digest = digests[0] if digests else {"type": ""}
    if digest["type"] != "pbkdf2":
        raise UnsupportedError("LUKS: a digest of an unknown kind", path=view.name)
    slots = tuple(
        _slot2(slot, view)
        for name, slot in list(told["keyslots"].items())[:_MAX_SLOTS]
        if name in digest["keyslots"] and slot["type"] == "luks2"
    )
    checked = _pbkdf2(digest["hash"], int(digest["iterations"]), _bytes(digest["salt"]))
    return Luks(
        2, str(segment["encryption"]), offset, size // sector * sector, sector,
        int(segment["iv_tweak"]), slots, checked, _bytes(digest["digest"]),
    )  # fmt: skip


def _slot2(slot: Mapping[str, Any], view: Readable) -> Slot:
    kdf, area, af = slot["kdf"], slot["area"], slot["af"]
    if area["type"] != "raw" or af["type"] != "luks1":
        raise UnsupportedError("LUKS: a key slot of an unknown kind", path=view.name)
    salt = _bytes(kdf["salt"])
    if kdf["type"] == "pbkdf2":
        made = _pbkdf2(kdf["hash"], int(kdf["iterations"]), salt)
    elif kdf["type"] in {"argon2i", "argon2id"}:
        made = Kdf(kdf["type"], salt, "", int(kdf["time"]), int(kdf["memory"]), int(kdf["cpus"]))
        if (
            not 0 < made.iterations <= _MAX_TIME
            or not 0 < made.memory <= _MAX_MEMORY
            or not 0 < made.lanes <= _MAX_LANES
        ):
            raise LimitError("LUKS: a passphrase that costs too much", path=view.name)
    else:
        raise UnsupportedError(f"LUKS: {kdf['type']} is not known", path=view.name)
    return _slot(
        made, str(area["encryption"]), int(area["offset"]), int(area["key_size"]),
        int(slot["key_size"]), int(af["stripes"]), str(af["hash"]), view,
    )  # fmt: skip


def _slot(
    kdf: Kdf,
    cipher: str,
    area: int,
    area_key: int,
    key: int,
    stripes: int,
    name: str,
    view: Readable,
) -> Slot:
    if not 0 < key <= _MAX_KEY or not 0 < area_key <= _MAX_KEY or not 0 < stripes <= _MAX_STRIPES:
        raise LimitError("LUKS: a key slot makes no sense", path=view.name)
    if area < 0 or area + key * stripes > view.size:
        raise CorruptError("LUKS: a key slot is nowhere", path=view.name)
    return Slot(kdf, cipher, area, area_key, key, stripes, name)


def _pbkdf2(name: str, iterations: int, salt: bytes) -> Kdf:
    if not 0 < iterations <= _MAX_ITERATIONS:
        raise LimitError("LUKS: a passphrase that costs too much")
    return Kdf("pbkdf2", salt, name, iterations)


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _word(raw: bytes) -> str:
    return raw.partition(b"\0")[0].decode("ascii", "replace")
