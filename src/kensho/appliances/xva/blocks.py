"""The blocks of an XVA's disks: an index made in one pass over the tar headers.

Source: XAPI's ocaml/xapi/stream_vdi.ml. A disk is ``Ref:N/00000000`` and so on, blocks of 1 MiB
in ascending order, each with its checksum right behind it: SHA-1 in ``….checksum``, since
XenServer 8 and XCP-ng 8.3 XXH64 in ``….xxhash``, both as hexadecimal text. Blocks of zeros are
left out, except the first and the last. The numbers say how many were left out: the position is
not number times 1 MiB, because an exporter keeps a slow connection alive with blocks of no bytes,
which take a number and no room.

The index keeps runs of blocks that lie evenly, not blocks: a full disk of 64 TiB is one entry.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from typing import TYPE_CHECKING

from kensho.model.errors import (
    CorruptError,
    FormatError,
    LimitError,
    TruncatedError,
)
from kensho.model.units import MIB, TIB

if TYPE_CHECKING:
    from kensho.storage.tar import TarMember

MAX_SIZE = 64 * TIB
_MAX_BLOCK = 64 * MIB
_MOST_RUNS = 8_000_000  # 48 bytes each
_BLOCK = re.compile(r"([A-Za-z]+:[0-9A-Za-z-]{1,60})/([0-9]{1,12})(?:\.(checksum|xxhash))?")
#: Bytes of a checksum as text, by the suffix of its member.
SUM_SIZES = {"checksum": 40, "xxhash": 16}
_KINDS = ("", "checksum", "xxhash")


def block_of(name: str) -> tuple[str, int, str] | None:
    """Return (reference, number, kind of checksum or "") of a member's name, None for others."""
    match = _BLOCK.fullmatch(name)
    return None if match is None else (match[1], int(match[2]), match[3] or "")


