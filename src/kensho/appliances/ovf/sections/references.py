"""References: DSP0243 2.1 §7.2."""

from __future__ import annotations

from typing import ClassVar

from lxml import etree
from msgspec import field

from kensho.appliances.ovf.elements import Notes
from kensho.appliances.ovf.sections.parts import Int64, Part, UInt64, Version
from kensho.appliances.ovf.sections.reading import read_part
from kensho.appliances.ovf.sections.writing import write_part


class File(Part, frozen=True, kw_only=True):
    """A file: ``size`` in bytes as it lies there, ``compression`` ``gzip`` or nothing."""

    ELEMENT: ClassVar[str] = "File"

    id: str
    href: str
    size: UInt64 | None = None
    compression: str = ""
    chunk_size: Int64 | None = field(default=None, name="chunkSize")  #: bytes


class References(Part, frozen=True, kw_only=True):
    """The files of the package; all of them."""

    ELEMENT: ClassVar[str] = "References"

    files: tuple[File, ...] = ()


def read(element: etree._Element, notes: Notes | None = None) -> References:
    """Read a References."""
    return read_part(References, element, notes)


def write(section: References, version: Version) -> etree._Element:
    """Write a References."""
    return write_part(section, version)
