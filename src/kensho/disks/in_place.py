"""Disks kensho wrote, opened to be changed in place.

Possible where the place of every block is fixed (raw; fixed VHD, VHDX and VDI) and for
uncompressed QCOW2, which the code of overlays can write at random.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Protocol

from kensho.disks._blocks import ZEROS
from kensho.disks.base import PlacingWriter
from kensho.disks.hashes import CHANGEABLE, CHANGEABLE_NAMES
from kensho.disks.overlay import open_alone
from kensho.disks.overlay.file import OverlayFile
from kensho.disks.registry import create_disk, open_disk
from kensho.model.errors import CorruptError, UnsupportedError
from kensho.model.extent import Kind

if TYPE_CHECKING:
    from pathlib import Path

    from kensho.disks.base import DiskReader
    from kensho.storage.base import ReadBuffer


class Changes(Protocol):
    """How a disk is changed; from any thread. Offsets and lengths are within the disk."""

    def write_at(self, offset: int, data: ReadBuffer) -> None:
        """Write ``data``; NoSpaceError when there is no room for it."""

    def zero(self, offset: int, length: int) -> None:
        """Make the range read as zero."""

    def flush(self) -> None:
        """Make all that was written durable."""

    def close(self) -> None:
        """Close the file; closing twice is allowed."""


@dataclasses.dataclass(frozen=True, slots=True)
class InPlaceDisk:
    """A disk that is read through ``reader`` and changed through ``changes``; close that one."""

    reader: DiskReader
    changes: Changes


def open_in_place(path: Path, format_: str, subformat: str) -> InPlaceDisk:
    """Open the disk at ``path``, which kensho wrote as that, to change it.

    UnsupportedError for what cannot be changed in place, CorruptError when the disk is
    not laid out as kensho would, UsageError when another program uses it.
    """
    demand_changeable(path, format_, subformat)
    if format_ == "qcow2":
        disk = open_alone(path)
        return InPlaceDisk(disk, disk)
    file = OverlayFile(str(path))
    try:
        reader = open_disk(file.source, format=format_)
        return InPlaceDisk(reader, _FixedPlaces(file, _base_of(reader, subformat, file)))
    except BaseException:
        file.close()
        raise


def demand_changeable(path: Path, format_: str, subformat: str) -> None:
    """Raise UnsupportedError for what cannot be changed in place."""
    if (format_, subformat) not in CHANGEABLE:
        raise UnsupportedError(
            f"{format_} {subformat} cannot be changed in place",
            path=path,
            hint=f"these can: {CHANGEABLE_NAMES}; the others are written anew, with --overwrite",
        )


def rounded_size(format_: str, subformat: str, size: int) -> int:
    """Return the size a new disk of that kind gets."""
    return create_disk(format_, subformat, _Nowhere(), size).virtual_size


class _FixedPlaces:
    """Changes a disk whose byte n lies at ``base`` + n of its file."""

    __slots__ = ("_base", "_file")

    def __init__(self, file: OverlayFile, base: int) -> None:
        self._file = file
        self._base = base

    def write_at(self, offset: int, data: ReadBuffer) -> None:
        self._file.write_at(self._base + offset, data)

    def zero(self, offset: int, length: int) -> None:
        for at in range(0, length, len(ZEROS)):
            self.write_at(offset + at, ZEROS[: length - at])

    def flush(self) -> None:
        self._file.sync()

    def close(self) -> None:
        self._file.close()


def _base_of(reader: DiskReader, subformat: str, file: OverlayFile) -> int:
    """Return where byte 0 of the disk lies, once all others are known to follow it."""
    size = reader.virtual_size
    like = create_disk(reader.format, subformat, _Nowhere(), size)
    if isinstance(like, PlacingWriter) and like.virtual_size == size:
        base = like.place(0, min(like.granularity, size))[0][0]
        data = (e for e in reader.extents() if e.kind is Kind.DATA)
        if base + size <= file.size and all(e.file_offset == base + e.start for e in data):
            return base
    raise CorruptError(
        f"is not laid out as kensho writes a {reader.format} {subformat}",
        path=file.name,
        hint="write it anew with --overwrite",
    )


class _Nowhere:
    """A sink for a writer that is only asked where it would put things."""

    __slots__ = ()

    def write_at(self, offset: int, data: ReadBuffer) -> None:
        pass

    def truncate(self, size: int) -> None:
        pass

    def flush(self) -> None:
        pass
