"""Read what Google Cloud exports and imports: ``disk.raw`` in a tar, usually packed with gzip.

Source: cloud.google.com, "Manually import boot disks" (requirements for the image file).
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from kensho.disks.raw import RawDisk
from kensho.model.errors import CorruptError, KenshoError
from kensho.model.units import MIB
from kensho.storage.gzip import MAGIC, GzipSource
from kensho.storage.tar import BLOCK, checksum, iterate_members, open_member

if TYPE_CHECKING:
    from kensho.disks.base import SiblingOpener
    from kensho.storage.base import ByteSource

MEMBER = "disk.raw"
_HEAD = 64 * 1024
_GZIP = 31


class GcpDisk(RawDisk):
    """The raw disk in the archive."""

    __slots__ = ()

    format = "gcp"
    subformat = "tar.gz"


def open_gcp_image(source: ByteSource, sibling: SiblingOpener | None = None) -> GcpDisk:  # noqa: ARG001
    """Open the disk. FormatError kinds when the file is none of these, or damaged."""
    return GcpDisk(disk_raw(source))


def disk_raw(source: ByteSource) -> ByteSource:
    """Return the bytes of ``disk.raw``; nothing is unpacked to disk, holes are known if told."""
    stored = _stored(head_of(source), source.name)
    if source.read_at(0, min(2, source.size)) == MAGIC:
        # Zeros pack a thousand times, so what the header says is the bound, with room for tar's own.
        source = GzipSource(source, stored + 64 * MIB)
    member = next(iterate_members(source, sparse=True))
    return open_member(source, member)


def is_gcp_image(source: ByteSource) -> bool:
    """Tell whether the file is a tar archive, packed or not, that begins with ``disk.raw``."""
    try:
        _stored(head_of(source), source.name)
    except KenshoError:
        return False
    return True


def head_of(source: ByteSource) -> bytes:
    """Return the first block of the archive. CorruptError when it cannot be unpacked."""
    data = source.read_at(0, min(_HEAD, source.size))
    if not data.startswith(MAGIC):
        return data[:BLOCK]
    try:
        return zlib.decompressobj(_GZIP).decompress(data, BLOCK)
    except zlib.error as error:
        raise CorruptError(
            f"the gzip data are damaged: {error}", path=source.name, offset=0
        ) from None


def _stored(header: bytes, path: str) -> int:
    """Return how many bytes the archive has of the disk, by the member's header."""
    kind, field = header[156:157], header[124:136]
    name = header[:100].split(b"\0", 1)[0].removeprefix(b"./")
    digits = header[148:156].strip(b" \0")
    ours = name == MEMBER.encode() and kind in {b"0", b"\0", b"7", b"S"}
    if len(header) < BLOCK or digits.lstrip(b"0") != b"%o" % checksum(header) or not ours:
        raise CorruptError(f"not a tar archive that begins with {MEMBER}", path=path, offset=0)
    if field[:1] == b"\x80":  # GNU base-256
        return int.from_bytes(field[1:], "big")
    octal = field.strip(b" \0")
    return int(octal, 8) if octal.isdigit() and not octal.strip(b"01234567") else 0
