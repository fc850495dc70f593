"""CD-ROM images: ISO 9660 with Rock Ridge or Joliet, read-only.

Spec: ECMA-119 (ISO 9660), the Joliet specification 1995, IEEE P1281/P1282 (SUSP and Rock Ridge: names
alone are taken from it). Not read: UDF, which images for Windows often have beside ISO 9660. A node is
the byte of a directory's content, doubled, or of a file's record, doubled and one.
"""

from __future__ import annotations

import calendar
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from kensho.guest.files.base import PIECE, Kind, Stat
from kensho.guest.volumes.view import Readable
from kensho.model.errors import CorruptError, KenshoError, LimitError, UnsupportedError

_SECTOR = 2048
_FIRST = 16  #: sector of the first volume descriptor
_MAX_DESCRIPTORS = 64
_MAX_DIRECTORY = 64 << 20
_MAX_NODES = 500_000
_MAX_AREAS = 16  #: continuation areas of one record
_DIRECTORY, _MORE = 0x02, 0x80  #: flags of a record: a directory; the file goes on in the next one
_JOLIET = (b"%/@", b"%/C", b"%/E")
_UDF = (b"NSR02", b"NSR03")


@dataclass(slots=True)
class _Node:
    """A file or directory: its pieces as (byte, length), and when it was changed."""

    directory: bool
    pieces: list[tuple[int, int]]
    mtime: int

    @property
    def size(self) -> int:
        return sum(length for _, length in self.pieces)


class Iso9660:
    """A CD-ROM's files, read in place."""

    kind = "iso9660"
    folds_case = True
    warnings: tuple[str, ...] = ()

    def __init__(self, view: Readable) -> None:
        self._view = view
        record, self._joliet = _root_record(view)
        self._nodes: dict[int, _Node] = {}
        self.root, root = _node(record, 0, view)
        self._nodes[self.root] = root
        first = view.read(root.pieces[0][0], 34 + 7) if root.size >= 41 else b""
        self._rock_ridge = not self._joliet and first[34:36] == b"SP"

    def stat(self, node: int) -> Stat:
        """Return a node's facts; owners and modes of Rock Ridge are not read."""
        found = self._nodes[node]
        if found.directory:
            return Stat(node, Kind.DIRECTORY, 0, 0o755, mtime=found.mtime)
        return Stat(node, Kind.FILE, found.size, 0o644, mtime=found.mtime)

    def entries(self, node: int) -> Iterator[tuple[str, int]]:
        """Yield the names in a directory."""
        going_on: _Node | None = None
        for place, record in self._records(node):
            number, found = _node(record, place, self._view)
            if going_on is not None:
                going_on.pieces += found.pieces
                going_on = going_on if record[25] & _MORE else None
                continue
            self._nodes.setdefault(number, found)
            if len(self._nodes) > _MAX_NODES:
                raise LimitError(f"more than {_MAX_NODES} files", path=self._view.name)
            # Those of a file known already are not added a second time.
            going_on = found if record[25] & _MORE else None
            yield self._name(record), number

    def data(self, node: int) -> Iterator[tuple[int, bytes]]:
        """Yield a file's bytes."""
        offset = 0
        for start, length in self._nodes[node].pieces:
            for done in range(0, length, PIECE):
                piece = self._view.read(start + done, min(PIECE, length - done))
                yield offset + done, piece
            offset += length

    def target(self, node: int) -> str:
        """Raise: links of Rock Ridge are not read."""
        raise UnsupportedError(f"node {node} is no symbolic link", path=self._view.name)

    def xattrs(self, node: int) -> Mapping[str, bytes]:  # noqa: ARG002
        """Return nothing: there are none."""
        return {}

    def _records(self, node: int) -> Iterator[tuple[int, bytes]]:
        """Yield (byte, record) of a directory, without its own two."""
        start, size = self._nodes[node].pieces[0]
        if size > _MAX_DIRECTORY:
            raise LimitError(f"a directory of {size} bytes", path=self._view.name, offset=start)
        for sector in range(start, start + size, _SECTOR):
            block = self._view.read(sector, min(_SECTOR, start + size - sector))
            place = 0
            while place < len(block) and block[place]:
                length = block[place]
                record = block[place : place + length]
                if length < 34 or len(record) < length or 33 + record[32] > length:
                    raise CorruptError(
                        "a directory record that cannot be",
                        path=self._view.name,
                        offset=sector + place,
                    )
                if record[32] != 1 or record[33] > 1:
                    yield sector + place, record
                place += length

    def _name(self, record: bytes) -> str:
        raw = record[33 : 33 + record[32]]
        if self._joliet:
            name = raw.decode("utf-16-be", errors="replace")
        else:
            name = self._long_name(record) or raw.decode("cp1252", errors="replace")
        if ";" in name:
            name = name.rpartition(";")[0]
        name = name.rstrip(".") if not self._rock_ridge else name
        if name in {"", ".", ".."} or "/" in name or "\0" in name:
            raise CorruptError(f"a file cannot be called {name!r}", path=self._view.name)
        return name

    def _long_name(self, record: bytes) -> str:
        """Return the Rock Ridge name: its NM entries, here and in the areas it is continued in."""
        if not self._rock_ridge:
            return ""
        name = b""
        area = record[33 + record[32] + (1 - record[32] % 2) :]
        for _ in range(_MAX_AREAS):
            following = b""
            place = 0
            while place + 4 <= len(area) and area[place + 2] >= 4:
                length = area[place + 2]
                entry = area[place : place + length]
                if entry[:2] == b"NM" and len(entry) >= 5:
                    name += entry[5:]
                elif entry[:2] == b"CE" and len(entry) >= 28:
                    block, offset, size = (
                        struct.unpack_from("<I", entry, at)[0] for at in (4, 12, 20)
                    )
                    following = self._view.read(block * _SECTOR + offset, min(size, _SECTOR))
                place += length
            if not following:
                break
            area = following
        return name.decode("utf-8", errors="surrogateescape")


