"""What debugfs is told so that a file system's files become what edits want of them.

Spec: debugfs(8); inode flags: Linux include/uapi/linux/fs.h (``FS_*_FL``), fs/ext4/ext4.h.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from kensho.guest.edit.plan import FileEdit
from kensho.guest.files.base import Kind, Stat
from kensho.guest.files.ext.inode import FLAG_ENCRYPT, read_inode
from kensho.guest.files.ext.reader import Ext
from kensho.guest.files.ext.superblock import Superblock
from kensho.guest.files.tree import GuestFiles
from kensho.model.errors import NotFoundError, UnsupportedError

_PLAIN = re.compile(r'[^"\x00-\x1f\x7f]+')
_VERITY, _CASEFOLD = 0x100000, 0x40000000
#: What chattr(1) sets on a plain file and a new one is to keep: A, a, d, i, j, S, s, t, u, x.
KEPT_FLAGS = 0x1 | 0x2 | 0x8 | 0x10 | 0x20 | 0x40 | 0x80 | 0x4000 | 0x8000 | 0x2000000
_LABEL = "security.selinux"
_SIBLINGS = 64  #: files whose labels are looked at for a new one's


@dataclass(slots=True)
class Script:
    """Commands for debugfs, and in ``flags`` what files are to keep of their old flags."""

    ext: Ext
    sb: Superblock
    folder: Path
    lines: list[str] = field(default_factory=list)
    flags: dict[str, int] = field(default_factory=dict)
    _gone: set[str] = field(default_factory=set)
    _made: set[str] = field(default_factory=set)
    _written: dict[int, bytes] = field(default_factory=dict)
    _files: int = 0
    _tree: GuestFiles = field(init=False)

    def __post_init__(self) -> None:
        self._tree = GuestFiles(self.ext)

    def add(self, edits: Sequence[FileEdit]) -> None:
        """Add what carries the edits out; UnsupportedError for what cannot be done to a file."""
        writes: list[tuple[str, FileEdit]] = []
        for edit in edits:
            if edit.content is not None:
                writes.append((settled(self._tree, edit.path), edit))
            else:
                self._remove(edit.path)
        for path, edit in writes:
            self._write(path, edit)
        for edit in edits:
            if edit.content is None and edit.target:
                self._link(itself(self._tree, edit.path), edit)

    def _remove(self, wanted: str) -> None:
        path = itself(self._tree, wanted)
        old = self._lstat(path)
        if old is None or path in self._gone:
            return
        self._check_folder(path)
        if old.kind not in {Kind.FILE, Kind.SYMLINK}:
            raise UnsupportedError(
                f"is a {old.kind}: only files and links are deleted", path=wanted
            )
        self._gone.add(path)
        self._there(path, "rm")

    def _write(self, path: str, edit: FileEdit) -> None:
        assert edit.content is not None
        old = self._lstat(path)
        if old is not None and path in self._gone:
            old = None
        if old is not None and old.kind is not Kind.FILE:
            raise UnsupportedError(f"is a {old.kind}, no plain file", path=edit.path)
        if old is not None and old.node in self._written:
            if self._written[old.node] != edit.content:
                raise UnsupportedError(
                    "is one file with another name that is to become something else",
                    path=edit.path, hint="make them two files in the guest: cp --remove-destination",
                )  # fmt: skip
            return
        self._folders(path, edit)
        self._check_folder(path)
        if old is None:
            label = self._label(path, Kind.FILE)
            self._new(path, edit.content, (edit.mode, edit.uid, edit.gid), label)
            return
        self._written[old.node] = edit.content
        inode = read_inode(self.ext.view, self.sb, old.node)
        if inode.flags & (FLAG_ENCRYPT | _VERITY):
            what = "encrypted (fscrypt)" if inode.flags & FLAG_ENCRYPT else "sealed (fs-verity)"
            raise UnsupportedError(
                f"is {what}", path=edit.path, hint="replace the file in the guest by a plain copy"
            )
        names = self._names_of(path, old)
        for name in names:
            self._there(name, "rm")
        attributes = dict(sorted(self.ext.xattrs(old.node).items()))
        self._new(path, edit.content, (old.mode, old.uid, old.gid), attributes)
        if inode.project:
            self.lines.append(f'sif "{path}" projid {inode.project}')
        for name in names[1:]:
            self._there(name, f'ln "{path}"')
        if len(names) > 1:
            self.lines.append(f'sif "{path}" links_count {len(names)}')
        if inode.flags & KEPT_FLAGS:
            self.flags[path] = inode.flags & KEPT_FLAGS

    def _new(
        self, path: str, content: bytes, owner: tuple[int, int, int], attributes: dict[str, bytes]
    ) -> None:
        """Add a file with mode, uid and gid; the folder is there, and the name is free."""
        self._there(path, f"write {self._file(content)}")
        self._owned(path, 0o100000 | owner[0], owner[1:], attributes)

    def _link(self, path: str, edit: FileEdit) -> None:
        self._folders(path, edit)
        self._check_folder(path)
        _plain(edit.target)
        self._there(path, "symlink", f' "{edit.target}"')
        self._owned(path, 0o120777, (edit.uid, edit.gid), self._label(path, Kind.SYMLINK))

    def _owned(
        self, path: str, mode: int, owner: Sequence[int], attributes: dict[str, bytes]
    ) -> None:
        self.lines.append(f'sif "{path}" mode 0{mode:o}')
        self.lines.append(f'sif "{path}" uid {owner[0]}')
        self.lines.append(f'sif "{path}" gid {owner[1]}')
        for key, value in attributes.items():
            if not _PLAIN.fullmatch(key) or " " in key:
                raise UnsupportedError("has an attribute that debugfs cannot be told", path=path)
            self.lines.append(f'ea_set -f "{self._file(value)}" "{path}" {key}')

    def _there(self, path: str, before: str, behind: str = "") -> None:
        """Add a command for a name in its folder: of "/name" debugfs makes a name in whatever folder."""
        above, _, name = path.rpartition("/")
        self.lines.append(f'cd "{_plain(above or "/")}"')
        self.lines.append(f'{before} "{_plain(name)}"{behind}')

    def _folders(self, path: str, edit: FileEdit) -> None:
        """Make the folders that are missing on the way to ``path``, the edit's owner's."""
        parts = path.split("/")[1:-1]
        for count in range(len(parts)):
            folder = "/" + "/".join(parts[: count + 1])
            if folder in self._made:
                continue
            old = None if folder in self._gone else self._lstat(folder)
            if old is not None and old.kind is not Kind.DIRECTORY:
                raise UnsupportedError(f"{folder} is a {old.kind}, no folder", path=edit.path)
            if old is None:
                self._check_folder(folder)
                self._made.add(folder)
                self._there(folder, "mkdir")
                label = self._label(folder, Kind.DIRECTORY)
                self._owned(folder, 0o40755, (edit.uid, edit.gid), label)

    def _check_folder(self, path: str) -> None:
        """Raise UnsupportedError where the folder's names are such that debugfs would get them wrong."""
        _plain(path)
        facts = self._lstat(path.rpartition("/")[0] or "/")
        if facts is None or facts.kind is not Kind.DIRECTORY:
            return
        flags = read_inode(self.ext.view, self.sb, facts.node).flags
        if flags & FLAG_ENCRYPT:
            raise UnsupportedError("the names in its folder are encrypted (fscrypt)", path=path)
        if flags & _CASEFOLD:
            raise UnsupportedError(
                "its folder takes small and large letters for the same", path=path,
                hint="change the file in the guest",
            )  # fmt: skip

    def _label(self, path: str, kind: Kind) -> dict[str, bytes]:
        """Return the label that a new file most likely is to have under SELinux; none without it.

        It is the one that most files of that kind in the same folder have, or else the folder's own,
        which is what Linux gives where no rule says otherwise.
        """
        folder = path.rpartition("/")[0] or "/"
        near = folder
        while (facts := self._lstat(near)) is None or facts.kind is not Kind.DIRECTORY:
            near = near.rpartition("/")[0] or "/"
        own = self.ext.xattrs(facts.node).get(_LABEL)
        if own is None:
            return {}
        found: Counter[bytes] = Counter()
        if near == folder and kind is not Kind.DIRECTORY:
            for _, node in islice(sorted(self.ext.entries(facts.node)), _SIBLINGS):
                if self.ext.stat(node).kind is kind:
                    found.update([self.ext.xattrs(node).get(_LABEL, own)])
        return {_LABEL: found.most_common(1)[0][0] if found else own}

    def _names_of(self, path: str, old: Stat) -> list[str]:
        """Return all names of a file, ``path`` first, but those that are deleted."""
        names = [path]
        if old.links > 1:
            names += self._others(path, old)
        return [name for name in names if name not in self._gone]

    def _others(self, path: str, old: Stat) -> list[str]:
        found: set[str] = set()
        for start in dict.fromkeys((path.rpartition("/")[0] or "/", "/")):
            for entry in self._tree.walk(start):
                if entry.stat.node == old.node and entry.path != path:
                    found.add(entry.path)
                    if len(found) == old.links - 1:
                        for name in found:
                            _plain(name)
                            self._check_folder(name)
                        return sorted(found)
        raise UnsupportedError(f"has {old.links} names, and not all are found", path=path)

    def _lstat(self, path: str) -> Stat | None:
        try:
            return self._tree.stat(path, follow=False)
        except NotFoundError:
            return None

    def _file(self, content: bytes) -> str:
        name = f"new{self._files}"
        self._files += 1
        (self.folder / name).write_bytes(content)
        return name


def settled(tree: GuestFiles, path: str) -> str:
    """Return the path without links; UnsupportedError for a link that leads nowhere."""
    try:
        return tree.real(path)
    except NotFoundError:
        pass
    try:
        tree.stat(path, follow=False)
    except NotFoundError:
        return tree.settled(path)
    raise UnsupportedError("is a link that leads nowhere", path=path)


def itself(tree: GuestFiles, path: str) -> str:
    """Return the path without links but for the last name."""
    above, _, name = path.rstrip("/").rpartition("/")
    return f"{tree.settled(above or '/').rstrip('/')}/{name}"


def old_nodes(ext: Ext, edits: Iterable[FileEdit]) -> Iterator[int]:
    """Yield the inodes that edits take away or replace."""
    tree = GuestFiles(ext)
    for edit in edits:
        try:
            yield tree.stat(edit.path, follow=edit.content is not None).node
        except NotFoundError:
            continue


def _plain(word: str) -> str:
    if not _PLAIN.fullmatch(word):
        raise UnsupportedError("a name that debugfs cannot be told", path=word)
    return word
