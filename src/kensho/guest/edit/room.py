"""How much room a file system has, and how much edits take: measured before anything is written."""

from __future__ import annotations

from dataclasses import dataclass


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
