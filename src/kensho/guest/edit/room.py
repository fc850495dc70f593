"""How much room a file system has, and how much edits take: measured before anything is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kensho.guest.edit.plan import FileEdit
from kensho.guest.files.tree import GuestFiles
from kensho.model.errors import NotFoundError


@dataclass(frozen=True, slots=True)
class Room:
    """Bytes and files of one volume.

    ``needed`` bytes are taken more than now (less than none where edits give some back); ``reserved``
    of the ``free`` ones are kept for root. ``new_files`` of ``free_files`` are taken; 0 and 0 where
    files are not counted.
    """

    free: int
    needed: int
    reserved: int = 0
    free_files: int = 0
    new_files: int = 0

    @property
    def lacking(self) -> int:
        """Bytes that do not fit, those for root counted as free; 0 when all do."""
        return max(0, self.needed - self.free)

    @property
    def lacking_files(self) -> int:
        """Files that do not fit."""
        return max(0, self.new_files - self.free_files)

    @property
    def takes_reserved(self) -> bool:
        """Tell whether it fits only into what is kept for root."""
        return not self.lacking and self.needed > 0 and self.needed > self.free - self.reserved


def made_by(tree: GuestFiles, edits: Sequence[FileEdit]) -> tuple[int, int]:
    """Return how many files and links, and how many folders on the way to them, are made."""
    folders: set[str] = set()
    files = 0
    for edit in edits:
        if (edit.content is not None or edit.target) and not _there(tree, edit.path):
            files += 1
            parts = edit.path.split("/")[1:-1]
            folders |= {"/" + "/".join(parts[: n + 1]) for n in range(len(parts))}
    return files, sum(not _there(tree, folder) for folder in folders)


def _there(tree: GuestFiles, path: str) -> bool:
    try:
        tree.stat(path, follow=False)
    except NotFoundError:
        return False
    return True
