"""What is new in a guest, as an archive that libguestfs unpacks: files with owners, modes, attributes."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from kensho.guest.edit.plan import FileEdit
from kensho.guest.files.base import FileSystem, Kind, Stat
from kensho.guest.files.tree import GuestFiles
from kensho.model.errors import NotFoundError, UnsupportedError
from kensho.storage.tar import BLOCK
from kensho.storage.tar_headers import DIRECTORY, REGULAR, SYMLINK, Member, headers

_LABEL = "security.selinux"
_SIBLINGS = 64  #: files whose labels are looked at for a new one's
_NANO = 1_000_000_000


@dataclass(slots=True)
class Archive:
    """The archive of edits' new files. ``kept`` are facts and attributes of those that are replaced."""

    files: FileSystem
    kept: dict[str, tuple[Stat, Mapping[str, bytes]]] = field(default_factory=dict)
    _made: set[str] = field(default_factory=set)

    def write(self, path: Path, edits: Sequence[FileEdit]) -> None:
        """Write it; UnsupportedError for what cannot be done to a file.

        Times are the root directory's: no clock is in it, so that the same edits make the same bytes.
        """
        with path.open("xb") as out:
            for edit in edits:
                for piece in self._pieces(edit):
                    out.write(piece)
            out.write(bytes(2 * BLOCK))

    def _pieces(self, edit: FileEdit) -> Iterator[bytes]:
        old = self._lstat(edit.path)
        if old is not None and old.kind not in {Kind.FILE, Kind.SYMLINK}:
            raise UnsupportedError(f"is a {old.kind}", path=edit.path)
        if edit.content is None and not edit.target:
            return
        yield from self._folders(edit)
        if edit.content is None:
            label = self._label(edit.path, Kind.SYMLINK)
            target = os.fsencode(edit.target)
            yield self._head(edit.path, SYMLINK, (0o777, edit.uid, edit.gid), label, link=target)
            return
        owner, attributes = (edit.mode, edit.uid, edit.gid), self._label(edit.path, Kind.FILE)
        if old is not None:
            if old.kind is not Kind.FILE or old.links > 1:
                raise UnsupportedError(
                    "is a link, or has several names, of which libguestfs would make two files",
                    path=edit.path, hint="run as root: the kernel writes it in place",
                )  # fmt: skip
            attributes = dict(self._tree.xattrs(edit.path))
            self.kept[edit.path] = (old, attributes)
            owner = (old.mode, old.uid, old.gid)
        size = len(edit.content)
        yield self._head(edit.path, REGULAR, owner, attributes, size=size)
        yield edit.content
        yield bytes(-size % BLOCK)

    def _folders(self, edit: FileEdit) -> Iterator[bytes]:
        """Yield the folders that are missing on the way to a file, the edit's owner's."""
        parts = edit.path.split("/")[1:-1]
        for count in range(len(parts)):
            folder = "/" + "/".join(parts[: count + 1])
            if folder in self._made:
                continue
            old = self._lstat(folder)
            if old is None:
                self._made.add(folder)
                label = self._label(folder, Kind.DIRECTORY)
                yield self._head(f"{folder}/", DIRECTORY, (0o755, edit.uid, edit.gid), label)
            elif old.kind is not Kind.DIRECTORY:
                raise UnsupportedError(f"{folder} is a {old.kind}, no folder", path=edit.path)

    def _head(
        self,
        path: str,
        kind: bytes,
        owner: tuple[int, int, int],
        attributes: Mapping[str, bytes],
        *,
        size: int = 0,
        link: bytes = b"",
    ) -> bytes:
        time = self.files.stat(self.files.root).mtime // _NANO
        name = os.fsencode(path.lstrip("/"))
        return headers(Member(name, kind, size, *owner, time, link, attributes))

    def _label(self, path: str, kind: Kind) -> dict[str, bytes]:
        """Return the SELinux label that most such files in the folder have, or else its own."""
        near = path.rpartition("/")[0] or "/"
        folder = near
        while (facts := self._lstat(near)) is None:
            near = near.rpartition("/")[0] or "/"
        own = self.files.xattrs(facts.node).get(_LABEL)
        if own is None:
            return {}
        found: Counter[bytes] = Counter()
        if near == folder and kind is not Kind.DIRECTORY:
            for _, node in islice(sorted(self.files.entries(facts.node)), _SIBLINGS):
                if self.files.stat(node).kind is kind:
                    found.update([self.files.xattrs(node).get(_LABEL, own)])
        return {_LABEL: found.most_common(1)[0][0] if found else own}

    @property
    def _tree(self) -> GuestFiles:
        return GuestFiles(self.files)

    def _lstat(self, path: str) -> Stat | None:
        try:
            return self._tree.stat(path, follow=False)
        except NotFoundError:
            return None
