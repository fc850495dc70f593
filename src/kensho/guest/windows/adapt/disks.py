"""How Windows names partitions in its registry and its boot configuration.

By the disk's signature and the partition's first byte on an MBR disk, by the partition's GUID on a
GPT one (winreg-kb, "Mounted devices"; BCD devices as in `bcd.py`).
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from kensho.guest.inspect.systems import Opened
from kensho.guest.volumes.scan import Volume

_DMIO = b"DMIO:ID:"


@dataclass(frozen=True, slots=True)
class Place:
    """A partition. ``disk`` is the signature (4 bytes) or GUID (16) as stored in little endian."""

    gpt: bool
    disk: bytes
    start: int
    partition: bytes = b""

    @property
    def mounted(self) -> bytes:
        r"""The value that ``SYSTEM\MountedDevices`` has for it."""
        if self.gpt:
            return _DMIO + self.partition
        return self.disk + self.start.to_bytes(8, "little")


def place_on_disk(volume: Volume, opened: Opened) -> Place | None:
    """Return how Windows names a volume, None for one that is no partition."""
    part = volume.partition
    if part is None or not volume.id.startswith("disk"):
        return None
    number = int(volume.id.removeprefix("disk").partition("p")[0])
    table = opened.volumes.tables[number - 1]
    if table is None:
        return None
    if table.scheme == "gpt":
        disk, own = uuid.UUID(table.uuid).bytes_le, uuid.UUID(part.uuid).bytes_le
        return Place(gpt=True, disk=disk, start=part.start, partition=own)
    return Place(gpt=False, disk=bytes.fromhex(table.uuid)[::-1], start=part.start)


def places(opened: Opened) -> dict[str, Place]:
    """Return how Windows names every partition of the machine's disks, by volume."""
    found = ((v.id, place_on_disk(v, opened)) for v in opened.volumes.volumes)
    return {name: place for name, place in found if place is not None}
