"""The room in NTFS: clusters that its ``$Bitmap`` has free, and those that edits take."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from kensho.guest.edit.plan import FileEdit
from kensho.guest.edit.room import Room, made_by
from kensho.guest.files.base import Kind
from kensho.guest.files.ntfs.reader import open_ntfs
from kensho.guest.files.ntfs.volume import Volume
from kensho.guest.files.tree import GuestFiles
from kensho.guest.volumes.view import View
from kensho.model.errors import NotFoundError

_BITMAP = 6  #: its record


def room_ntfs(view: View, edits: Sequence[FileEdit]) -> Room:
    """Measure; paths are those within the volume. Raises what reading it raises.

    Files that Windows packed count as large as they are.
    """
    files, volume = open_ntfs(view), Volume(view)
    tree = GuestFiles(files)
    used = sum(int.from_bytes(piece, "little").bit_count() for _, piece in files.data(_BITMAP))
    bits = 8 * files.stat(_BITMAP).size  # those behind the last cluster are set
    clusters = 0
    for edit in edits:
        clusters += -(-len(edit.content or b"") // volume.cluster)
        with contextlib.suppress(NotFoundError):
            old = tree.stat(edit.path, follow=False)
            if old.kind is Kind.FILE and (edit.content is not None or old.links == 1):
                clusters -= -(-old.size // volume.cluster)
    new, folders = made_by(tree, edits)
    # A record each, and a cluster where a name finds no room in its folder.
    records = -(-(new + folders) * volume.record_size // volume.cluster)
    clusters += records + new + 2 * folders
    return Room((bits - used) * volume.cluster, clusters * volume.cluster)
