"""Archives of the kind the kernel unpacks into its first root: cpio, "newc" and "crc".

Spec: the kernel's Documentation/driver-api/early-userspace/buffer-format.rst.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from kensho.model.errors import CorruptError, LimitError

MAGICS = (b"070701", b"070702")
TRAILER = "TRAILER!!!"
_HEAD = 110
_MOST_NAME = 4096
MOST_ENTRIES = 1 << 20
_FIELDS = re.compile(rb"[0-9A-Fa-f]{104}")


@dataclass(frozen=True, slots=True)
class Entry:
    """A file, folder or link; ``name`` has no slash in front. ``data`` is a link's target, too."""

    name: str
    mode: int
    data: memoryview
    uid: int = 0
    gid: int = 0
    mtime: int = 0
    device: tuple[int, int] = (0, 0)

    @property
    def is_folder(self) -> bool:
        """Tell whether it is a folder."""
        return stat.S_ISDIR(self.mode)

    @property
    def link(self) -> str | None:
        """The target of a symbolic link, None for anything else."""
        return _text(bytes(self.data)) if stat.S_ISLNK(self.mode) else None


def read_archive(data: memoryview, path: str) -> tuple[list[Entry], int]:
    """Return the entries of the archive that ``data`` begins with, and the bytes it takes.

    Raises CorruptError with the offset in ``data``; ``path`` is for messages.
    """
    entries: list[Entry] = []
    place = 0
    while True:
        head = bytes(data[place : place + _HEAD])
        if head[:6] not in MAGICS or not _FIELDS.fullmatch(head[6:]):
            raise CorruptError("is no entry of a cpio archive", path=path, offset=place)
        fields = [int(head[at : at + 8], 16) for at in range(6, _HEAD, 8)]
        _, mode, uid, gid, _, mtime, size, _, _, major, minor, name_size, _ = fields
        if not 0 < name_size <= _MOST_NAME:
            raise CorruptError(f"a name of {name_size} bytes", path=path, offset=place)
        start = _aligned(place + _HEAD + name_size)
        end = start + size
        if end > len(data):
            raise CorruptError("the archive ends within a file", path=path, offset=place)
        name = _text(bytes(data[place + _HEAD : place + _HEAD + name_size - 1]))
        place = min(_aligned(end), len(data))
        if name == TRAILER:
            return entries, place
        if len(entries) == MOST_ENTRIES:
            raise LimitError(f"more than {MOST_ENTRIES} files", path=path, offset=place)
        plain = _plain(name)
        entries.append(Entry(plain, mode, data[start:end], uid, gid, mtime, (major, minor)))


def write_archive(entries: list[Entry]) -> bytes:
    """Return an archive of these entries, in their order, with the trailer."""
    return b"".join(_chunks(entries))


def _chunks(entries: list[Entry]) -> Iterator[bytes]:
    # Numbers no archive of a distribution has, so that nothing is taken for a hard link.
    for number, entry in enumerate([*entries, Entry(TRAILER, 0, memoryview(b""))], 0x7000_0000):
        name = entry.name.encode(errors="surrogateescape") + b"\0"
        last = entry.name == TRAILER
        fields = (
            0 if last else number, entry.mode, entry.uid, entry.gid, 1, entry.mtime,
            len(entry.data), 0, 0, *entry.device, len(name), 0,
        )  # fmt: skip
        head = MAGICS[0] + b"".join(b"%08X" % field for field in fields) + name
        yield head + bytes(-len(head) % 4)
        yield bytes(entry.data) + bytes(-len(entry.data) % 4)


def _aligned(place: int) -> int:
    return -(-place // 4) * 4


def _text(raw: bytes) -> str:
    return raw.decode(errors="surrogateescape")


def _plain(name: str) -> str:
    while name.startswith(("./", "/")):
        name = name.removeprefix("./").removeprefix("/")
    return name or "."