def open_iso9660(view: Readable) -> Iso9660:
    """Open an image. UnsupportedError when it is UDF alone, CorruptError when it is none."""
    return Iso9660(view)


def _root_record(view: Readable) -> tuple[bytes, bool]:
    """Return the root's record and whether names are Joliet's: Rock Ridge, which has all, wins."""
    primary = joliet = b""
    udf = False
    for number in range(_MAX_DESCRIPTORS):
        try:
            block = view.read((_FIRST + number) * _SECTOR, _SECTOR)
        except KenshoError:
            break
        udf = udf or block[1:6] in _UDF
        if block[1:6] != b"CD001":
            if block[1:6] not in {*_UDF, b"BEA01", b"TEA01"}:
                break
            continue
        if block[0] == 1 and not primary:
            primary = block
        elif block[0] == 2 and block[88:91] in _JOLIET:
            joliet = block
    if not primary and udf:
        raise UnsupportedError(
            "is a UDF image without ISO 9660, which is not read",
            path=view.name,
            hint="copy its files to a folder, and name that",
        )
    if not primary:
        raise CorruptError("is no CD-ROM image", path=view.name, offset=_FIRST * _SECTOR)
    if struct.unpack_from("<H", primary, 128)[0] != _SECTOR:
        raise UnsupportedError("its blocks are not of 2048 bytes", path=view.name)
    record = primary[156:190]
    extent, size = struct.unpack_from("<I4xI", record, 2)
    first = view.read(extent * _SECTOR, 41) if size >= 41 else b""
    if first[34:36] == b"SP" or not joliet:
        return record, False
    return joliet[156:190], True


def _node(record: bytes, place: int, view: Readable) -> tuple[int, _Node]:
    extent, size = struct.unpack_from("<I4xI", record, 2)
    start = (extent + record[1]) * _SECTOR
    if start + size > view.size:
        raise CorruptError(
            "a file beyond the end: the image is cut off", path=view.name, offset=place
        )
    directory = bool(record[25] & _DIRECTORY)
    number = start * 2 if directory else place * 2 + 1
    return number, _Node(directory, [(start, size)], _moment(record[18:25]))


def _moment(stamp: bytes) -> int:
    year, month, day, hour, minute, second = stamp[:6]
    zone = int.from_bytes(stamp[6:7], signed=True)  # quarters of an hour
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return 0
    moment = calendar.timegm((1900 + year, month, day, hour, minute, second, 0, 0, 0))
    return (moment - zone * 900) * 1_000_000_000
