"""A disk with nothing on it: what an OVF disk without a file means (DSP0243 §9.1)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from kensho.disks import ParentRef
from kensho.model.extent import Extent, Kind
from kensho.model.finding import Finding
from kensho.storage.base import ByteSource, WriteBuffer


@dataclass(frozen=True, slots=True)
class BlankDisk:
    """A `DiskReader` of ``virtual_size`` bytes, none of them stored."""

    virtual_size: int
    format: str = "blank"
    subformat: str = ""
    parent: ParentRef | None = None
    warnings: tuple[Finding, ...] = ()
    sources: tuple[ByteSource, ...] = ()

    @property
    def details(self) -> Mapping[str, str | int]:
        """Nothing to tell."""
        return {}

    def extents(self, start: int = 0, end: int | None = None) -> Iterator[Extent]:
        """Yield one hole."""
        end = self.virtual_size if end is None else min(end, self.virtual_size)
        if start < end:
            yield Extent(start, end - start, Kind.HOLE)

    def read_into(self, offset: int, buffer: WriteBuffer) -> None:
        """Fill with zeros."""
        del offset
        buffer[:] = bytes(len(buffer))

    def close(self) -> None:
        """Nothing to close."""
