"""Which back end is chosen for a volume, and what the user is told of it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from tests.guest.images_of import MIB, disk_of, ext, run, volumes_of
from tests.guest.volumes.test_md import member

from kensho.guest.edit.backends import BACKENDS, choose, how, lacking
from kensho.guest.inspect.inspect import inspect_disks
from kensho.guest.volumes.scan import scan
from kensho.model.errors import UnsupportedError


def test_what_edits_a_volume_is_told(tmp_path: Path) -> None:
    root = ext(tmp_path / "root.img", None, "-t", "ext4")
    (tmp_path / "esp.img").write_bytes(bytes(4 * MIB))
    run("mkfs.fat", tmp_path / "esp.img")
    (tmp_path / "swap.img").write_bytes(bytes(MIB))
    run("mkswap", tmp_path / "swap.img")
    disks = [disk_of(path) for path in (root, tmp_path / "esp.img", tmp_path / "swap.img")]
    told = {volume.kind: volume.editor for volume in inspect_disks(disks).volumes}
    assert told["ext4"] == "e2fsprogs: debugfs on a copy of the metadata: no root, no mount"
    assert told["vfat"] == "fat: kensho's own writer: no root, no mount"
    assert told["swap"] == ""


def test_why_none_edits_a_volume(tmp_path: Path) -> None:
    content = ext(tmp_path / "fs.img", None, "-t", "ext4").read_bytes()
    *_, mirror = scan([disk_of(member(tmp_path / "one.img", content))]).volumes
    assert how(mirror).startswith("not edited: is one side of a mirror")
    (tmp_path / "swap.img").write_bytes(bytes(MIB))
    run("mkswap", tmp_path / "swap.img")
    (swap,) = volumes_of(tmp_path / "swap.img").volumes
    with pytest.raises(UnsupportedError, match="files on swap are not edited") as raised:
        choose(swap)
    assert "ext4" in raised.value.hint


def test_what_is_lacking_comes_with_its_package() -> None:
    odd = dataclasses.replace(BACKENDS[0], tools=(("no-such-program", "its-package"),))
    assert lacking(odd) == "no-such-program is not installed: apt-get install its-package"
    assert lacking(dataclasses.replace(BACKENDS[1], available=lambda: "no right")) == "no right"
