"""An opened LUKS volume: what is read is decrypted, what is written goes back encrypted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kensho.disks.base import ParentRef
from kensho.guest.volumes.luks.header import Luks, read_header
from kensho.guest.volumes.view import CachedDisk, Segment, View
from kensho.model.errors import TruncatedError
from kensho.model.extent import Extent, Kind
from kensho.model.finding import Finding
from kensho.storage import ByteSource
from kensho.storage.base import WriteBuffer

if TYPE_CHECKING:
    from kensho.guest.volumes.luks.cipher import SectorCipher

_UNIT = 512


@dataclass(frozen=True, slots=True)
class Key:
    """A passphrase or a key file's content, and what it is for: a volume's id, its UUID, or ``all``."""

    target: str
    secret: bytes = field(repr=False)

    def fits(self, volume: str, uuid: str) -> bool:
        """Tell whether it is meant for a volume."""
        return self.target in {"all", volume} or self.target.lower() == uuid.lower() != ""


@dataclass(frozen=True, slots=True)
class Decrypted:
    """The content of a LUKS volume as a `DiskReader`; ``below`` is the volume."""

    below: View
    luks: Luks
    cipher: SectorCipher = field(repr=False)
    format: str = "luks"
    subformat: str = ""
    details: Mapping[str, str | int] = field(default_factory=dict)
    parent: ParentRef | None = None
    warnings: tuple[Finding, ...] = ()
    sources: tuple[ByteSource, ...] = ()

    @property
    def virtual_size(self) -> int:
        """Bytes."""
        return self.luks.size

    def extents(self, start: int = 0, end: int | None = None) -> Iterator[Extent]:
        """Yield that all of the range is data: what is not written is not zero either."""
        end = self.virtual_size if end is None else min(end, self.virtual_size)
        if start < end:
            yield Extent(start, end - start, Kind.DATA)

    def read_into(self, offset: int, buffer: WriteBuffer) -> None:
        """Fill ``buffer`` with decrypted bytes from ``offset`` on."""
        view = memoryview(buffer)
        if offset < 0 or offset + len(view) > self.virtual_size:
            raise TruncatedError("beyond the end", path=self.below.name, offset=offset)
        start, end = self.sectors(offset, len(view))
        data = self.below.read(self.luks.offset + start, end - start)
        plain = self.cipher.decrypt(data, self.luks.tweak + start // _UNIT)
        view[:] = plain[offset - start : offset - start + len(view)]

    def sectors(self, offset: int, length: int) -> tuple[int, int]:
        """Return where the sectors that a range is in begin and end."""
        size = self.luks.sector
        return offset // size * size, -(-(offset + length) // size) * size

    def encrypted(self, offset: int, data: bytes) -> bytes:
        """Return whole sectors as they are on the volume, at `place` there."""
        return self.cipher.encrypt(data, self.luks.tweak + offset // _UNIT)

    def close(self) -> None:
        """Do nothing: the volume is not ours."""


def unlocked(view: View, name: str, secrets: tuple[bytes, ...]) -> View | None:
    """Return a LUKS volume's content, None when no secret opens it.

    A secret may be a key file's bytes or a passphrase with a newline behind it. CorruptError,
    LimitError and UnsupportedError for a header that is not read.
    """
    from kensho.guest.volumes.luks.cipher import sector_cipher
    from kensho.guest.volumes.luks.unlock import find_key

    luks = read_header(view)
    for secret in dict.fromkeys(s for raw in secrets for s in (raw, raw.rstrip(b"\r\n"))):
        key = find_key(luks, view, secret)
        if key is not None:
            disk = Decrypted(view, luks, sector_cipher(luks.cipher, key, luks.sector))
            cached = CachedDisk(disk, name)
            cached.copied = view.copied
            cached.below = view
            return View((Segment(0, disk.virtual_size, ((cached, 0),)),), name)
    return None
