"""What the recipe makes without mounting, as the file systems' own tools and kensho see it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from kensho.disks import open_disk
from kensho.guest.files.open import open_files
from kensho.guest.files.tree import GuestFiles
from kensho.guest.volumes.scan import scan
from kensho.storage import FileSource
from tests.guest.images_of import run, tool
from tests.guest.lvm_disks import MIB
from tests.guests import layouts
from tests.guests.layouts import EXTENT

_ID = "11111111-2222-4333-8444-555555555555"


def test_a_volume_in_a_group_out_of_order(tmp_path: Path) -> None:
    volume, disk = tmp_path / "volume", tmp_path / "disk"
    volume.write_bytes(b"".join(bytes([n + 1]) * EXTENT for n in range(7)))
    with disk.open("wb") as file:
        file.truncate(40 * MIB)
    layouts.put_into_group(volume, disk, 0, 40 * MIB)
    with FileSource(disk) as source:
        found = scan([open_disk(source)]).find("vg/root")
        assert found is not None
        assert found.view is not None
        assert found.view.read(0, 7 * EXTENT) == volume.read_bytes()
    told = run(tool("lvm"), "pvck", "--driverloaded", "n", "--dump", "metadata", disk)
    assert "segment_count = 2" in told


def _tree(folder: Path) -> Path:
    (folder / "etc").mkdir(parents=True)
    (folder / "etc/hosts").write_text("127.0.0.1 localhost\n")
    (folder / "etc/empty").touch()
    (folder / "etc/link").symlink_to("hosts")
    (folder / "program").write_text("#!/bin/sh\n")
    (folder / "program").chmod(0o4755)
    return folder


@pytest.mark.parametrize("kind", ["xfs", "btrfs"])
def test_a_folder_as_a_file_system(kind: str, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("files of root need root")
    volume = tmp_path / "volume"
    make = {"xfs": layouts.make_xfs, "btrfs": layouts.make_btrfs}[kind]
    make(volume, 320 * MIB, _tree(tmp_path / "tree"), _ID)
    check = ("xfs_repair", "-n") if kind == "xfs" else ("btrfs", "check")
    subprocess.run([tool(check[0]), check[1], volume], check=True, capture_output=True)
    with FileSource(volume) as source:
        (found,) = scan([open_disk(source)]).volumes
        assert (found.content.kind, found.content.uuid) == (kind, _ID)
        files = GuestFiles(open_files(found))
        assert files.read("/etc/link", MIB) == b"127.0.0.1 localhost\n"
        assert files.read("/etc/empty", MIB) == b""
        assert files.names_or_none("/") == ("etc", "program")
