"""The room told in XFS is the room there is: Linux itself writes as much, and not much more."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.guest.images_of import MIB, run, volumes_of

from kensho.guest.edit.backends import BACKENDS, edit_volume, lacking, room_of
from kensho.guest.edit.plan import FileEdit
from kensho.model.errors import NoSpaceError

_LACKING = "".join(lacking(row) for row in BACKENDS if row.name == "kernel" and "xfs" in row.kinds)


@pytest.mark.skipif(bool(_LACKING), reason=_LACKING)
def test_what_is_told_fits_and_a_little_more_does_not(tmp_path: Path) -> None:
    image = tmp_path / "x.img"
    with image.open("wb") as file:
        file.truncate(304 * MIB)
    run("mkfs.xfs", "-q", image)
    (volume,) = volumes_of(image).volumes
    probe = room_of(volume, (FileEdit("/new", b"", ""),))
    assert probe is not None
    for size, fits in ((probe.free - MIB, True), (probe.free + 8 * MIB, False)):
        edits = (FileEdit("/new", b"\1" * size, ""),)
        room = room_of(volume, edits)
        assert room is not None
        assert (room.lacking == 0) is fits
        work = tmp_path / f"work{size}"
        work.mkdir()
        if fits:
            assert edit_volume(volume, edits, work).runs
        else:
            with pytest.raises(NoSpaceError):
                edit_volume(volume, edits, work)
