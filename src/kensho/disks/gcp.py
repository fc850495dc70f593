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
from kensho.storage.tar import BLOCK
from kensho.storage.tar_sparse import first_member, read_header

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
    head = head_of(source)
    if source.read_at(0, min(2, source.size)) != MAGIC:
        return first_member(source, MEMBER)
    _, size, _ = read_header(head, source.name, MEMBER)
    # Zeros pack a thousand times, so what the header says is the bound, with room for tar's own.
    return first_member(GzipSource(source, size + 64 * MIB), MEMBER)


def is_gcp_image(source: ByteSource) -> bool:
    """Tell whether the file is a tar archive, packed or not, that begins with ``disk.raw``."""
    try:
        read_header(head_of(source), source.name, MEMBER)
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
