"""Read the disks of an XVA, as XAPI's import would.

Source: XAPI's ocaml/xapi/stream_vdi.ml. The numbers in the names say how many blocks were left
out as zeros: the position is not number times 1 MiB, because an exporter keeps a slow connection
alive with blocks of no bytes, which take a number and no room.
"""

from __future__ import annotations

import hashlib
import re
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from lxml import etree

from kensho.appliances.xmlsafe import parse_xml
from kensho.model.errors import (
    CorruptError,
    LocatorError,
    ManifestMismatchError,
    PackageError,
    TruncatedError,
)
from kensho.model.extent import Extent, Kind, coalesce
from kensho.model.units import TIB
from kensho.storage.tar import TarMember, read_members

if TYPE_CHECKING:
    from kensho.model.finding import Finding
    from kensho.storage.base import ByteSource, WriteBuffer

METADATA = "ova.xml"
_MOST_MEMBERS = 8_000_000  # two for each MiB: 4 TiB of data
_MAX_SIZE = 64 * TIB
_SHA1_HEX = 40
_NUMBER = re.compile(r"\d{8,9}")


def read_vdis(source: ByteSource) -> tuple[tuple[str, int], ...]:
    """Return (reference, virtual size in bytes) of the disks an XVA says it has.

    Raises PackageError when it does not begin with its metadata, CorruptError when the
    metadata make no sense.
    """
    return _vdis(source, read_members(source, limit=_MOST_MEMBERS))


def open_vdi(source: ByteSource, ref: str) -> XvaDisk:
    """Open the disk called ``ref`` (``Ref:12``) of an XVA for reading.

    Raises LocatorError when there is none, CorruptError or TruncatedError when its blocks do
    not make up the disk.
    """
    members = read_members(source, limit=_MOST_MEMBERS)
    size = dict(_vdis(source, members)).get(ref)
    if size is None:
        raise LocatorError(f"the XVA has no disk {ref!r}", path=source.name)
    return XvaDisk(source, ref, size, members)


def _vdis(source: ByteSource, members: tuple[TarMember, ...]) -> tuple[tuple[str, int], ...]:
    if not members or members[0].name != METADATA:
        raise PackageError(f"an XVA begins with {METADATA}", path=source.name)
    path = f"{source.name}#{METADATA}"
    root, _findings = parse_xml(source.read_at(members[0].offset, members[0].size), path=path)
    objects = _member(root, "objects", path)
    found = []
    for item in objects.iterfind("array/data/value"):
        if _text(_member(item, "class", path)) != "VDI":
            continue
        record = _member(item, "snapshot", path)
        digits = _text(_member(record, "virtual_size", path))
        if not (digits.isascii() and digits.isdigit()) or not 0 < int(digits) <= _MAX_SIZE:
            raise CorruptError(f"{digits!r} is no size of a disk", path=path, field="virtual_size")
        found.append((_text(_member(item, "id", path)), int(digits)))
    return tuple(found)


def _member(value: etree._Element, name: str, path: str) -> etree._Element:
    """Return the value of a member of an XML-RPC struct; raises CorruptError without it."""
    for member in value.iterfind("struct/member"):
        found = member.find("value")
        if member.findtext("name") == name and found is not None:
            return found
    raise CorruptError(f"a record has no {name!r}", path=path, field=name)


def _text(value: etree._Element) -> str:
    return "".join(str(text) for text in value.itertext()).strip()


