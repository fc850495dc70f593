"""The room in FAT: clusters that are free, and those that edits take."""

from __future__ import annotations

from collections.abc import Sequence

from kensho.guest.edit.fat import check
from kensho.guest.edit.fat_table import Table
from kensho.guest.edit.plan import FileEdit
from kensho.guest.edit.room import Room
from kensho.guest.files.base import Kind
from kensho.guest.files.fat import Fat, first_cluster
from kensho.guest.files.fat_layout import read_geometry
from kensho.guest.files.tree import GuestFiles
from kensho.guest.volumes.view import View


def room_fat(view: View, edits: Sequence[FileEdit]) -> Room:
    """Measure; paths are those within the file system. CorruptError when it is damaged."""
    files = Fat(view)
    tree, table = GuestFiles(files), Table.read(view, read_geometry(view))
    check(files, table)
    size = table.geometry.cluster
    clusters = 0
    made: set[str] = set()
    for edit in edits:
        if tree.exists(edit.path):
            old = tree.stat(edit.path)
            first = first_cluster(files.raw(old.node)) if old.kind is Kind.FILE else 0
            clusters -= len(table.chain(first)) if first else 0
        elif edit.content is not None:
            parts = edit.path.split("/")[1:-1]
            folders = {"/" + "/".join(parts[: n + 1]) for n in range(len(parts))} - made
            missing = {folder for folder in folders if not tree.exists(folder)}
            made |= missing
            clusters += len(missing) + 1  # the last where the name finds no room in its folder
        if edit.content is not None:
            clusters += -(-len(edit.content) // size)
    return Room(table.free * size, clusters * size)
