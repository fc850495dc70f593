"""FAT12, FAT16 and FAT32, read-only: EFI system partitions and the like.

Spec: Microsoft FAT32 File System Specification 1.03 (fatgen103). A node is the byte of a file's
directory entry; the root, which has none, is 0.
"""

from __future__ import annotations

import datetime
import functools
import struct
from collections.abc import Iterator, Mapping

from kensho.guest.files.base import PIECE, Kind, Stat
from kensho.guest.files.fat_layout import ENTRY, is_dirty, read_geometry
from kensho.guest.volumes.view import Readable
from kensho.model.errors import CorruptError, LimitError, NotFoundError

_LONG, _VOLUME, _DIRECTORY = 0x0F, 0x08, 0x10
_DELETED = 0xE5
_MAX_DIRECTORY = 65536 * ENTRY  #: as many bytes as the specification allows
_KEPT = 4096


class Fat:
    """A FAT file system, read in place from a volume."""

    kind = "vfat"
    root = 0
    folds_case = True

    def __init__(self, view: Readable) -> None:
        self._view = view
        self._g = read_geometry(view)
        self.warnings: tuple[str, ...] = ()
        if is_dirty(view, self._g):
            self.warnings = ("was not unmounted cleanly",)
        self._entry = functools.lru_cache(_KEPT)(self._read_entry)

    def stat(self, node: int) -> Stat:
        """Return the facts of a directory entry; FAT has no owners and no modes."""
        if node == self.root:
            return Stat(node, Kind.DIRECTORY, 0, 0o755)
        raw = self._entry(node)
        directory = bool(raw[11] & _DIRECTORY)
        mode = 0o555 if raw[11] & 1 else 0o755
        time, date = struct.unpack_from("<HH", raw, 22)
        return Stat(
            node,
            Kind.DIRECTORY if directory else Kind.FILE,
            0 if directory else struct.unpack_from("<I", raw, 28)[0],
            mode,
            mtime=_moment(date, time),
        )

    def raw(self, node: int) -> bytes:
        """Return a node's directory entry, 32 bytes; the root has none."""
        return self._entry(node)

    def entries(self, node: int) -> Iterator[tuple[str, int]]:
        """Yield the names of a directory, long ones where there are."""
        long: dict[int, bytes] = {}
        for place, raw in self.slots(node):
            if raw[0] == 0:
                return
            if raw[0] == _DELETED:
                long = {}
            elif raw[11] & 0x3F == _LONG:
                long[raw[0] & 0x1F] = raw[1:11] + raw[14:26] + raw[28:32] + raw[13:14]
            elif raw[11] & _VOLUME:
                long = {}
            else:
                name = _long_name(long, raw) or short_name(raw)
                long = {}
                if name not in {".", ".."}:
                    if not name or "/" in name or "\0" in name:
                        raise CorruptError("a name that is none", path=self._view.name)
                    yield name, place

    def data(self, node: int) -> Iterator[tuple[int, bytes]]:
        """Yield a file's data; FAT has no holes."""
        raw = self._entry(node)
        size = struct.unpack_from("<I", raw, 28)[0]
        offset = 0
        for start, length in self._runs(first_cluster(raw), -(-size // self._g.cluster)):
            for at in range(0, length, PIECE):
                piece = self._view.read(start + at, min(PIECE, length - at, size - offset))
                yield offset, piece
                offset += len(piece)
        if offset < size:
            raise CorruptError("a file ends before its size", path=self._view.name)

    def target(self, node: int) -> str:
        """Raise NotFoundError: FAT has no links."""
        raise NotFoundError("FAT has no links", path=self._view.name, offset=node)

    def xattrs(self, node: int) -> Mapping[str, bytes]:
        """Return nothing: FAT has none."""
        del node
        return {}

    def _read_entry(self, node: int) -> bytes:
        if not self._g.root <= node <= self._view.size - ENTRY or node % ENTRY:
            raise CorruptError("there is no such entry", path=self._view.name, offset=node)
        return self._view.read(node, ENTRY)

    def slots(self, node: int) -> Iterator[tuple[int, bytes]]:
        """Yield (byte, the 32 bytes there) of all of a directory's room, free or not."""
        if node == self.root and self._g.bits != 32:
            runs: Iterator[tuple[int, int]] = iter([(self._g.root, self._g.root_size)])
        else:
            cluster = self._g.root_cluster if node == self.root else 0
            if node != self.root:
                raw = self._entry(node)
                if not raw[11] & _DIRECTORY:
                    raise CorruptError("is no directory", path=self._view.name, offset=node)
                cluster = first_cluster(raw)
            runs = self._runs(cluster, None)
        total = 0
        for start, length in runs:
            total += length
            if total > _MAX_DIRECTORY + self._g.cluster:
                raise LimitError("a directory of more than 65536 entries", path=self._view.name)
            data = self._view.read(start, length)
            for at in range(0, length - ENTRY + 1, ENTRY):
                yield start + at, data[at : at + ENTRY]

    def _runs(self, cluster: int, most: int | None) -> Iterator[tuple[int, int]]:
        """Yield (byte, bytes) of a chain of clusters, neighbours together."""
        start = length = count = 0
        while 2 <= cluster < self._g.clusters + 2 and (most is None or count < most):
            count += 1
            if count > self._g.clusters:
                raise CorruptError("a chain of clusters never ends", path=self._view.name)
            place = self._g.data + (cluster - 2) * self._g.cluster
            if length and place == start + length and length < PIECE:
                length += self._g.cluster
            else:
                if length:
                    yield start, length
                start, length = place, self._g.cluster
            cluster = self._next(cluster)
        if length:
            yield start, length

    def _next(self, cluster: int) -> int:
        bits, table = self._g.bits, self._g.table
        at = cluster * bits // 8
        if at + 4 > self._g.table_size + 3:
            raise CorruptError("a cluster outside the table", path=self._view.name)
        if bits == 32:
            return int.from_bytes(self._view.read(table + at, 4), "little") & 0x0FFF_FFFF
        value = int.from_bytes(self._view.read(table + at, 2), "little")
        if bits == 16:
            return value
        return value >> 4 if cluster & 1 else value & 0xFFF


def open_fat(view: Readable) -> Fat:
    """Open a FAT file system; CorruptError or TruncatedError when it cannot be one."""
    return Fat(view)


def first_cluster(raw: bytes) -> int:
    """Return the cluster that a directory entry's data begins in, 0 without data."""
    high, low = struct.unpack_from("<H", raw, 20)[0], struct.unpack_from("<H", raw, 26)[0]
    return int(low | high << 16) & 0x0FFF_FFFF


def short_name(raw: bytes) -> str:
    """Return the name that a directory entry has itself, without a long one."""
    stem = raw[:8].rstrip(b" ")
    if stem[:1] == b"\x05":
        stem = b"\xe5" + stem[1:]
    base = stem.decode("cp437")
    suffix = raw[8:11].rstrip(b" ").decode("cp437")
    case = raw[12]  # Windows NT keeps "all lower case" in two bits instead of a long name
    base = base.lower() if case & 0x08 else base
    suffix = suffix.lower() if case & 0x10 else suffix
    return f"{base}.{suffix}" if suffix else base


def _long_name(parts: dict[int, bytes], raw: bytes) -> str:
    """Return the long name, empty when its parts are not those of this entry."""
    if not parts or sorted(parts) != list(range(1, len(parts) + 1)):
        return ""
    total = 0
    for byte in raw[:11]:
        total = ((total & 1) << 7 | total >> 1) + byte & 0xFF
    if any(part[-1] != total for part in parts.values()):
        return ""
    text = b"".join(parts[n][:-1] for n in sorted(parts)).decode("utf-16-le", "replace")
    return text.partition("\0")[0]


def _moment(date: int, time: int) -> int:
    """Return nanoseconds since 1970 of FAT's local time, taken for UTC; 0 when it is none."""
    try:
        moment = datetime.datetime(
            1980 + (date >> 9), date >> 5 & 15, date & 31,
            time >> 11, time >> 5 & 63, min(59, (time & 31) * 2), tzinfo=datetime.UTC,
        )  # fmt: skip
    except ValueError:
        return 0
    return int(moment.timestamp()) * 1_000_000_000
