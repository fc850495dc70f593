"""The journal of ext3 and ext4, replayed in memory: committed changes laid over the volume.

Spec: Linux Documentation/filesystems/ext4/journal.rst (JBD2, big endian). Nothing is written. What
was committed counts, what was begun and not committed does not, as when Linux mounts the volume.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from kensho.guest.files.ext.inode import Inode, runs
from kensho.guest.files.ext.superblock import Superblock, crc32c
from kensho.guest.volumes.view import Readable
from kensho.model.errors import CorruptError, LimitError, UnsupportedError

_MAGIC = 0xC03B3998
_MAGIC_BYTES = _MAGIC.to_bytes(4, "big")
_DESCRIPTOR, _COMMIT, _SUPER_V1, _SUPER_V2, _REVOKE = 1, 2, 3, 4, 5
_BIT64, _ASYNC, _CSUM_V2, _CSUM_V3, _FAST = 0x2, 0x4, 0x8, 0x10, 0x20
_KNOWN = 0x1 | _BIT64 | _ASYNC | _CSUM_V2 | _CSUM_V3 | _FAST
_ESCAPED, _SAME_UUID, _LAST = 0x1, 0x2, 0x8
_FAST_BLOCKS = 256
_FAST_HEAD = 9
_MAX_BLOCKS = 1 << 24


@dataclass(frozen=True, slots=True)
class _Log:
    """The journal: ``blocks`` are its places on the volume, from ``first`` to ``last`` in a ring."""

    view: Readable
    block: int
    blocks: tuple[int, ...]
    first: int
    last: int
    sequence: int
    start: int
    features: int
    seed: int

    def read(self, number: int) -> bytes:
        return self.view.read(self.blocks[number] * self.block, self.block)

    def after(self, number: int, steps: int = 1) -> int:
        return self.first + (number - self.first + steps) % (self.last - self.first)


@dataclass(frozen=True, slots=True)
class _Tag:
    """A block of the volume, its new content's place in the journal, and its checksum."""

    block: int
    place: int
    escaped: bool
    checksum: int


class Replayed:
    """A volume as it is when its journal is replayed; fits where a `View` does."""

    def __init__(
        self,
        view: Readable,
        block: int,
        changed: Mapping[int, tuple[int, bool]],
        *,
        whole: bool = True,
    ) -> None:
        self.whole = (
            whole  #: False when there are fast commits behind the journal's, which are not replayed
        )
        self.name = view.name
        self.size = view.size
        self._view = view
        self._block = block
        self._changed = changed

    @property
    def blocks(self) -> frozenset[int]:
        """The blocks of the volume that the journal has newer ones of."""
        return frozenset(self._changed)

    def read(self, offset: int, length: int) -> bytes:
        """Return exactly ``length`` bytes, those of the journal where it has newer ones."""
        data = self._view.read(offset, length)
        first, last = offset // self._block, (offset + length - 1) // self._block
        if not any(block in self._changed for block in range(first, last + 1)):
            return data
        merged = bytearray(data)
        for block in range(first, last + 1):
            if block in self._changed:
                start = block * self._block
                new = self._new(block)
                low, high = max(start, offset), min(start + self._block, offset + length)
                merged[low - offset : high - offset] = new[low - start : high - start]
        return bytes(merged)

    def _new(self, block: int) -> bytes:
        place, escaped = self._changed[block]
        data = self._view.read(place * self._block, self._block)
        return _MAGIC_BYTES + data[4:] if escaped else data


def replay(view: Readable, sb: Superblock, journal: Inode) -> Replayed:
    """Return the volume with its journal's committed changes laid over it.

    CorruptError when the journal contradicts itself or a checksum, UnsupportedError for features
    that change what it means.
    """
    log = _open(view, sb, journal)
    changed: dict[int, tuple[int, bool]] = {}
    following = log.sequence
    if log.start:
        transactions = list(_committed(log))
        revoked: dict[int, int] = {}
        for sequence, _, gone in transactions:
            revoked |= dict.fromkeys(gone, sequence)  # ascending, so the last one stays
        for sequence, tags, _ in transactions:
            following = (sequence + 1) & 0xFFFF_FFFF
            for tag in tags:
                if tag.block >= sb.blocks:
                    raise CorruptError("the journal changes what is not there", path=view.name)
                if revoked.get(tag.block, -1) < sequence:
                    _check(log, tag, sequence)
                    changed[tag.block] = (log.blocks[tag.place], tag.escaped)
                else:
                    changed.pop(tag.block, None)
    return Replayed(view, sb.block, changed, whole=not _fast_commits(log, following))


