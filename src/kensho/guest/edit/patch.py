"""From a volume's patch to pieces of the disk it lies on."""

from __future__ import annotations

from kensho.guest.edit.disk import Piece
from kensho.guest.edit.ext import Patch
from kensho.model.errors import UnsupportedError


def pieces(patch: Patch) -> tuple[Piece, ...]:
    """Return where on the disk a patch lies. UnsupportedError for a volume over several disks."""
    found = []
    disks = set()
    for offset, length in patch.runs:
        at = offset
        for disk, start, run in patch.view.places(offset, length):
            disks.add(disk.name)
            found.append(Piece(start, run, patch.image, at))
            at += run
    if len(disks) > 1:
        raise UnsupportedError(
            f"the volume lies on several disks: {', '.join(sorted(disks))}", path=patch.view.name
        )
    return tuple(found)
