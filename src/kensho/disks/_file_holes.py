"""Blocks that are allocated in a disk, but not in the file it lies in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kensho.model.extent import Extent, Kind, coalesce

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kensho.storage.base import ByteSource


def without_file_holes(extents: Iterator[Extent], source: ByteSource) -> Iterator[Extent]:
    """Yield ``extents``, all of them in ``source``, with DATA that is a hole there as ZERO.

    A block of 64 MiB with one sector written would be 64 MiB to read else.
    """
    return coalesce(_split(extents, source))


def _split(extents: Iterator[Extent], source: ByteSource) -> Iterator[Extent]:
    for extent in extents:
        if extent.kind is not Kind.DATA or extent.file_offset < 0:
            yield extent
            continue
        shift = extent.start - extent.file_offset
        end = extent.file_offset + extent.length
        at = extent.file_offset
        for part in source.extents(at, end):
            if part.kind is Kind.DATA:
                yield Extent(part.start + shift, part.length, Kind.DATA, extent.file, part.start)
            else:
                yield Extent(part.start + shift, part.length, Kind.ZERO)
            at = part.end
        if at < end:  # the block goes on behind the end of the file
            yield Extent(at + shift, end - at, Kind.ZERO)
