"""Ask the kernel for the bytes of extents before they are needed.

Looking at one small place in every 64 KiB is nothing the kernel recognises as reading: without
this each look waits for the storage.
"""

from __future__ import annotations

import os
from collections import deque
from typing import TYPE_CHECKING

from kensho.model.extent import Extent, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from kensho.disks.base import DiskReader

_AHEAD = 16 << 20
_CUT = 4 << 20
_STEP = 512 << 10  # a request for more than the device takes at once is cut off by Linux


def read_ahead(reader: DiskReader, extents: Iterable[Extent]) -> Iterator[Extent]:
    """Yield the data among ``extents`` in small parts, asked for some MiB before they come."""
    waiting: deque[Extent] = deque()
    ahead = 0
    for extent in extents:
        if extent.kind is not Kind.DATA:
            continue
        for part in _cut(extent):
            _ask(reader, part)
            waiting.append(part)
            ahead += part.length
            while ahead > _AHEAD:
                first = waiting.popleft()
                ahead -= first.length
                yield first
    yield from waiting


def _cut(extent: Extent) -> Iterator[Extent]:
    if extent.length <= _CUT:
        yield extent
        return
    start, end = extent.start, extent.end
    while start < end:
        stop = min(start // _CUT * _CUT + _CUT, end)
        at = extent.file_offset + start - extent.start if extent.file >= 0 else -1
        yield Extent(start, stop - start, Kind.DATA, extent.file, at)
        start = stop


def _ask(reader: DiskReader, extent: Extent) -> None:
    below = reader.sources[extent.file].kernel_file() if extent.file >= 0 else None
    if below is None:
        return
    at = below[1] + extent.file_offset
    end = at + extent.length
    try:
        while at < end:
            os.posix_fadvise(below[0], at, min(_STEP, end - at), os.POSIX_FADV_WILLNEED)
            at += _STEP
    except OSError:
        return  # a hint, no more
