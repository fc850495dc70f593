"""A folder of files that appear together: all under temporary names, then renamed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

from kensho.model.errors import LocatorError, UnsafePathError
from kensho.storage.atomic import PendingFile

if TYPE_CHECKING:
    from types import TracebackType

    from kensho.storage import ByteSource, FileSink

#: Copies a whole source to the start of a sink, or only hashes it; returns digests.
Copy = Callable[["FileSink | None"], dict[str, str]]


class Folder:
    """Files being written into ``folder``; leaving the block puts all of them in place.

    Leaving it by an exception leaves what was there. Renames follow each other in the order of
    the files, the last one added is the last to appear.
    """

    __slots__ = ("_folder", "_made", "_obsolete", "_overwrite", "_pending")

    def __init__(self, folder: Path, *, overwrite: bool) -> None:
        self._folder = folder
        self._overwrite = overwrite
        self._pending: list[PendingFile] = []
        self._obsolete: list[Path] = []
        self._made: list[Path] = []

    def refuse(self, names: Iterable[tuple[str, ByteSource | None]]) -> None:
        """Raise LocatorError if a file would be replaced that must not; before anything is read."""
        for name, source in names:
            path = self._folder / name
            if source is None or not _is_same(path, source):
                self._refuse(path)

    def add(self, name: str, source: ByteSource, copy: Copy) -> dict[str, str]:
        """Write a file by ``copy``; one that is ``source`` itself stays and is only hashed."""
        path = self._place(name)
        if _is_same(path, source):
            return copy(None)
        self._refuse(path)
        pending = PendingFile(path)
        self._pending.append(pending)
        digests = copy(pending.sink)
        pending.sink.truncate(source.size)  # a hole at the end was not written
        return digests

    def put(self, name: str, data: bytes | None) -> None:
        """Write a small file; None removes the one that is there."""
        path = self._place(name)
        if data is None:
            if self._overwrite:
                self._obsolete.append(path)
            return
        self._refuse(path)
        pending = PendingFile(path)
        self._pending.append(pending)
        pending.sink.append(data)

    def _place(self, name: str) -> Path:
        path = self._folder / name
        for folder in reversed(path.parents):
            if not folder.exists():
                folder.mkdir()
                self._made.append(folder)
        if not path.parent.resolve().is_relative_to(self._folder.resolve()):
            raise UnsafePathError(f"a link leads out of the folder: {name!r}", path=self._folder)
        return path

    def _refuse(self, path: Path) -> None:
        if path.exists() and not self._overwrite:
            raise LocatorError("there is a file already", path=path, hint="add --overwrite")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if kind is None:
            try:
                self._commit()
            except BaseException:
                self._discard()
                raise
        else:
            self._discard()

    def _commit(self) -> None:
        for pending in self._pending:
            pending.sink.flush()  # before the first rename: what can fail fails here
        while self._pending:
            self._pending[0].commit()
            del self._pending[0]
        for path in self._obsolete:
            path.unlink(missing_ok=True)

    def _discard(self) -> None:
        for pending in self._pending:
            pending.discard()
        for folder in reversed(self._made):
            with suppress(OSError):
                folder.rmdir()


def _is_same(path: Path, source: ByteSource) -> bool:
    """Tell whether the whole file at ``path`` is what ``source`` reads."""
    file = source.kernel_file()
    if file is None or file[1] != 0 or path.is_symlink():
        return False
    try:
        there = path.stat()
    except OSError:
        return False
    return os.path.samestat(os.fstat(file[0]), there) and there.st_size == source.size
