"""btrfs as a `FileSystem`: one of its subvolumes, with those below it where they are."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping

from kensho.guest.files.base import Kind, Stat
from kensho.guest.files.btrfs.tree import MOST
from kensho.guest.files.btrfs.volume import FIRST_INODE, TOP, Btrfs
from kensho.guest.volumes.view import Readable
from kensho.model.errors import CorruptError, NotFoundError

_KEPT = 4096


class Subvolume:
    """A subvolume; ``number`` is its own, ``within`` its path below the top, empty for that."""

    kind = "btrfs"
    folds_case = False

    def __init__(self, btrfs: Btrfs, number: int) -> None:
        self._btrfs = btrfs
        self.number = number
        self.root = number << 64 | FIRST_INODE
        self._stat = functools.lru_cache(_KEPT)(btrfs.stat)
        self.within = btrfs.path_of(number)
        self.warnings = btrfs.warnings
        if self._stat(self.root).kind is not Kind.DIRECTORY:
            raise CorruptError("the root is no directory", path=btrfs.view.name)

    @property
    def devices(self) -> int:
        """How many devices the file system is on."""
        return self._btrfs.chunks.sb.devices

    def is_with(self, other: Subvolume) -> bool:
        """Tell whether another subvolume is one of the same file system."""
        return self._btrfs is other._btrfs

    def children(self) -> tuple[Subvolume, ...]:
        """Return the subvolumes directly below the top."""
        return tuple(Subvolume(self._btrfs, number) for _, number in self._btrfs.children())

    def named(self, options: tuple[str, ...]) -> Subvolume:
        """Return the subvolume that mount options name, or the default one; NotFoundError."""
        words = dict(option.partition("=")[::2] for option in options)
        if "subvol" in words:
            return Subvolume(self._btrfs, self._at(words["subvol"]))
        number = words.get("subvolid", "")
        if number.isdecimal() and len(number) < 20:
            return Subvolume(self._btrfs, int(number) or TOP)
        return Subvolume(self._btrfs, self._btrfs.default())

    def _at(self, path: str) -> int:
        node = TOP << 64 | FIRST_INODE
        for part in path.split("/"):
            if part:
                found = dict(self._btrfs.entries(node)).get(part)
                if found is None:
                    raise NotFoundError("there is no such subvolume", path=path)
                node = found
        if node & MOST != FIRST_INODE:
            raise NotFoundError("is no subvolume", path=path)
        return node >> 64

    def stat(self, node: int) -> Stat:
        """Return an inode's facts."""
        return self._stat(node)

    def entries(self, node: int) -> Iterator[tuple[str, int]]:
        """Yield the names of a directory and their nodes, subvolumes among them."""
        if self._stat(node).kind is not Kind.DIRECTORY:
            raise CorruptError("no directory", path=self._btrfs.view.name)
        return self._btrfs.entries(node)

    def data(self, node: int) -> Iterator[tuple[int, bytes]]:
        """Yield a file's data, unpacked, at most 1 MiB at once."""
        return self._btrfs.data(node)

    def target(self, node: int) -> str:
        """Return where a symbolic link points to."""
        return self._btrfs.target(node)

    def xattrs(self, node: int) -> Mapping[str, bytes]:
        """Return the extended attributes."""
        return self._btrfs.xattrs(node)


def open_btrfs(view: Readable) -> Subvolume:
    """Open the subvolume that all others are below: whatever a path of the volume is within.

    CorruptError, TruncatedError, UnsupportedError when it cannot be.
    """
    return Subvolume(Btrfs.of(view), TOP)
