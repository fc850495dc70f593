"""Disk files as the fuzzer sees them: only the bytes that are not zero, each with its place.

A VHDX of 5 MiB has some hundred bytes of structure. Packed, a mutation hits those and
not the zeros between them, and a file may say it is large without anyone storing it.
Any bytes are a packed file: flags, size, then (offset, length, bytes) until they end.
"""

import dataclasses
import re
import struct

from kensho.model.extent import Extent, Kind
from kensho.storage.reading import check_range

REPAIR, SIBLINGS, SELF = 1, 2, 4  # flags: checksums made right, other files there, all the same
MOST = 320 << 20  # a larger file only takes longer
_HEAD = struct.Struct("<BQ")
_PIECE = struct.Struct("<QH")
_RUN = re.compile(rb"[^\0](?:\0{0,15}[^\0])*")


@dataclasses.dataclass
class Packed:
    """``pieces`` are [offset, bytes], later ones over earlier ones."""

    flags: int
    size: int
    pieces: list[list]

    def dump(self):
        parts = [_HEAD.pack(self.flags & 0xFF, self.size & (1 << 64) - 1)]
        for at, data in self.pieces:
            parts += (_PIECE.pack(at & (1 << 64) - 1, len(data)), bytes(data))
        return b"".join(parts)


def pack(blob, flags=0):
    """Return the Packed of a whole file."""
    pieces = []
    for found in _RUN.finditer(bytes(blob)):
        start, end = found.span()
        pieces += ([at, blob[at : min(at + 4096, end)]] for at in range(start, end, 4096))
    return Packed(flags, len(blob), pieces)


def load(data):
    """Read a packed file; never fails."""
    flags, size = _HEAD.unpack(data[:9].ljust(9, b"\0"))
    pieces, at = [], 9
    while at + _PIECE.size <= len(data):
        offset, length = _PIECE.unpack_from(data, at)
        at += _PIECE.size
        pieces.append([offset, data[at : at + length]])
        at += length
    return Packed(flags, size, pieces)


class Sparse:
    """A ByteSource over a Packed; what no piece covers is zero."""

    def __init__(self, packed, name="disk"):
        self.name = name
        self.size = min(packed.size, MOST)
        self.pieces = [(at, data) for at, data in packed.pieces if at < self.size]

    def read_at(self, offset, length):
        check_range(self.name, self.size, offset, length)
        buffer = bytearray(length)
        self._fill(offset, memoryview(buffer))
        return bytes(buffer)

    def read_into(self, offset, buffer):
        view = memoryview(buffer).cast("B")
        check_range(self.name, self.size, offset, len(view))
        view[:] = bytes(len(view))
        self._fill(offset, view)

    def _fill(self, offset, view):
        end = offset + len(view)
        for at, data in self.pieces:
            low, high = max(at, offset), min(at + len(data), end)
            if low < high:
                view[low - offset : high - offset] = data[low - at : high - at]

    def write_at(self, offset, data):
        """Lay bytes over the file: for repaired checksums."""
        self.pieces.append((offset, data))

    def extents(self, start=0, end=None):
        end = self.size if end is None else min(end, self.size)
        if start < end:
            yield Extent(start, end - start, Kind.DATA, 0, start)

    def kernel_file(self):
        return None

    def close(self):
        pass
