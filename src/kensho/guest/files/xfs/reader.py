"""XFS as a `FileSystem`."""

from __future__ import annotations

import functools
import struct
from collections.abc import Iterator, Mapping

from kensho.guest.files.base import PIECE, Kind, Stat
from kensho.guest.files.xfs import xattr
from kensho.guest.files.xfs.directory import LEAF_OFFSET, block_entries, short_entries
from kensho.guest.files.xfs.inode import LOCAL, Fork, Inode, read_inode, runs
from kensho.guest.files.xfs.superblock import NEEDS_REPAIR, check, log_is_clean, read_superblock
from kensho.guest.volumes.view import Readable
from kensho.model.errors import CorruptError, LimitError, UnsupportedError

_MAX_LINK = 1024
_MAX_LINK_EXTENT = 1 << 17  #: bytes; a link and its head in the largest blocks
_KEPT = 4096  #: inodes


class Xfs:
    """An XFS file system, read in place from a volume."""

    kind = "xfs"
    folds_case = False

    def __init__(self, view: Readable) -> None:
        self._view = view
        self._sb = read_superblock(view)
        self.root = self._sb.root
        self._inode = functools.lru_cache(_KEPT)(
            lambda node: read_inode(self._view, self._sb, node)
        )
        if self._inode(self.root).facts.kind is not Kind.DIRECTORY:
            raise CorruptError("the root is no directory", path=view.name)
        warnings = []
        if self._sb.incompat & NEEDS_REPAIR:
            warnings.append("is marked as in need of xfs_repair")
        if log_is_clean(view, self._sb) is False:
            warnings.append("was not unmounted cleanly; what its log holds is not seen")
        self.warnings = tuple(warnings)

    def stat(self, node: int) -> Stat:
        """Return an inode's facts."""
        return self._inode(node).facts

    def entries(self, node: int) -> Iterator[tuple[str, int]]:
        """Yield the names of a directory and their inodes."""
        inode = self._inode(node)
        if inode.facts.kind is not Kind.DIRECTORY:
            raise CorruptError(f"inode {node} is no directory", path=self._view.name)
        if inode.data.format == LOCAL:
            yield from short_entries(self._view, self._sb, inode.data.area)
            return
        size = self._sb.directory_block
        pending, start = b"", 0
        for offset, piece in self._pieces(inode.data, node):
            if offset >= LEAF_OFFSET:
                break
            # a block of the directory may be in several blocks of the volume
            if offset != start + len(pending):
                pending, start = b"", offset
            pending += piece
            while len(pending) >= size:
                yield from block_entries(self._view, self._sb, pending[:size])
                pending, start = pending[size:], start + size

    def data(self, node: int) -> Iterator[tuple[int, bytes]]:
        """Yield a file's data, at most 1 MiB at once."""
        inode = self._inode(node)
        if inode.realtime:
            raise UnsupportedError("the file is on a realtime device", path=self._view.name)
        for offset, piece in self._pieces(inode.data, node, inode.facts.size):
            yield offset, piece[: inode.facts.size - offset]

    def target(self, node: int) -> str:
        """Return where a symbolic link points to."""
        inode = self._inode(node)
        size = inode.facts.size
        if inode.facts.kind is not Kind.SYMLINK:
            raise CorruptError(f"inode {node} is no symbolic link", path=self._view.name)
        if size > _MAX_LINK:
            raise LimitError(f"a symbolic link of {size} bytes", path=self._view.name)
        if inode.data.format == LOCAL:
            text = inode.data.area[:size]
        else:
            text = self._remote_link(inode, node)[:size]
        return text.decode("utf-8", "surrogateescape")

    def _remote_link(self, inode: Inode, node: int) -> bytes:
        text = b""
        for _, place, count in runs(self._view, self._sb, inode.data, node):
            # an extent has one head, however many blocks it is of
            if count * self._sb.block > _MAX_LINK_EXTENT:
                raise LimitError("a symbolic link of too many blocks", path=self._view.name)
            piece = self._view.read(place, count * self._sb.block)
            if self._sb.v5:
                check(self._view, piece, 12, "symbolic link")
                (length,) = struct.unpack_from(">I", piece, 8)
                piece = piece[56 : 56 + length] if piece[:4] == b"XSLM" else b""
            text += piece
        return text

    def xattrs(self, node: int) -> Mapping[str, bytes]:
        """Return the extended attributes."""
        inode = self._inode(node)
        fork = inode.attributes
        if fork is None:
            return {}
        if fork.format == LOCAL:
            return dict(xattr.short_attributes(self._view, fork.area))
        if not fork.extents:
            return {}
        places = {
            logical + n: place + n * self._sb.block
            for logical, place, count in runs(self._view, self._sb, fork, node)
            for n in range(min(count, 1 << 16))
        }

        def read(number: int) -> bytes:
            if number not in places:
                raise CorruptError("a block of attributes is nowhere", path=self._view.name)
            return self._view.read(places[number], self._sb.block)

        return dict(xattr.tree_attributes(self._view, self._sb, read))

    def _pieces(
        self, fork: Fork, node: int, size: int | None = None
    ) -> Iterator[tuple[int, bytes]]:
        """Yield (offset, whole blocks) of a fork, no more than up to ``size``."""
        block = self._sb.block
        step = max(1, PIECE // block)
        wanted = None if size is None else -(-size // block)
        for logical, place, count in runs(self._view, self._sb, fork, node):
            kept = count if wanted is None else min(count, wanted - logical)
            for n in range(0, kept, step):
                take = min(step, kept - n) * block
                yield (logical + n) * block, self._view.read(place + n * block, take)


def open_xfs(view: Readable) -> Xfs:
    """Open an XFS file system; CorruptError, TruncatedError, UnsupportedError when it cannot be."""
    return Xfs(view)
