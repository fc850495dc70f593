"""The seam between file systems and everybody who reads a guest's files.

A back end (`FileSystem`) knows nodes: numbers that stand for its files. `GuestFiles` in
``tree.py`` makes paths, links and mounts of that, once for all of them.
"""

from __future__ import annotations

import enum
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

#: Most bytes of one piece that ``FileSystem.data`` yields.
PIECE = 1 << 20


class Kind(enum.StrEnum):
    """What a file is."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"
    BLOCK = "block"
    CHARACTER = "character"
    FIFO = "fifo"
    SOCKET = "socket"


#: By the type in a Unix mode (``stat.S_IFMT``).
KINDS = {
    stat.S_IFREG: Kind.FILE,
    stat.S_IFDIR: Kind.DIRECTORY,
    stat.S_IFLNK: Kind.SYMLINK,
    stat.S_IFBLK: Kind.BLOCK,
    stat.S_IFCHR: Kind.CHARACTER,
    stat.S_IFIFO: Kind.FIFO,
    stat.S_IFSOCK: Kind.SOCKET,
}


@dataclass(frozen=True, slots=True)
class Stat:
    """A file's facts: ``mode`` has the 12 permission bits, ``size`` bytes, ``mtime`` nanoseconds.

    ``device`` is (major, minor) of a device file. Two names with one ``node`` are hard links.
    """

    node: int
    kind: Kind
    size: int
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    mtime: int = 0
    links: int = 1
    device: tuple[int, int] = (0, 0)


class FileSystem(Protocol):
    """A file system open for reading. Names and targets are UTF-8 with surrogateescape.

    Every method raises CorruptError, TruncatedError or LimitError for what cannot be, and
    UnsupportedError for what is not read, such as encrypted files.
    """

    @property
    def kind(self) -> str:
        """``ext4``, ``vfat`` …."""

    @property
    def root(self) -> int:
        """The node of the root directory."""

    @property
    def folds_case(self) -> bool:
        """Tell whether names that differ in case only are the same."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is odd, such as a journal that was not replayed."""

    def stat(self, node: int) -> Stat:
        """Return a node's facts."""

    def entries(self, node: int) -> Iterator[tuple[str, int]]:
        """Yield (name, node) of a directory, without ``.`` and ``..``."""

    def data(self, node: int) -> Iterator[tuple[int, bytes]]:
        """Yield (offset, bytes) of a file in ascending order; what lies between is a hole."""

    def target(self, node: int) -> str:
        """Return where a symbolic link points to."""

    def xattrs(self, node: int) -> Mapping[str, bytes]:
        """Return the extended attributes, names with their prefix, as getxattr(2) gives them."""
