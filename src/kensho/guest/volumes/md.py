"""Linux software RAID: mirrors read from one of their members.

On-disk format: Linux include/uapi/linux/raid/md_p.h, version 1 (``mdp_superblock_1``). Other levels
and version 0.90 are named and refused.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from kensho.guest.volumes.view import CachedDisk, View, part_of
from kensho.model.errors import CorruptError, UnsupportedError

_MAGIC = 0xA92B4EFC
_SECTOR = 512
_HEAD, _MAX_ROLES = 256, 384
_RECOVERING, _RESHAPING = 0x2, 0x4
_WHOLE = (1 << 64) - 1  #: of resync_offset: all is the same everywhere
_SPARE = 0xFFF0  #: roles from here on are no place in the array: faulty, journal, spare
_LEVELS = {0: "RAID0", 1: "RAID1", 4: "RAID4", 5: "RAID5", 6: "RAID6", 10: "RAID10"}


@dataclass(frozen=True, slots=True)
class Member:
    """A member of an array: where the array's part of it lies on a disk, bytes.

    ``role`` is its place among ``places``; ``synchronous`` tells that no other was behind.
    """

    volume: str
    array: str
    name: str
    level: int
    events: int
    active: bool
    role: int
    places: int
    synchronous: bool
    disk: CachedDisk
    start: int
    size: int


def read_member(volume: View) -> Member:
    """Return what a volume's superblock says.

    CorruptError when it contradicts itself, UnsupportedError for version 0.90.
    """
    late = ((volume.size // _SECTOR - 16) & ~7) * _SECTOR
    for place in (4096, 0, late):
        if 0 <= place <= volume.size - _HEAD - 2 * _MAX_ROLES:
            raw = volume.read(place, _HEAD + 2 * _MAX_ROLES)
            if struct.unpack_from("<II", raw) == (_MAGIC, 1):
                return _member(volume, raw, place)
    raise UnsupportedError(
        "a member of a Linux software RAID of version 0.90, which is not read", path=volume.name
    )


def _member(volume: View, raw: bytes, place: int) -> Member:
    features = struct.unpack_from("<I", raw, 8)[0]
    (level,) = struct.unpack_from("<i", raw, 72)
    start, size, own = struct.unpack_from("<QQQ", raw, 128)
    (number,) = struct.unpack_from("<I", raw, 160)
    (events,) = struct.unpack_from("<Q", raw, 200)
    stored, roles = struct.unpack_from("<II", raw, 216)
    if roles > _MAX_ROLES or _checksum(raw[: _HEAD + 2 * roles]) != stored:
        raise CorruptError(
            "RAID: the superblock's checksum is wrong", path=volume.name, offset=place
        )
    if own * _SECTOR != place or (start + size) * _SECTOR > volume.size or not size:
        raise CorruptError("RAID: the superblock makes no sense", path=volume.name, offset=place)
    role = struct.unpack_from("<H", raw, _HEAD + 2 * number)[0] if number < roles else _SPARE
    name = raw[32:64].partition(b"\0")[0].decode("utf-8", "replace").rpartition(":")[2]
    disk, first = volume.whole()
    array = raw[16:32].hex()
    return Member(
        volume.name, array, name or array, level, events,
        active=role < _SPARE and not features & (_RECOVERING | _RESHAPING),
        role=role,
        places=struct.unpack_from("<I", raw, 92)[0],
        synchronous=struct.unpack_from("<Q", raw, 208)[0] == _WHOLE,
        disk=disk, start=first + start * _SECTOR, size=size * _SECTOR,
    )  # fmt: skip


def mirrors(members: Sequence[Member]) -> tuple[tuple[str, View | None, str], ...]:
    """Return (name, bytes, refusal) of each array; the member that was written to last counts."""
    arrays: dict[str, list[Member]] = {}
    for member in members:
        arrays.setdefault(member.array, []).append(member)
    found: list[tuple[str, View | None, str]] = []
    for parts in arrays.values():
        name, level = parts[0].name, _LEVELS.get(parts[0].level, f"level {parts[0].level}")
        active = [part for part in parts if part.active]
        if parts[0].level != 1:
            found.append((name, None, f"Linux software {level}: mdadm has to assemble it"))
        elif not active:
            found.append((name, None, "Linux software RAID1 without a member in use"))
        else:
            best = max(active, key=lambda part: part.events)
            found.append((name, _view(best, active), ""))
    return tuple(found)


def _view(best: Member, active: Sequence[Member]) -> View:
    """Return the bytes of a mirror; it can be changed when all of its sides are here, and alike."""
    same = [part for part in active if part.events == best.events and part.size == best.size]
    # The superblock says how many there are: their list is made by how many are here.
    roles = sorted(part.role for part in same)
    whole = len(roles) == best.places and roles == list(range(len(roles)))
    if whole and all(part.synchronous for part in same):
        twins = tuple((part.disk, part.start - best.start) for part in same if part is not best)
        disk = best.disk.as_one_of(twins)
    else:
        disk = best.disk.as_copied()
    return part_of(disk, best.start, best.size, f"md/{best.name}")


def _checksum(raw: bytes) -> int:
    """Return md's sum of 32-bit words, the one of itself left out."""
    data = raw[:216] + bytes(4) + raw[220:]
    whole = len(data) // 4
    total: int = sum(struct.unpack_from(f"<{whole}I", data))
    if len(data) % 4:
        total += struct.unpack_from("<H", data, whole * 4)[0]
    return (total & 0xFFFF_FFFF) + (total >> 32) & 0xFFFF_FFFF
