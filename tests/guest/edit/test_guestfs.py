"""Edits by libguestfs are what they are by the kernel; each starts an emulated machine."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.guest.edit.test_kernel_mount import (
    CAPABILITY,
    CHECKS,
    EDITS,
    LACKING,
    kind_of,
    patched,
    source,
    whole,
)
from tests.guest.images_of import run

from kensho.disks import open_disk
from kensho.guest.edit.backends import BACKENDS, lacking
from kensho.guest.edit.disk import PatchedDisk
from kensho.guest.edit.patch import pieces
from kensho.guest.edit.plan import FileEdit
from kensho.guest.files.open import open_files
from kensho.guest.files.tree import GuestFiles
from kensho.guest.volumes.scan import scan
from kensho.model.errors import UnsupportedError
from kensho.storage import FileSource

ROW = next(row for row in BACKENDS if row.name == "libguestfs")
ALL = (LACKING + lacking(ROW)).strip()

pytestmark = [pytest.mark.skipif(bool(ALL), reason=ALL)]
#: ``/small`` has two names, of which libguestfs would make two files.
ONE_NAME = (*EDITS[1:], FileEdit("/odd \"name'\\ $x", b"quoted", "a name"))

assert source


@pytest.mark.boot
def test_the_same_as_by_the_kernel(tmp_path: Path, source: Path) -> None:
    disk = open_disk(FileSource(source))
    (volume,) = scan([disk]).volumes
    assert volume.view is not None
    (tmp_path / "work").mkdir()
    patch = ROW.edit(volume.view, ONE_NAME, tmp_path / "work")
    ours = PatchedDisk(disk, [piece for _, piece in pieces(patch)])
    run(*CHECKS[kind_of(source)], whole(ours, tmp_path / "after.img"))
    theirs = patched(source, ONE_NAME, tmp_path / "kernel")
    trees = [GuestFiles(open_files(scan([d]).volumes[0])) for d in (ours, theirs)]
    told = [
        {
            found.path: (
                found.stat.kind, found.stat.mode, found.stat.uid, found.stat.gid, found.target,
                found.stat.size if found.stat.kind != "directory" else 0,
                dict(found.xattrs()), tree.read(found.path) if found.stat.kind == "file" else b"",
            )
            for found in tree.walk()
        }
        for tree in trees
    ]  # fmt: skip
    assert told[0] == told[1]
    assert trees[0].xattrs("/mode")["security.capability"] == CAPABILITY


def test_a_file_with_two_names_is_refused(tmp_path: Path, source: Path) -> None:
    (volume,) = scan([open_disk(FileSource(source))]).volumes
    assert volume.view is not None
    with pytest.raises(UnsupportedError, match="several names"):
        ROW.edit(volume.view, EDITS[:1], tmp_path)
