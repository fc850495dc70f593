"""The header of a VMA archive: its configurations and devices. Source: see ``vma_structs.py``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kensho.appliances.proxmox import vma_structs as s
from kensho.model.errors import CorruptError, LimitError, UnsupportedError
from kensho.model.units import TIB

if TYPE_CHECKING:
    from kensho.storage.base import ByteSource

_MOST_DISKS = 64 * TIB  # all devices together


@dataclass(frozen=True, slots=True)
class Device:
    """A disk in the archive: its number, its name such as ``drive-scsi0``, bytes."""

    number: int
    name: str
    size: int

    @property
    def clusters(self) -> int:
        """How many clusters it has; the last one may be short."""
        return -(-self.size // s.CLUSTER)


@dataclass(frozen=True, slots=True)
class Archive:
    """What the header says; ``configs`` are files by name, ``time`` seconds since 1970."""

    uuid: bytes
    time: int
    header_size: int
    configs: Mapping[str, bytes]
    devices: tuple[Device, ...]

    @property
    def most_bytes(self) -> int:
        """The most bytes the archive can have: all stored, an extent for each cluster."""
        clusters = sum(device.clusters for device in self.devices)
        return self.header_size + clusters * (s.EXTENT_SIZE + s.CLUSTER)

    def device(self, name: str) -> Device | None:
        """Return the device of that name, None when there is none."""
        return next((device for device in self.devices if device.name == name), None)


def read_archive(source: ByteSource) -> Archive:
    """Read and check the header, and nothing else.

    CorruptError with the offset when it is damaged, TruncatedError when it ends too early,
    UnsupportedError for another version, LimitError for devices beyond 64 TiB.
    """
    magic, version, uuid, time, md5, blobs_at, blobs_size, size = s.HEAD.unpack(
        source.read_at(0, s.HEAD.size)
    )
    if magic != s.MAGIC:
        raise CorruptError("no VMA archive", path=source.name, offset=0)
    if version != s.VERSION:
        raise UnsupportedError(f"VMA version {version}", path=source.name, offset=4)
    if not s.BLOBS_AT <= size <= s.MOST_HEADER or size % s.SECTOR:
        raise CorruptError(f"a header of {size} bytes", path=source.name, offset=56)
    if not s.BLOBS_AT <= blobs_at <= size or blobs_size > size - blobs_at:
        raise CorruptError("the blobs are not in the header", path=source.name, offset=48)
    header = source.read_at(0, size)
    if s.digest(header, s.MD5_AT) != md5:
        raise CorruptError(
            "the MD5 of the header is wrong",
            path=source.name,
            offset=s.MD5_AT,
            hint="the archive is damaged: fetch it again, or take another backup",
        )
    blobs = _Blobs(memoryview(header)[blobs_at : blobs_at + blobs_size], blobs_at, source.name)
    return Archive(uuid, time, size, _configs(header, blobs), _devices(header, blobs))


@dataclass(frozen=True, slots=True)
class _Blobs:
    data: memoryview
    at: int
    path: str

    def get(self, place: int, where: int) -> bytes:
        """Return the blob at ``place``, which byte ``where`` of the header points to."""
        end = place + s.BLOB.size
        if place and end <= len(self.data):
            (length,) = s.BLOB.unpack_from(self.data, place)
            if end + length <= len(self.data):
                return bytes(self.data[end : end + length])
        raise CorruptError(f"there is no blob at {place}", path=self.path, offset=where)

    def name(self, place: int, where: int) -> str:
        """Return the blob as a name; CorruptError unless it is a plain one."""
        text = self.get(place, where).rstrip(b"\0").decode(errors="replace")
        if not text or len(text) > 255 or not text.isprintable() or "/" in text or "\\" in text:
            raise CorruptError(f"{text[:40]!r} is no name", path=self.path, offset=where)
        return text


def _configs(header: bytes, blobs: _Blobs) -> dict[str, bytes]:
    names = s.CONFIGS.unpack_from(header, s.NAMES_AT)
    places = s.CONFIGS.unpack_from(header, s.DATA_AT)
    found: dict[str, bytes] = {}
    for number, (name_at, place) in enumerate(zip(names, places, strict=True)):
        where = s.NAMES_AT + 4 * number
        if not name_at and not place:
            continue
        name = blobs.name(name_at, where)
        if name in found:
            raise CorruptError(f"{name} is there twice", path=blobs.path, offset=where)
        found[name] = blobs.get(place, s.DATA_AT + 4 * number)
    return found


def _devices(header: bytes, blobs: _Blobs) -> tuple[Device, ...]:
    found: dict[str, Device] = {}
    for number in range(1, s.DEVICES):
        where = s.DEVICES_AT + number * s.DEVICE.size
        name_at, size = s.DEVICE.unpack_from(header, where)
        if not name_at and not size:
            continue
        name = blobs.name(name_at, where)
        if name in found:
            raise CorruptError(f"{name} is there twice", path=blobs.path, offset=where)
        found[name] = Device(number, name, size)
    if sum(device.size for device in found.values()) > _MOST_DISKS:
        raise LimitError("disks of more than 64 TiB", path=blobs.path, offset=s.DEVICES_AT)
    return tuple(found.values())
