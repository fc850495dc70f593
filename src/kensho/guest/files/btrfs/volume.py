"""A btrfs as a whole: its subvolumes, and nodes in all of them.

A node is the subvolume's number and the inode's: ``subvolume << 64 | inode``. Where a snapshot has
the place of a subvolume that it does not hold, Linux shows an empty directory: its node has the
snapshot's number above those two.
"""

from __future__ import annotations

import stat
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from kensho.guest.files.base import KINDS, PIECE, Kind, Stat
from kensho.guest.files.btrfs.chunks import Chunks, system_chunks
from kensho.guest.files.btrfs.packed import unpack
from kensho.guest.files.btrfs.superblock import read_superblock
from kensho.guest.files.btrfs.tree import MOST, Key, Root, Trees
from kensho.guest.volumes.view import Readable
from kensho.model.errors import CorruptError, LimitError, UnsupportedError

TOP = 5  #: the subvolume that all others are below
FIRST_INODE = 256  #: the root directory of a subvolume
_INODE, _INODE_REF, _XATTR, _DIR_ITEM, _DIR_INDEX, _EXTENT = 1, 12, 24, 84, 96, 108
_ROOT_ITEM, _ROOT_BACKREF, _ROOT_REF, _CHUNK = 132, 144, 156, 228
_EMPTY = 2  #: Linux's inode number of what stands for a subvolume that is not there
_INLINE, _REGULAR, _PREALLOCATED = 0, 1, 2
_MAX_PACKED = 1 << 20  #: bytes of one compressed extent; Linux makes them of 128 KiB
_MAX_LINK, _MAX_DEPTH = 4096, 1024
_DIR_ENTRY = struct.Struct("<QBQQHHB")


