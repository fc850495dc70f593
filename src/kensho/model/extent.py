"""How the bytes of a virtual disk or a file are laid out.

An extent says what a range of the *virtual* disk holds without reading it:
data, zeros or nothing. Readers yield extents in ascending order, without gaps
or overlaps, neighbours of one kind merged where their bytes also lie side by side.
"""

from __future__ import annotations

import dataclasses
import enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Kind(enum.Enum):
    """What a range of a disk holds. Compressed bytes are DATA that lie nowhere verbatim."""

    DATA = "data"  #: stored bytes, which may still be all zero
    ZERO = "zero"  #: known to be zero, hides what a parent holds there
    HOLE = "hole"  #: never written: ask the parent; zero without one


@dataclasses.dataclass(frozen=True, slots=True)
class Extent:
    """``length`` bytes of the virtual disk from byte ``start`` on, all of one kind.

    ``file`` and ``file_offset`` say where DATA lies verbatim (index into the
    reader's ``sources`` and byte offset there), so that it can be copied inside
    the kernel. Both are -1 when it lies nowhere verbatim, as compressed data does.
    """

    start: int
    length: int
    kind: Kind
    file: int = -1
    file_offset: int = -1

    @property
    def end(self) -> int:
        """First byte after the extent."""
        return self.start + self.length


def coalesce(extents: Iterable[Extent]) -> Iterator[Extent]:
    """Merge neighbours of the same kind whose bytes also follow each other in the file."""
    last: Extent | None = None
    for extent in extents:
        if extent.length <= 0:
            continue
        if last is not None and _continues(last, extent):
            last = dataclasses.replace(last, length=last.length + extent.length)
            continue
        if last is not None:
            yield last
        last = extent
    if last is not None:
        yield last


def _continues(a: Extent, b: Extent) -> bool:
    if a.kind is not b.kind or a.file != b.file or a.start + a.length != b.start:
        return False
    return b.file < 0 or a.file_offset + a.length == b.file_offset
