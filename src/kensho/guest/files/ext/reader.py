"""ext2, ext3 and ext4 as a `FileSystem`."""

from __future__ import annotations

import functools
import struct
from collections.abc import Iterator, Mapping

from kensho.guest.files.base import PIECE, Kind, Stat
from kensho.guest.files.ext import inode as inodes
from kensho.guest.files.ext import xattr
from kensho.guest.files.ext.inode import Inode, read_inode, runs
from kensho.guest.files.ext.journal import replay
from kensho.guest.files.ext.superblock import read_superblock
from kensho.guest.volumes.view import Readable
from kensho.model.errors import CorruptError, FormatError, LimitError, UnsupportedError

_ROOT = 2
_FAST_LINK = 60
_MAX_LINK = 4096
_MAX_INLINE = 1 << 16
_KEPT = 4096  #: inodes


class Ext:
    """An ext2, ext3 or ext4 file system, read in place from a volume."""

    root = _ROOT
    folds_case = False

    def __init__(self, view: Readable) -> None:
        self._view = view
        self._sb = read_superblock(view)
        self.warnings: tuple[str, ...] = ()
        if self._sb.needs_recovery:
            self.warnings = (self._replay(view),)
        self.kind = self._sb.kind
        self._inode = functools.lru_cache(_KEPT)(self._read_inode)
        if self._inode(_ROOT).facts.kind is not Kind.DIRECTORY:
            raise CorruptError("the root is no directory", path=view.name)

    @property
    def view(self) -> Readable:
        """The volume, with the journal replayed over it."""
        return self._view

    def _replay(self, view: Readable) -> str:
        """Lay what the journal holds over the volume; return what is to be said of it."""
        try:
            if not self._sb.journal_inode:
                raise UnsupportedError("the journal is on another device", path=view.name)
            journal = read_inode(view, self._sb, self._sb.journal_inode)
            self._view = replayed = replay(view, self._sb, journal)
            self._sb = read_superblock(self._view)
        except FormatError as error:
            self._view = view
            return (
                "was not unmounted cleanly, and its journal cannot be replayed"
                f" ({error.message}): it is read as it stands"
            )
        if not replayed.whole:
            return (
                "was not unmounted cleanly; its journal is replayed in memory, but for fast commits:"
                " the last changes are not seen"
            )
        return "was not unmounted cleanly; its journal is replayed in memory"

    def _read_inode(self, node: int) -> Inode:
        return read_inode(self._view, self._sb, node)

    def stat(self, node: int) -> Stat:
        """Return an inode's facts."""
        return self._inode(node).facts

    def entries(self, node: int) -> Iterator[tuple[str, int]]:
        """Yield the names of a directory and their inodes; hashed ones are read in a row."""
        inode = self._inode(node)
        if inode.facts.kind is not Kind.DIRECTORY:
            raise CorruptError(f"inode {node} is no directory", path=self._view.name)
        if inode.flags & inodes.FLAG_ENCRYPT:
            raise UnsupportedError("the names in it are encrypted (fscrypt)", path=self._view.name)
        if inode.flags & inodes.FLAG_INLINE:
            data = self._inline(inode)
            yield from self._names(data[4:_FAST_LINK])  # the first number is its parent
            yield from self._names(data[_FAST_LINK:])
            return
        block = self._sb.block
        for _, piece in self._blocks(inode):
            for at in range(0, len(piece), block):
                yield from self._names(piece[at : at + block])

    def _names(self, block: bytes) -> Iterator[tuple[str, int]]:
        at = 0
        while at + 8 <= len(block):
            number, length, name_length, _ = struct.unpack_from("<IHBB", block, at)
            if length in {0, 0xFFFF} and len(block) >= 1 << 16:
                length = 1 << 16  # what 16 bits cannot say
            if length < 8 or length % 4 or at + length > len(block) or name_length + 8 > length:
                raise CorruptError("a directory's entry makes no sense", path=self._view.name)
            name = block[at + 8 : at + 8 + name_length]
            if number and name not in {b".", b".."}:
                if not name or b"/" in name or b"\0" in name:
                    raise CorruptError("a name that is none", path=self._view.name)
                yield name.decode("utf-8", "surrogateescape"), number
            at += length

    def data(self, node: int) -> Iterator[tuple[int, bytes]]:
        """Yield a file's data, at most 1 MiB at once."""
        inode = self._inode(node)
        if inode.flags & inodes.FLAG_ENCRYPT:
            raise UnsupportedError("the file is encrypted (fscrypt)", path=self._view.name)
        if inode.flags & inodes.FLAG_INLINE:
            yield 0, self._inline(inode)
            return
        for offset, piece in self._blocks(inode):
            yield offset, piece[: inode.facts.size - offset]

    def target(self, node: int) -> str:
        """Return where a symbolic link points to."""
        inode = self._inode(node)
        size = inode.facts.size
        if inode.facts.kind is not Kind.SYMLINK:
            raise CorruptError(f"inode {node} is no symbolic link", path=self._view.name)
        if size > _MAX_LINK:
            raise LimitError(f"a symbolic link of {size} bytes", path=self._view.name)
        if inode.flags & inodes.FLAG_ENCRYPT:
            raise UnsupportedError("the link is encrypted (fscrypt)", path=self._view.name)
        if inode.flags & inodes.FLAG_INLINE:
            text = self._inline(inode)
        elif size < _FAST_LINK and not inode.flags & inodes.FLAG_EXTENTS:
            text = inode.area[:size]
        else:
            text = b"".join(piece for _, piece in self._blocks(inode))[:size]
        return text.partition(b"\0")[0].decode("utf-8", "surrogateescape")

    def xattrs(self, node: int) -> Mapping[str, bytes]:
        """Return the extended attributes, but for the one that inline data lies in."""
        inode = self._inode(node)
        return {k: v for k, v in self._attributes(inode) if k != "system.data"}

    def _attributes(self, inode: Inode) -> Iterator[tuple[str, bytes]]:
        name = self._view.name
        found = list(xattr.in_inode(inode.extra, name))
        if inode.acl_block:
            if inode.acl_block >= self._sb.blocks:
                raise CorruptError("attributes that are nowhere", path=name)
            block = self._view.read(inode.acl_block * self._sb.block, self._sb.block)
            found.extend(xattr.in_block(block, name))
        for key, value, where in found:
            yield key, self._attribute(where) if where else value

    def _attribute(self, node: int) -> bytes:
        """Return an attribute that has an inode of its own."""
        inode = self._inode(node)
        if not inode.flags & inodes.FLAG_EA_INODE or inode.facts.size > _MAX_INLINE:
            raise CorruptError(f"inode {node} is no attribute's", path=self._view.name)
        return b"".join(piece for _, piece in self._blocks(inode))[: inode.facts.size]

    def _inline(self, inode: Inode) -> bytes:
        """Return data kept in the inode: the room of its block pointers, then an attribute."""
        more = dict(self._attributes(inode)).get("system.data", b"")
        return (inode.area + more)[: inode.facts.size]

    def _blocks(self, inode: Inode) -> Iterator[tuple[int, bytes]]:
        """Yield (offset, whole blocks) of an inode's data."""
        block = self._sb.block
        step = PIECE // block
        for logical, physical, count in runs(self._view, self._sb, inode):
            for n in range(0, count, step):
                take = min(step, count - n)
                yield (
                    (logical + n) * block,
                    self._view.read((physical + n) * block, take * block),
                )


def open_ext(view: Readable) -> Ext:
    """Open an ext file system; CorruptError, TruncatedError, UnsupportedError when it cannot be."""
    return Ext(view)
