"""What lies where on a disk, told as ``qemu-img map --output=json`` tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from kensho.disks.chain import Link, links_of
from kensho.model.extent import Extent, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kensho.disks.base import DiskReader


class Mapped(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A range of the virtual disk, in bytes.

    ``depth`` is the disk of the chain that says what is there, 0 the top one;
    ``present``: some disk of the chain says so; ``data``: bytes are stored; ``zero``:
    it reads as zero. ``offset`` is where the bytes lie verbatim in ``file``; both are
    missing for compressed data and for zeros.
    """

    start: int
    length: int
    depth: int
    present: bool
    zero: bool
    data: bool
    compressed: bool
    offset: int | None = None
    file: str | None = None


def map_disk(reader: DiskReader) -> Iterator[Mapped]:
    """Yield the ranges of the disk in order, without gaps; nothing but tables is read."""
    links = links_of(reader)
    last: tuple[int, Extent] | None = None
    for depth, extent in _walk(links, 0, 0, reader.virtual_size):
        if last is not None and last[0] == depth and _continues(last[1], extent):
            before = last[1]
            length = before.length + extent.length
            last = (
                depth,
                Extent(before.start, length, before.kind, before.file, before.file_offset),
            )
            continue
        if last is not None:
            yield _mapped(links, *last)
        last = (depth, extent)
    if last is not None:
        yield _mapped(links, *last)


def data_bytes(reader: DiskReader) -> int:
    """Return how many bytes of the disk are stored, by its tables."""
    return sum(e.length for e in reader.extents() if e.kind is Kind.DATA)


def _walk(links: Sequence[Link], depth: int, start: int, end: int) -> Iterator[tuple[int, Extent]]:
    layer = links[depth].layer
    seen = min(max(layer.virtual_size, start), end)
    if start < seen:
        for extent in layer.extents(start, seen):
            if extent.kind is Kind.HOLE and depth + 1 < len(links):
                yield from _walk(links, depth + 1, extent.start, extent.end)
            else:
                yield depth, extent
    if seen < end:  # a disk below may be shorter
        yield depth, Extent(seen, end - seen, Kind.HOLE)


def _continues(a: Extent, b: Extent) -> bool:
    if a.kind is not b.kind or a.file != b.file:
        return False
    return a.file < 0 or a.file_offset + a.length == b.file_offset


def _mapped(links: Sequence[Link], depth: int, extent: Extent) -> Mapped:
    layer = links[depth].layer
    data = extent.kind is Kind.DATA
    return Mapped(
        start=extent.start,
        length=extent.length,
        depth=depth,
        present=layer.format == "raw" or extent.kind is not Kind.HOLE,
        zero=not data,
        data=data,
        compressed=data and extent.file < 0,
        offset=extent.file_offset if extent.file >= 0 else None,
        file=layer.sources[extent.file].name if extent.file >= 0 else None,
    )
