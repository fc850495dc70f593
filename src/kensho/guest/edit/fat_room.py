"""The room in FAT: clusters that are free, and those that edits take."""

from __future__ import annotations

from collections.abc import Sequence

from kensho.guest.edit.fat import check
from kensho.guest.edit.fat_table import Table
from kensho.guest.edit.plan import FileEdit
from kensho.guest.edit.room import Room, made_by
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
    for edit in edits:
        clusters += -(-len(edit.content or b"") // size)
        if tree.exists(edit.path):
            old = tree.stat(edit.path)
            first = first_cluster(files.raw(old.node)) if old.kind is Kind.FILE else 0
            clusters -= len(table.chain(first)) if first else 0
    new, folders = made_by(tree, edits)
    clusters += new + 2 * folders  # one for each where the name finds no room in its folder
    return Room(table.free * size, clusters * size)
