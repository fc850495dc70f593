"""The unpacker of the tests and kensho's writer agree; it knows nothing of kensho's."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest

from kensho.cli.exits import run
from tests.hypervisors.xen.xva import unpack

MIB = 1 << 20


@pytest.fixture
def xva(tmp_path: Path) -> Path:
    disk = tmp_path / "web.img"
    disk.write_bytes(os.urandom(MIB) + bytes(2 * MIB) + b"end" + bytes(MIB - 3))
    assert run(["convert", str(disk), "--to", "xenserver", "--no-look", "-o", str(tmp_path)]) == 0
    return tmp_path / "web.xva"


def test_the_disk_is_the_same_and_the_machine_is_xls(xva: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    config = unpack(xva, folder, "/images").read_text()
    assert (folder / "xvda.raw").read_bytes() == (tmp_path / "web.img").read_bytes()
    assert 'type = "hvm"' in config
    assert "vdev=xvda" in config
    assert "target=/images/xvda.raw" in config


def test_a_block_that_is_not_as_its_checksum_says_is_not_taken(xva: Path, tmp_path: Path) -> None:
    with tarfile.open(xva) as tar:
        block = next(member for member in tar if member.name.endswith("/00000000"))
    with xva.open("r+b") as file:
        file.seek(block.offset_data)
        file.write(b"\0\0\0\0\0\0\0\0")
    folder = tmp_path / "out"
    folder.mkdir()
    with pytest.raises(AssertionError):
        unpack(xva, folder, "/images")
