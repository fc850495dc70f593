"""The superblock, the best of its copies, and the checksums of blocks."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable
from dataclasses import dataclass

import google_crc32c
import xxhash

from kensho.guest.volumes.view import Readable
from kensho.model.errors import CorruptError, UnsupportedError

_PLACES = (64 << 10, 64 << 20, 256 << 30)
_SIZE = 4096
_MAGIC = b"_BHRfS_M"
_CHUNKS_AT, _MAX_CHUNKS = 0x32B, 2048
#: All but RAID stripe trees, zones and extent tree v2; RAID5 and 6 are refused chunk by chunk.
_READ = 0xFFF | 1 << 16
_METADUMP = 3 << 33
_CHECKSUMS: dict[int, tuple[str, Callable[[bytes], bytes]]] = {
    0: ("crc32c", lambda data: google_crc32c.value(data).to_bytes(4, "little")),
    1: ("xxhash", lambda data: xxhash.xxh64(data).intdigest().to_bytes(8, "little")),
    2: ("sha256", lambda data: hashlib.sha256(data).digest()),
    3: ("blake2", lambda data: hashlib.blake2b(data, digest_size=32).digest()),
}


@dataclass(frozen=True, slots=True)
class Superblock:
    """What reading takes. ``root`` and ``chunk_root`` are (logical address, level) of trees."""

    generation: int
    root: tuple[int, int]
    chunk_root: tuple[int, int]
    log: bool
    root_directory: int
    devices: int
    device: int
    node: int
    sector: int
    chunks: bytes
    checksum: Callable[[bytes], bytes]

    def good(self, block: bytes) -> bool:
        """Tell whether the checksum in front of a block is that of the rest."""
        made = self.checksum(block[32:])
        return block[: len(made)] == made


def read_superblock(view: Readable) -> Superblock:
    """Return the newest good copy; CorruptError, UnsupportedError when there is none to be read."""
    found = [
        copy
        for place in _PLACES
        if place + _SIZE <= view.size and (copy := _copy(view.read(place, _SIZE), place, view.name))
    ]
    if not found:
        raise CorruptError("no good superblock of btrfs", path=view.name, offset=_PLACES[0])
    return max(found, key=lambda copy: copy.generation)


def _copy(raw: bytes, place: int, name: str) -> Superblock | None:
    bytenr, flags = struct.unpack_from("<QQ", raw, 0x30)
    if raw[0x40:0x48] != _MAGIC or bytenr != place:
        return None
    generation, root, chunk_root, log = struct.unpack_from("<4Q", raw, 0x48)
    _, _, directory, devices, sector, node, _, _, chunks = struct.unpack_from(
        "<QQQQIIIII", raw, 0x70
    )
    (incompat,) = struct.unpack_from("<Q", raw, 0xBC)
    kind, root_level, chunk_level = struct.unpack_from("<HBB", raw, 0xC4)
    if kind not in _CHECKSUMS or incompat & ~_READ or flags & _METADUMP:
        raise UnsupportedError(
            f"btrfs with features {incompat:#x} and checksums {kind} is not read", path=name,
            hint="mount it and copy the files",
        )  # fmt: skip
    checksum = _CHECKSUMS[kind][1]
    made = checksum(raw[32:])
    if raw[: len(made)] != made:
        return None
    sane = (
        4096 <= sector <= 65536
        and not sector & (sector - 1)
        and sector <= node <= 65536
        and not node & (node - 1)
        and chunks <= _MAX_CHUNKS
        and max(root_level, chunk_level) < 8
        and devices
    )
    if not sane:
        raise CorruptError("btrfs: the superblock makes no sense", path=name, offset=place)
    return Superblock(
        generation, (root, root_level), (chunk_root, chunk_level), bool(log), directory, devices,
        struct.unpack_from("<Q", raw, 0xC9)[0], node, sector,
        raw[_CHUNKS_AT : _CHUNKS_AT + chunks], checksum,
    )  # fmt: skip