class BlockIndex:
    """Where the blocks of one disk lie. Members are added in the archive's order.

    ``problem`` is the first thing wrong with them; such a disk cannot be opened.
    """

    __slots__ = (
        "_counts", "_firsts", "_kinds", "_last", "_lengths", "_offsets", "_pending", "_position",
        "_starts", "_step", "_strides", "_sums", "problem", "ref", "total", "unchecked",
    )  # fmt: skip

    def __init__(self, ref: str) -> None:
        self.ref = ref
        self.problem: FormatError | None = None
        self.total = 0  #: stored blocks
        self.unchecked = 0  #: those of them without a checksum
        self._starts = array("q")  # of each run: its place on the disk,
        self._offsets = array("q")  # its first block's place in the archive,
        self._counts = array("q")
        self._lengths = array("i")  # bytes of each block,
        self._strides = array("q")  # from one block to the next in the archive,
        self._sums = array("i")  # from a block to its checksum,
        self._kinds = bytearray()
        self._firsts = array("q")  # and how many blocks are in the runs before it
        self._position = self._step = 0
        self._last = -1
        self._pending: tuple[int, int, int] | None = None  # of the last block: place, offset, size

    def add(self, member: TarMember, number: int, kind: str, path: str) -> None:
        """Take a block or a checksum into the index; what is wrong goes to ``problem``."""
        if self.problem is not None:
            return
        try:
            if kind:
                self._add_sum(member, number, kind, path)
            else:
                self._add_block(member, number, path)
        except FormatError as error:
            self.problem = error

    def finish(self, virtual_size: int, path: str) -> None:
        """Check that the blocks make up the disk: raises ``problem``, or TruncatedError."""
        if self.problem is not None:
            raise self.problem
        self._flush(0, 0)
        if 0 < self.unchecked < self.total:
            raise CorruptError(
                f"{self.unchecked} of {self.total} blocks of {self.ref} have no checksum",
                path=path,
                hint="exporters write one behind each block or none at all: the archive is damaged,"
                " export the machine again",
            )
        if self._position != virtual_size:
            kind = TruncatedError if self._position < virtual_size else CorruptError
            raise kind(
                f"the blocks of {self.ref} end after {self._position} of {virtual_size} bytes",
                path=path,
                hint="the export was interrupted or damaged; export the machine again",
            )

    def _add_block(self, member: TarMember, number: int, path: str) -> None:
        if number <= self._last:
            raise CorruptError(
                f"block {number} of {self.ref} comes after block {self._last}",
                path=path,
                offset=member.offset,
                hint="blocks are there twice or out of order; XenServer refuses this, too",
            )
        if member.size > _MAX_BLOCK:
            raise LimitError(
                f"block {number} of {self.ref} has {member.size} bytes; at most {_MAX_BLOCK}"
                " are read",
                path=path,
                offset=member.offset,
            )
        self._flush(0, 0)
        self._step = self._step or member.size
        position = self._position + (number - self._last - 1) * self._step
        if position + member.size > MAX_SIZE:
            raise CorruptError(
                f"block {number} of {self.ref} lies beyond any disk",
                path=path,
                offset=member.offset,
            )
        self._last = number
        self._pending = (position, member.offset, member.size)
        self._position = position + member.size

    def _add_sum(self, member: TarMember, number: int, kind: str, path: str) -> None:
        if number != self._last or member.size != SUM_SIZES[kind]:
            raise CorruptError(
                f"checksum {member.name!r} is not that of the block before it",
                path=path,
                offset=member.offset,
            )
        if self._pending is None:
            return  # a second one
        apart = member.offset - self._pending[1]
        self._flush(apart if apart < 1 << 31 else 0, _KINDS.index(kind))

    def _flush(self, apart: int, kind: int) -> None:
        """Put the last block into the runs: ``apart`` bytes behind it is its checksum."""
        if self._pending is None:
            return
        position, offset, length = self._pending
        self._pending = None
        if length == 0:
            return
        self.total += 1
        self.unchecked += kind == 0
        if self._continues(position, offset, length, apart, kind):
            if self._counts[-1] == 1:
                self._strides[-1] = offset - self._offsets[-1]
            self._counts[-1] += 1
            return
        if len(self._starts) >= _MOST_RUNS:
            raise LimitError(f"{self.ref} is in more than {_MOST_RUNS} pieces")
        self._starts.append(position)
        self._offsets.append(offset)
        self._counts.append(1)
        self._lengths.append(length)
        self._strides.append(0)
        self._sums.append(apart)
        self._kinds.append(kind)
        self._firsts.append(self.total - 1)

    def _continues(self, position: int, offset: int, length: int, apart: int, kind: int) -> bool:
        if not self._starts or self._lengths[-1] != length:
            return False
        count = self._counts[-1]
        if position != self._starts[-1] + count * length or self._sums[-1] != apart:
            return False
        evenly = count == 1 or offset == self._offsets[-1] + count * self._strides[-1]
        return evenly and self._kinds[-1] == kind

    def runs(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Yield (start, end) of the stored parts of a range, ascending."""
        run = max(0, bisect_right(self._starts, start) - 1)
        while run < len(self._starts) and self._starts[run] < end:
            low = max(start, self._starts[run])
            high = min(end, self._starts[run] + self._counts[run] * self._lengths[run])
            if low < high:
                yield low, high
            run += 1

    def find(self, position: int) -> tuple[int, int, int, int, int, str] | None:
        """Return the block at a position of the disk, None where it was left out.

        As (its number among the stored, its start on the disk, offset in the archive, length,
        offset of its checksum, kind of that or "").
        """
        run = bisect_right(self._starts, position) - 1
        if run < 0:
            return None
        length = self._lengths[run]
        inside = (position - self._starts[run]) // length
        if inside >= self._counts[run]:
            return None
        offset = self._offsets[run] + inside * self._strides[run]
        start = self._starts[run] + inside * length
        kind = _KINDS[self._kinds[run]]
        return self._firsts[run] + inside, start, offset, length, offset + self._sums[run], kind

    def following(self, position: int, default: int) -> int:
        """Return where the next stored part behind a position begins."""
        run = bisect_right(self._starts, position)
        return self._starts[run] if run < len(self._starts) else default
