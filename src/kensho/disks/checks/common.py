"""What the checks of all formats share: the fault, and bytes of a file used twice."""

from __future__ import annotations

import array
import enum
from typing import TYPE_CHECKING

import msgspec

from kensho.model.extent import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from kensho.disks.base import DiskReader

_MOST_EXTENTS = 1 << 22


class Grade(enum.StrEnum):
    """How bad a fault is."""

    CORRUPT = "corrupt"  #: what is read may be wrong, or writing would destroy data
    HARMLESS = "harmless"  #: content is whole; space is wasted or a spare copy is gone
    UNCHECKED = "unchecked"  #: something could not be looked at


class Fault(msgspec.Struct, frozen=True, omit_defaults=True):
    """One structural fault: what, and where in which file (byte offset, structure member)."""

    grade: Grade
    message: str
    path: str = ""
    offset: int | None = None
    field: str = ""


def used_twice(layer: DiskReader, metadata: Iterable[tuple[int, int, str]] = ()) -> Iterator[Fault]:
    """Yield a fault for each range of the file that has two uses, by what the tables say.

    Uses are ranges of the disk that lie verbatim in the file, and ``metadata``: the
    format's own structures in the first file, as (start, end, name).
    """
    starts, lengths, disks, files = (array.array("q") for _ in range(4))
    for extent in layer.extents():
        if extent.kind is not Kind.DATA or extent.file < 0:
            continue
        if len(starts) >= _MOST_EXTENTS:
            message = "too many pieces to look for bytes that are used twice"
            yield Fault(Grade.UNCHECKED, message, layer.sources[0].name)
            return
        starts.append(extent.file_offset)
        lengths.append(extent.length)
        disks.append(extent.start)
        files.append(extent.file)
    spans = sorted(metadata)
    end, owner, file = -1, "", -1
    for i in sorted(range(len(starts)), key=lambda i: (files[i], starts[i])):
        start, name = starts[i], layer.sources[files[i]].name
        mine = f"the disk at {disks[i]:#x}"
        if files[i] != file:
            file, end = files[i], -1
        if start < end:
            yield Fault(Grade.CORRUPT, f"used twice: for {owner} and for {mine}", name, start)
        if file == 0:
            for low, high, what in spans:
                if start < high and low < start + lengths[i]:
                    message = f"used twice: for {what} and for {mine}"
                    yield Fault(Grade.CORRUPT, message, name, max(start, low))
        if start + lengths[i] > end:
            end, owner = start + lengths[i], mine
