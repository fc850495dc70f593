"""Where logical addresses lie on the device: chunks."""

from __future__ import annotations

import bisect
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from kensho.guest.files.btrfs.superblock import Superblock
from kensho.guest.volumes.view import Readable
from kensho.model.errors import CorruptError, UnsupportedError

_KEY, _HEAD, _STRIPE = 17, 48, 32
_RAID0, _RAID10, _RAID56 = 1 << 3, 1 << 6, 3 << 7
_MAX_STRIPES = 1024


@dataclass(frozen=True, slots=True)
class _Chunk:
    """``stripes`` are (device, byte there); ``copies`` of them hold the same."""

    start: int
    length: int
    type: int
    stripe: int
    copies: int
    stripes: tuple[tuple[int, int], ...]


@dataclass(slots=True)
class Chunks:
    """The chunks of a file system, looked up by logical address."""

    view: Readable
    sb: Superblock
    _chunks: list[_Chunk] = field(default_factory=list)
    _starts: list[int] = field(default_factory=list)

    def add(self, start: int, raw: bytes) -> int:
        """Add a chunk by its item; return how long that is. CorruptError when it makes no sense."""
        if len(raw) < _HEAD:
            raise CorruptError("btrfs: a chunk is cut off", path=self.view.name)
        length, _, stripe, kind = struct.unpack_from("<4Q", raw)
        count, copies = struct.unpack_from("<HH", raw, 44)
        end: int = _HEAD + count * _STRIPE
        if not 0 < count <= _MAX_STRIPES or len(raw) < end or not length or stripe < 4096:
            raise CorruptError("btrfs: a chunk makes no sense", path=self.view.name)
        stripes = tuple(struct.unpack_from("<QQ", raw, at) for at in range(_HEAD, end, _STRIPE))
        if kind & _RAID10 and (not copies or count % copies):
            raise CorruptError("btrfs: a chunk makes no sense", path=self.view.name)
        at = bisect.bisect_left(self._starts, start)
        if at == len(self._starts) or self._starts[at] != start:
            self._starts.insert(at, start)
            self._chunks.insert(at, _Chunk(start, length, kind, stripe, copies, stripes))
        return end

    def copies(self, address: int, length: int) -> Iterator[bytes]:
        """Yield the bytes of each copy there is on this device; at least one, or an error."""
        most = 1
        number = 0
        while number < most:
            parts, at, rest = [], address, length
            while rest:
                places, run = self._places(at)
                take = min(run, rest)
                most = max(most, len(places))
                parts.append(self.view.read(places[min(number, len(places) - 1)], take))
                at += take
                rest -= take
            yield b"".join(parts)
            number += 1

    def read(self, address: int, length: int) -> bytes:
        """Return bytes by their logical address."""
        return next(self.copies(address, length))

    def _places(self, address: int) -> tuple[list[int], int]:
        """Return where an address lies on this device, and how many bytes lie together there."""
        index = bisect.bisect_right(self._starts, address) - 1
        chunk = self._chunks[index] if index >= 0 else None
        if chunk is None or address >= chunk.start + chunk.length:
            raise CorruptError(f"btrfs: address {address:#x} is in no chunk", path=self.view.name)
        within = address - chunk.start
        if chunk.type & _RAID56:
            raise UnsupportedError("btrfs: RAID5 and RAID6 are not read", path=self.view.name)
        if not chunk.type & (_RAID0 | _RAID10):
            stripes, at, run = chunk.stripes, within, chunk.length - within
        else:
            copies = chunk.copies if chunk.type & _RAID10 else 1
            row, into = divmod(within, chunk.stripe)
            turn, leg = divmod(row, len(chunk.stripes) // copies)
            stripes = chunk.stripes[leg * copies : (leg + 1) * copies]
            at, run = turn * chunk.stripe + into, min(chunk.stripe - into, chunk.length - within)
        places = [place + at for device, place in stripes if device == self.sb.device]
        if not places:
            raise UnsupportedError(
                f"btrfs: a part of it is on another of its {self.sb.devices} devices",
                path=self.view.name, hint="mount it and copy the files",
            )  # fmt: skip
        return places, run


def system_chunks(view: Readable, sb: Superblock) -> Chunks:
    """Return the chunks that the superblock lists: those the tree of all others is in."""
    chunks = Chunks(view, sb)
    at = 0
    while at + _KEY + _HEAD <= len(sb.chunks):
        start = struct.unpack_from("<Q", sb.chunks, at + 9)[0]
        at += _KEY + chunks.add(start, sb.chunks[at + _KEY :])
    return chunks