class XvaDisk:
    """A DiskReader over the blocks of one VDI. The source belongs to the caller.

    A block's checksum is looked at when the block is first read; a wrong one raises
    ManifestMismatchError.
    """

    format = "xva"
    subformat = ""
    parent = None
    warnings: tuple[Finding, ...] = ()

    def __init__(
        self, source: ByteSource, ref: str, virtual_size: int, members: tuple[TarMember, ...]
    ) -> None:
        self.virtual_size = virtual_size
        self._source = source
        self._ref = ref
        self._starts = array("q")
        self._lengths = array("q")
        self._offsets = array("q")
        self._checksums = array("q")  # where a block's checksum lies, -1 without one
        self._index(members)
        self._verified = bytearray(len(self._starts))

    def _index(self, members: tuple[TarMember, ...]) -> None:
        prefix = f"{self._ref}/"
        position = step = 0
        last = -1
        stored = False  # whether the block before was one with bytes
        for member in members:
            if not member.name.startswith(prefix):
                continue
            text, _, kind = member.name.removeprefix(prefix).partition(".")
            number = int(text) if _NUMBER.fullmatch(text) else -1
            if kind in {"checksum", "xxhash"} and number == last >= 0:
                if stored and kind == "checksum":  # the other kind is not checked here
                    self._checksums[-1] = member.offset
                continue
            if kind or number <= last:
                raise CorruptError(
                    f"member {member.name!r} is out of place", path=self._source.name
                )
            step = step or member.size
            position += (number - last - 1) * step
            if position + member.size > self.virtual_size:
                raise CorruptError(
                    f"block {member.name!r} lies beyond the disk", path=self._source.name
                )
            last, stored = number, member.size > 0
            if stored:
                self._starts.append(position)
                self._lengths.append(member.size)
                self._offsets.append(member.offset)
                self._checksums.append(-1)
            position += member.size
        if position != self.virtual_size:
            raise TruncatedError(
                f"the blocks of {self._ref} end after {position} of {self.virtual_size} bytes",
                path=self._source.name,
            )

    @property
    def details(self) -> Mapping[str, str | int]:
        """The disk's reference and how many blocks are stored."""
        return {"reference": self._ref, "blocks": len(self._starts)}

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
        block = max(0, bisect_right(self._starts, start) - 1)
        while position < end and block < len(self._starts):
            low = max(self._starts[block], position)
            high = min(self._starts[block] + self._lengths[block], end)
            if low < high:
                yield Extent(position, low - position, Kind.HOLE)
                yield Extent(low, high - low, Kind.DATA)
                position = high
            elif self._starts[block] >= end:
                break
            block += 1
        yield Extent(position, end - position, Kind.HOLE)

    def read_into(self, offset: int, buffer: WriteBuffer) -> None:
        """Fill ``buffer`` from ``offset`` of the disk."""
        view = memoryview(buffer).cast("B")
        if offset < 0 or offset + len(view) > self.virtual_size:
            raise TruncatedError(
                f"{len(view)} bytes wanted of a disk of {self.virtual_size}",
                path=f"{self._source.name}#{self._ref}",
                offset=offset,
            )
        done = 0
        while done < len(view):
            position = offset + done
            block = bisect_right(self._starts, position) - 1
            inside = position - self._starts[block] if block >= 0 else -1
            if block >= 0 and inside < self._lengths[block]:
                length = min(self._lengths[block] - inside, len(view) - done)
                self._read_block(block, inside, view[done : done + length])
            else:
                following = block + 1
                limit = (
                    self._starts[following] if following < len(self._starts) else self.virtual_size
                )
                length = min(limit - position, len(view) - done)
                view[done : done + length] = bytes(length)
            done += length

    def _read_block(self, block: int, inside: int, part: memoryview) -> None:
        """Fill ``part`` from byte ``inside`` of a block, whose checksum is looked at once."""
        self._source.read_into(self._offsets[block] + inside, part)
        if self._verified[block] or self._checksums[block] < 0:
            return
        length = self._lengths[block]
        data: bytes | memoryview = part
        if len(part) != length:
            data = self._source.read_at(self._offsets[block], length)
        wanted = self._source.read_at(self._checksums[block], _SHA1_HEX)
        if hashlib.sha1(data, usedforsecurity=False).hexdigest().encode() != wanted.lower():
            raise ManifestMismatchError(
                f"the checksum of the block at byte {self._starts[block]} of {self._ref} is wrong",
                path=self._source.name,
                offset=self._offsets[block],
            )
        self._verified[block] = 1

    def close(self) -> None:
        """Do nothing; the archive belongs to the caller."""
