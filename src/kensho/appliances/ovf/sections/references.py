"""References: DSP0243 2.1 §7.2."""

from __future__ import annotations

from typing import ClassVar

from msgspec import field

from kensho.appliances.ovf.sections.parts import Int64, Part, UInt64


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