@dataclass(slots=True)
class Btrfs:
    """A btrfs on one device. Nodes are as the module says."""

    view: Readable
    trees: Trees
    chunks: Chunks
    _roots: dict[int, Root] = field(default_factory=dict)

    @classmethod
    def of(cls, view: Readable) -> Btrfs:
        """Read superblock and chunks; CorruptError, UnsupportedError when that cannot be."""
        sb = read_superblock(view)
        chunks = system_chunks(view, sb)
        trees = Trees(chunks)
        for key, raw in trees.items(sb.chunk_root, (256, _CHUNK, 0), (256, _CHUNK, MOST)):
            chunks.add(key[2], raw)
        return cls(view, trees, chunks)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is odd."""
        if self.chunks.sb.log:
            return ("was not unmounted cleanly; what its log holds is not seen",)
        return ()

    def default(self) -> int:
        """Return the subvolume that is mounted where none is named."""
        folder = self.chunks.sb.root_directory
        for _, raw in self._items(self.chunks.sb.root, folder, _DIR_ITEM):
            for (subvolume, kind, _), name, _ in self._dir_items(raw):
                if name == b"default" and kind == _ROOT_ITEM:
                    return subvolume
        return TOP

    def children(self) -> tuple[tuple[str, int], ...]:
        """Return (name, number) of the subvolumes directly below the top, by number."""
        found = []
        for key, raw in self._items(self.chunks.sb.root, TOP, _ROOT_REF):
            name, folder = _reference(raw)
            if folder == FIRST_INODE:
                found.append((name, key[2]))
        return tuple(found)

    def path_of(self, subvolume: int) -> str:
        """Return where a subvolume is below the top, empty for the top itself."""
        path = ""
        for _ in range(_MAX_DEPTH):
            if subvolume == TOP:
                return path
            found = self._first(self.chunks.sb.root, subvolume, _ROOT_BACKREF)
            if found is None:
                raise CorruptError(f"btrfs: subvolume {subvolume} is nowhere", path=self.view.name)
            (_, _, parent), raw = found
            name, folder = _reference(raw)
            path = f"{self._path_within(parent, folder)}/{name}{path}"
            subvolume = parent
        raise CorruptError("btrfs: subvolumes within themselves", path=self.view.name)

    def _path_within(self, subvolume: int, inode: int) -> str:
        path = ""
        for _ in range(_MAX_DEPTH):
            if inode == FIRST_INODE:
                return path
            found = self._first(self.root_of(subvolume), inode, _INODE_REF)
            if found is None or len(found[1]) < 10:
                raise CorruptError(f"btrfs: directory {inode} is nowhere", path=self.view.name)
            (_, _, inode), raw = found
            (size,) = struct.unpack_from("<H", raw, 8)
            path = f"/{_text(raw[10 : 10 + size])}{path}"
        raise CorruptError("btrfs: directories within themselves", path=self.view.name)

    def root_of(self, subvolume: int) -> Root:
        """Return a subvolume's tree; CorruptError when there is none."""
        if subvolume not in self._roots:
            low, high = (subvolume, _ROOT_ITEM, 0), (subvolume, _ROOT_ITEM, MOST)
            found = list(self.trees.items(self.chunks.sb.root, low, high))
            raw = found[-1][1] if found else b""  # the last one counts
            if len(raw) < 239 or raw[238] > 7:
                raise CorruptError(f"btrfs: there is no subvolume {subvolume}", path=self.view.name)
            self._roots[subvolume] = (struct.unpack_from("<Q", raw, 176)[0], raw[238])
        return self._roots[subvolume]

    def stat(self, node: int) -> Stat:
        """Return a node's facts."""
        subvolume, inode = node >> 64, node & MOST
        if subvolume > MOST:
            return Stat(node, Kind.DIRECTORY, 0, 0o755)
        found = self._first(self.root_of(subvolume), inode, _INODE)
        if found is None or len(found[1]) < 160:
            raise CorruptError(f"btrfs: there is no inode {inode}", path=self.view.name)
        raw = found[1]
        (size,) = struct.unpack_from("<Q", raw, 16)
        links, uid, gid, mode, rdev = struct.unpack_from("<IIIIQ", raw, 40)
        seconds, nanoseconds = struct.unpack_from("<qI", raw, 136)
        kind = KINDS.get(stat.S_IFMT(mode))
        if kind is None:
            raise CorruptError(f"btrfs: inode {inode} is nothing", path=self.view.name)
        links = 1 if kind is Kind.DIRECTORY else links
        device = (rdev >> 20, rdev & 0xFFFFF)
        return Stat(
            node, kind, size, mode & 0o7777, uid, gid, seconds * 10**9 + nanoseconds, links, device
        )

    def entries(self, node: int) -> Iterator[tuple[str, int]]:
        """Yield (name, node) of a directory."""
        subvolume, inode = node >> 64, node & MOST
        if subvolume > MOST:
            return
        for _, raw in self._items(self.root_of(subvolume), inode, _DIR_INDEX):
            for (number, kind, _), name, _ in self._dir_items(raw):
                if not name or b"/" in name or b"\0" in name or name in {b".", b".."}:
                    raise CorruptError("btrfs: a name that is none", path=self.view.name)
                if kind != _ROOT_ITEM:
                    yield _text(name), subvolume << 64 | number
                elif self._is_child(subvolume, number, inode):
                    yield _text(name), number << 64 | FIRST_INODE
                else:
                    yield _text(name), (subvolume << 64 | number) << 64 | _EMPTY

    def _is_child(self, parent: int, child: int, folder: int) -> bool:
        key = (parent, _ROOT_REF, child)
        found = self.trees.find(self.chunks.sb.root, key, key)
        return found is not None and _reference(found[1])[1] == folder

    def data(self, node: int) -> Iterator[tuple[int, bytes]]:
        """Yield (offset, bytes) of a file, at most `PIECE` at once."""
        size = self.stat(node).size
        for (_, _, start), raw in self._items(self.root_of(node >> 64), node & MOST, _EXTENT):
            for offset, piece in self._extent(start, raw, max(0, size - start)):
                yield offset, piece[: max(0, size - offset)]

    def _extent(self, start: int, raw: bytes, left: int) -> Iterator[tuple[int, bytes]]:
        if len(raw) < 21:
            raise CorruptError("btrfs: an extent is cut off", path=self.view.name)
        _, size, packed, encrypted, other, kind = struct.unpack_from("<QQBBHB", raw)
        if encrypted or other:
            raise UnsupportedError("btrfs: the file is encrypted", path=self.view.name)
        if kind == _INLINE:
            data = raw[21:]
            if packed:
                data = self._unpacked(data, packed, size)
            yield start, data[:size]
            return
        if kind not in {_REGULAR, _PREALLOCATED} or len(raw) < 53:
            raise CorruptError("btrfs: an extent makes no sense", path=self.view.name)
        address, on_disk, within, length = struct.unpack_from("<4Q", raw, 21)
        length = min(length, left)
        if not address or kind == _PREALLOCATED:
            return
        if packed:
            if on_disk > _MAX_PACKED:
                raise LimitError("btrfs: a compressed extent too large", path=self.view.name)
            whole = self._unpacked(self.chunks.read(address, on_disk), packed, size)
            yield start, whole[within : within + length]
            return
        if within + length > on_disk + self.chunks.sb.sector:
            raise CorruptError("btrfs: an extent makes no sense", path=self.view.name)
        for at in range(0, length, PIECE):
            take = min(PIECE, length - at)
            yield start + at, self.chunks.read(address + within + at, take)

    def _unpacked(self, data: bytes, kind: int, size: int) -> bytes:
        if size > _MAX_PACKED:
            raise LimitError("btrfs: a compressed extent too large", path=self.view.name)
        made = unpack(data, kind, size, self.chunks.sb.sector, self.view.name)
        return made + bytes(size - len(made))  # what is not there is zero, as Linux has it

    def target(self, node: int) -> str:
        """Return where a symbolic link points to."""
        facts = self.stat(node)
        if facts.kind is not Kind.SYMLINK or facts.size > _MAX_LINK:
            raise CorruptError("btrfs: no symbolic link", path=self.view.name)
        return _text(b"".join(piece for _, piece in self.data(node))[: facts.size])

    def xattrs(self, node: int) -> Mapping[str, bytes]:
        """Return the extended attributes."""
        if node >> 64 > MOST:
            return {}
        return {
            _text(name): value
            for _, raw in self._items(self.root_of(node >> 64), node & MOST, _XATTR)
            for _, name, value in self._dir_items(raw)
        }

    def _dir_items(self, raw: bytes) -> Iterator[tuple[Key, bytes, bytes]]:
        """Yield (where it leads, name, value) of the entries in one item: those of one hash."""
        at = 0
        while at + _DIR_ENTRY.size <= len(raw):
            number, kind, offset, _, data, size, _ = _DIR_ENTRY.unpack_from(raw, at)
            at += _DIR_ENTRY.size
            if at + size + data > len(raw):
                raise CorruptError("btrfs: an entry is cut off", path=self.view.name)
            value = raw[at + size : at + size + data]
            yield (number, kind, offset), raw[at : at + size], value
            at += size + data

    def _items(self, root: Root, number: int, kind: int) -> Iterator[tuple[Key, bytes]]:
        return self.trees.items(root, (number, kind, 0), (number, kind, MOST))

    def _first(self, root: Root, number: int, kind: int) -> tuple[Key, bytes] | None:
        return self.trees.find(root, (number, kind, 0), (number, kind, MOST))


def _reference(raw: bytes) -> tuple[str, int]:
    """Return the name and the directory that a subvolume has in its parent."""
    if len(raw) < 18:
        raise CorruptError("btrfs: a subvolume's place makes no sense")
    folder, _, size = struct.unpack_from("<QQH", raw)
    return _text(raw[18 : 18 + size]), folder


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")
