"""The room told in XFS and NTFS is what their own tools tell."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.guest.images_of import MIB, run, volumes_of
from tests.guest.ntfs_images import LARGE, fill, make_ntfs

from kensho.guest.edit.backends import room_of
from kensho.guest.edit.plan import FileEdit


def test_what_is_free_in_xfs_is_what_xfs_db_tells_less_a_reserve(tmp_path: Path) -> None:
    image = tmp_path / "x.img"
    with image.open("wb") as file:
        file.truncate(304 * MIB)
    run("mkfs.xfs", "-q", image)
    free = int(run("xfs_db", "-r", "-c", "sb 0", "-c", "print fdblocks", image).split()[-1]) * 4096
    (volume,) = volumes_of(image).volumes
    room = room_of(volume, (FileEdit("/new", bytes(free), ""),))
    if room is None:
        pytest.skip("nothing here edits XFS by a mount")
    # Linux was seen to write as much as is told, and to be full 6 MiB later.
    assert 0.9 * free < room.free < free
    assert room.lacking > 0
    small = room_of(volume, (FileEdit("/a folder/new", b"x", ""),))
    assert small is not None
    assert 0 < small.needed < MIB


def test_what_is_free_in_ntfs_is_what_ntfsinfo_tells(tmp_path: Path) -> None:
    image = make_ntfs(tmp_path, fill)
    (volume,) = volumes_of(image).volumes
    free = int(run("ntfsinfo", "-m", image).partition("Free Clusters: ")[2].split()[0])
    room = room_of(volume, ())
    assert room is not None
    assert (room.free, room.needed) == (free * 4096, 0)
    edits = (
        FileEdit("/large", LARGE + bytes(MIB), "a megabyte more"),
        FileEdit("/Windows/new/new", b"x", "a folder and a file"),
        FileEdit("/small.txt", None, "a name of two"),
    )
    room = room_of(volume, edits)
    assert room is not None
    assert MIB <= room.needed <= MIB + 10 * 4096
