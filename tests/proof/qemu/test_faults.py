"""A disk of which a part cannot be read, as it is served: the client gets an error, and we know why."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from kensho.disks import open_disk
from kensho.proof.qemu.serving import served
from kensho.storage import FileSource


@pytest.mark.skipif(shutil.which("qemu-io") is None, reason="qemu-io is not installed")
def test_the_place_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    plain, path = tmp_path / "plain.img", tmp_path / "disk.vmdk"
    plain.write_bytes(os.urandom(4 << 20))
    options = ["-O", "vmdk", "-o", "subformat=streamOptimized", plain, path]
    subprocess.run(["qemu-img", "convert", "-f", "raw", *options], check=True)
    data = bytearray(path.read_bytes())
    data[2 << 20 : (2 << 20) + 4096] = bytes(4096)
    path.write_bytes(data)
    with FileSource(path) as source:
        disk = open_disk(source, sibling=None)
        with served([disk]) as (drive,):
            read = [
                "qemu-io",
                "-r",
                "-f",
                "raw",
                drive.path,
                "-c",
                "read 0 64k",
                "-c",
                "read 1M 3M",
            ]
            said = subprocess.run(read, capture_output=True, text=True, check=False)
        disk.close()
    assert "read 65536/65536 bytes" in said.stdout
    assert "Input/output error" in said.stdout + said.stderr
    assert drive.faults is not None
    (first, *_) = drive.faults.seen
    assert first.startswith("disk1 at offset 0x")
    assert len(drive.faults.seen) <= 20
