"""From a volume's patch to pieces of the disks it lies on."""

from __future__ import annotations

from collections.abc import Iterator

from kensho.guest.edit.disk import Piece
from kensho.guest.edit.ext import Patch


def pieces(patch: Patch) -> Iterator[tuple[str, Piece]]:
    """Yield where a patch lies: the disk's name (``disk1`` …), and the piece there."""
    for offset, length in patch.runs:
        at = offset
        for disk, start, run in patch.view.places(offset, length):
            yield disk.name, Piece(start, run, patch.image, at)
            at += run
