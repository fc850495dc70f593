"""UFS1 and UFS2 as a `FileSystem`. What a journal of soft updates holds is not replayed."""

from __future__ import annotations

import functools
import struct
from collections.abc import Iterator, Mapping

from kensho.guest.files.base import PIECE, Kind, Stat
from kensho.guest.files.ufs.inode import Inode, read_inode, runs
from kensho.guest.files.ufs.superblock import read_superblock
from kensho.guest.volumes.view import View
from kensho.model.errors import CorruptError, LimitError

_ROOT = 2
_KEPT = 4096
_MAX_LINK = 1024
_MAX_DIRECTORY = 1 << 30
_PART = 512  #: bytes of a directory that no entry reaches beyond (DIRBLKSIZ)


class Ufs:
    """A UFS, read in place from a volume."""

    kind = "ufs"
    root = _ROOT
    folds_case = False

    def __init__(self, view: View) -> None:
        self._view = view
        self._sb = read_superblock(view)
        self._inode = functools.lru_cache(_KEPT)(self._read_inode)
        if self._inode(_ROOT).facts.kind is not Kind.DIRECTORY:
            raise CorruptError("the root is no directory", path=view.name)
        told = "was not unmounted cleanly; what its journal holds is not seen"
        self.warnings = () if self._sb.clean else (told,)

    def _read_inode(self, node: int) -> Inode:
        return read_inode(self._view, self._sb, node)

    def stat(self, node: int) -> Stat:
        """Return an inode's facts."""
        return self._inode(node).facts

    def entries(self, node: int) -> Iterator[tuple[str, int]]:
        """Yield the names of a directory and their inodes."""
        inode = self._inode(node)
        if inode.facts.kind is not Kind.DIRECTORY:
            raise CorruptError(f"inode {node} is no directory", path=self._view.name)
        if inode.facts.size > _MAX_DIRECTORY:
            raise LimitError("a directory of more than 1 GiB", path=self._view.name)
        for _, piece in self._pieces(inode):
            for start in range(0, len(piece), _PART):
                yield from self._part(piece[start : start + _PART])

    def _part(self, part: bytes) -> Iterator[tuple[str, int]]:
        at = 0
        while at + 8 <= len(part):
            node, length, _, size = struct.unpack_from("<IHBB", part, at)
            if length < 8 or length % 4 or at + length > len(part) or size > length - 8:
                raise CorruptError("an entry of a directory makes no sense", path=self._view.name)
            name = part[at + 8 : at + 8 + size]
            if node and name not in {b".", b".."}:
                if not name or b"/" in name or b"\0" in name:
                    raise CorruptError("a name that is none", path=self._view.name)
                yield name.decode("utf-8", "surrogateescape"), node
            at += length

    def data(self, node: int) -> Iterator[tuple[int, bytes]]:
        """Yield a file's data, at most 1 MiB at once."""
        inode = self._inode(node)
        if inode.facts.kind is not Kind.FILE:
            raise CorruptError(f"inode {node} is no file", path=self._view.name)
        yield from self._pieces(inode)

    def _pieces(self, inode: Inode) -> Iterator[tuple[int, bytes]]:
        start = place = length = 0
        for offset, at, size in runs(self._view, self._sb, inode):
            if length and offset == start + length and at == place + length and length < PIECE:
                length += size
                continue
            if length:
                yield start, self._view.read(place, length)
            start, place, length = offset, at, size
        if length:
            yield start, self._view.read(place, length)

    def target(self, node: int) -> str:
        """Return where a symbolic link points to."""
        inode = self._inode(node)
        size = inode.facts.size
        if inode.facts.kind is not Kind.SYMLINK:
            raise CorruptError(f"inode {node} is no symbolic link", path=self._view.name)
        if size > _MAX_LINK:
            raise LimitError(f"a symbolic link of {size} bytes", path=self._view.name)
        if size < self._sb.max_inline_link:
            text = inode.area[:size]
        else:
            text = b"".join(piece for _, piece in self._pieces(inode))[:size]
        return text.decode("utf-8", "surrogateescape")

    def xattrs(self, node: int) -> Mapping[str, bytes]:
        """Return nothing: extended attributes of UFS are not read."""
        del node
        return {}


def open_ufs(view: View) -> Ufs:
    """Open a UFS. CorruptError or TruncatedError when it is damaged, UnsupportedError for old ones."""
    return Ufs(view)