def _fast_commits(log: _Log, following: int) -> bool:
    """Tell whether the area of fast commits has some of the transaction that was being made.

    They begin with a head (ext4_fc_head, little endian) that names it; older ones are left there.
    """
    if not log.features & _FAST or log.last + 1 >= len(log.blocks):
        return False
    tag, _, _, transaction = struct.unpack_from("<HHII", log.read(log.last + 1))
    return bool(tag == _FAST_HEAD and transaction == following)


def _open(view: Readable, sb: Superblock, journal: Inode) -> _Log:
    blocks: list[int] = []
    for logical, physical, count in runs(view, sb, journal):
        if logical != len(blocks):
            raise CorruptError("the journal has a hole", path=view.name)
        blocks.extend(range(physical, physical + count))
        if len(blocks) > _MAX_BLOCKS:
            raise LimitError(f"a journal of more than {_MAX_BLOCKS} blocks", path=view.name)
    if not blocks:
        raise CorruptError("the journal is empty", path=view.name)
    raw = view.read(blocks[0] * sb.block, 1024)
    magic, kind = struct.unpack_from(">II", raw)
    block, length, first, sequence, start = struct.unpack_from(">IIIII", raw, 12)
    features = struct.unpack_from(">I", raw, 0x28)[0] if kind == _SUPER_V2 else 0
    if magic != _MAGIC or kind not in {_SUPER_V1, _SUPER_V2} or block != sb.block:
        raise CorruptError("the journal has no superblock", path=view.name)
    if features & ~_KNOWN:
        raise UnsupportedError(f"a journal with features {features:#x}", path=view.name)
    fast = (struct.unpack_from(">I", raw, 0x54)[0] or _FAST_BLOCKS) if features & _FAST else 0
    last = length - fast
    if not 0 < first < last <= len(blocks) or not (start == 0 or first <= start < last):
        raise CorruptError("the journal's superblock makes no sense", path=view.name)
    seed = crc32c(0xFFFF_FFFF, raw[0x30:0x40])
    return _Log(view, sb.block, tuple(blocks), first, last, sequence, start, features, seed)


def _committed(log: _Log) -> Iterator[tuple[int, list[_Tag], list[int]]]:
    """Yield (sequence, changed blocks, revoked blocks) of each transaction that was committed."""
    sequence, place = log.sequence, log.start
    tags: list[_Tag] = []
    revoked: list[int] = []
    walked = 0
    while walked <= log.last - log.first:  # once round at most
        raw = log.read(place)
        magic, kind, number = struct.unpack_from(">III", raw)
        if magic != _MAGIC or number != sequence:
            return
        steps = 1
        if kind == _DESCRIPTOR:
            for tag in _tags(log, raw):
                tags.append(_Tag(tag[0], log.after(place, steps), *tag[1:]))
                steps += 1
        elif kind == _REVOKE:
            revoked.extend(_revoked(log, raw))
        elif kind == _COMMIT:
            yield sequence, tags, revoked
            tags, revoked = [], []
            sequence = (sequence + 1) & 0xFFFF_FFFF
        else:
            return
        place = log.after(place, steps)
        walked += steps


def _tags(log: _Log, raw: bytes) -> Iterator[tuple[int, bool, int]]:
    """Yield (block, escaped, checksum) of a descriptor block's tags."""
    wide = bool(log.features & _BIT64)
    v3, v2 = bool(log.features & _CSUM_V3), bool(log.features & _CSUM_V2)
    size = 16 if v3 else (12 if wide else 8) + (2 if v2 else 0)
    end = len(raw) - (4 if v2 or v3 else 0)
    at = 12
    while at + size <= end:
        if v3:
            block, flags, high, checksum = struct.unpack_from(">IIII", raw, at)
        else:
            block, checksum, flags = struct.unpack_from(">IHH", raw, at)
            high = struct.unpack_from(">I", raw, at + 8)[0] if wide else 0
        yield block | (high << 32 if wide else 0), bool(flags & _ESCAPED), checksum
        at += size + (0 if flags & _SAME_UUID else 16)
        if flags & _LAST:
            return


def _revoked(log: _Log, raw: bytes) -> list[int]:
    (used,) = struct.unpack_from(">I", raw, 12)
    size = 8 if log.features & _BIT64 else 4
    if not 16 <= used <= len(raw):
        raise CorruptError("a revoke block of the journal makes no sense", path=log.view.name)
    return [int.from_bytes(raw[at : at + size], "big") for at in range(16, used - size + 1, size)]


def _check(log: _Log, tag: _Tag, sequence: int) -> None:
    if not log.features & (_CSUM_V2 | _CSUM_V3):
        return
    seed = crc32c(log.seed, sequence.to_bytes(4, "big"))
    found = crc32c(seed, log.read(tag.place))
    if tag.checksum != (found if log.features & _CSUM_V3 else found & 0xFFFF):
        raise CorruptError("a block in the journal has a wrong checksum", path=log.view.name)
