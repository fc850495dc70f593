"""What is recorded of files that are not what they should be."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.guest.images_of import MIB, ext, files_of

from kensho.guest.adapt.record import state_of
from kensho.guest.files.tree import GuestFiles
from kensho.model.errors import LimitError


def test_a_file_of_nothing_but_a_hole_is_not_hashed_for_hours(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "key").touch()
    os.truncate(tree / "key", 1 << 42)
    files = GuestFiles(files_of(ext(tmp_path / "e.img", tree, "-t", "ext4", size=8 * MIB)))
    with pytest.raises(LimitError, match="bytes"):
        state_of(files, "/key")
