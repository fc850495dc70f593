"""Files that appear complete or not at all."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Self

from kensho.storage.file import FileSink

if TYPE_CHECKING:
    from types import TracebackType


class PendingFile:
    """A file under construction beside its final place.

    ::

        with PendingFile(path) as pending:
            pending.sink.append(data)

    The bytes go to ``.<name>.kensho-partial`` in the same folder. Leaving the block
    normally makes them durable and renames; leaving it by any exception, Ctrl-C
    included, removes them and leaves what was at ``path`` untouched.
    """

    __slots__ = ("_partial", "path", "sink")

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._partial = partial_path(self.path)
        with contextlib.suppress(FileNotFoundError):  # left by a killed run
            self._partial.unlink()
        self.sink = FileSink(self._partial, exclusive=True)

    def commit(self) -> None:
        """Put the file in place: fsync, rename, fsync of the folder."""
        self.sink.flush()
        self.sink.close()
        self._partial.replace(self.path)
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            # Some network file systems cannot sync a folder; the file itself is safe.
            with contextlib.suppress(OSError):
                os.fsync(folder)
        finally:
            os.close(folder)

    def discard(self) -> None:
        """Remove what was written so far."""
        self.sink.close()
        self._partial.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if kind is not None:
            self.discard()
            return
        try:
            self.commit()
        except BaseException:
            self.discard()
            raise


def partial_path(path: Path) -> Path:
    """Return where the bytes of ``path`` are kept until it is complete."""
    return path.with_name(f".{path.name}.kensho-partial")
