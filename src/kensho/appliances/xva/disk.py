"""A disk of an XVA: reading its blocks, each with its checksum."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import xxhash

from kensho.appliances.xva.blocks import SUM_SIZES, BlockIndex
from kensho.model.errors import ManifestMismatchError, TruncatedError
from kensho.model.extent import Extent, Kind, coalesce
from kensho.model.finding import Finding, Severity

if TYPE_CHECKING:
    from kensho.storage.base import ByteSource, WriteBuffer


class XvaDisk:
    """A DiskReader over the blocks of one VDI. The source belongs to the caller.

    A block's checksum is looked at when the block is first read; a wrong one raises
    ManifestMismatchError with the disk and the block's number.
    """

    format = "xva"
    subformat = ""
    parent = None

    def __init__(self, source: ByteSource, index: BlockIndex, virtual_size: int) -> None:
        index.finish(virtual_size, source.name)
        self.virtual_size = virtual_size
        self._source = source
        self._index = index
        self._verified = bytearray(index.total)

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """Say when blocks have no checksum, as in exports of before XenServer 4."""
        if not self._index.unchecked:
            return ()
        return (
            Finding(
                "KF-485",
                Severity.WARNING,
                f"{self._index.unchecked} of {self._index.total} blocks of {self._index.ref} have no"
                " checksum",
                subject=self._index.ref,
                action="read as they are",
            ),
        )

    @property
    def details(self) -> Mapping[str, str | int]:
        """The disk's reference and how many blocks are stored."""
        return {"reference": self._index.ref, "blocks": self._index.total}

    @property
    def sources(self) -> tuple[ByteSource, ...]:
        """The archive."""
        return (self._source,)

    def extents(self, start: int = 0, end: int | None = None) -> Iterator[Extent]:
        """Yield stored blocks as DATA, what was left out as HOLE.

        No place in the file is given: every byte is to pass the checksum on its way.
        """
        end = self.virtual_size if end is None else min(end, self.virtual_size)
        return coalesce(self._pieces(start, end))

    def _pieces(self, start: int, end: int) -> Iterator[Extent]:
        position = start
        for low, high in self._index.runs(start, end):
            yield Extent(position, low - position, Kind.HOLE)
            yield Extent(low, high - low, Kind.DATA)
            position = high
        yield Extent(position, end - position, Kind.HOLE)

    def read_into(self, offset: int, buffer: WriteBuffer) -> None:
        """Fill ``buffer`` from ``offset`` of the disk."""
        view = memoryview(buffer).cast("B")
        end = offset + len(view)
        if offset < 0 or end > self.virtual_size:
            raise TruncatedError(
                f"{len(view)} bytes wanted of a disk of {self.virtual_size}",
                path=f"{self._source.name}#{self._index.ref}",
                offset=offset,
            )
        position = offset
        while position < end:
            found = self._index.find(position)
            if found is None:
                high = min(end, self._index.following(position, self.virtual_size))
                view[position - offset : high - offset] = bytes(high - position)
            else:
                high = min(end, found[1] + found[3])
                self._read_block(found, position, view[position - offset : high - offset])
            position = high

    def _read_block(
        self, block: tuple[int, int, int, int, int, str], position: int, part: memoryview
    ) -> None:
        """Fill ``part`` from a position in a block, whose checksum is looked at once."""
        number, start, offset, length, sum_at, kind = block
        if not kind or self._verified[number]:
            self._source.read_into(offset + position - start, part)
            return
        data: bytes | memoryview = part
        if len(part) == length:
            self._source.read_into(offset, part)
        else:
            data = self._source.read_at(offset, length)
            part[:] = data[position - start : position - start + len(part)]
        wanted = self._source.read_at(sum_at, SUM_SIZES[kind])
        if checksum_of(data, kind) != wanted.lower():
            raise ManifestMismatchError(
                f"the {kind} of block {start // length} (at byte {start}) of {self._index.ref}"
                " is wrong",
                path=self._source.name,
                offset=offset,
                hint="the archive is damaged: export the machine again",
            )
        self._verified[number] = 1

    def close(self) -> None:
        """Do nothing; the archive belongs to the caller."""


def checksum_of(data: bytes | memoryview, kind: str) -> bytes:
    """Return a block's checksum as lower-case hexadecimal; ``kind`` is a member's suffix."""
    if kind == "xxhash":
        return xxhash.xxh64_hexdigest(data).encode()
    # SHA-1 is what the format asks for; it guards against accidents only.
    return hashlib.sha1(data, usedforsecurity=False).hexdigest().encode()
