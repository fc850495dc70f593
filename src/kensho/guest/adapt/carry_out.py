"""A planned adaptation carried out: what changes on the disks, written to overlays over them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

from kensho.disks.base import DiskReader
from kensho.disks.overlay import create_overlay, open_overlay
from kensho.guest.adapt.plan import AdaptPlan
from kensho.guest.edit.backends import edit_volume
from kensho.guest.edit.disk import Piece
from kensho.guest.edit.patch import pieces

_PIECE = 1 << 20


def carry_out(plan: AdaptPlan, folder: Path) -> Iterator[tuple[str, Piece]]:
    """Carry the edits out in ``folder``; yield what changes: the disk (``disk1`` …), and the piece.

    The disks are only read, and all of a volume's edits are done or none is: what the back end
    raises (`kensho.guest.edit.backends`) leaves nothing that counts.
    """
    for number, volume in enumerate(plan.volumes):
        work = folder / f"volume{number}"
        work.mkdir()
        yield from pieces(edit_volume(volume.volume, volume.edits, work))


def write_overlay(
    changes: Iterable[Piece], disk: DiskReader, backing: tuple[str, str], path: Path
) -> None:
    """Write what changes of a disk to a QCOW2 over it.

    ``backing`` is the disk's name and format as the overlay is to record them. The file is there whole
    or not at all.
    """
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".adapt-") as folder:
        pending = Path(folder) / "overlay"
        create_overlay(pending, disk.virtual_size, *backing)
        with closing(open_overlay(pending, disk)) as overlay:
            for piece in changes:
                with piece.file.open("rb") as file:
                    file.seek(piece.at)
                    for at in range(0, piece.length, _PIECE):
                        overlay.write_at(
                            piece.start + at, file.read(min(_PIECE, piece.length - at))
                        )
        with pending.open("rb") as file:
            os.fsync(file.fileno())
        pending.replace(path)
