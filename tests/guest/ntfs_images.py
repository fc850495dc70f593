"""NTFS made by mkntfs and filled by ntfs-3g; tests are skipped where these are not there."""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.guest.images_of import MIB, run, tool

TEXT = b"".join(b"line %d of a text that repeats itself\n" % n for n in range(20000))
LARGE = random.Random(3).randbytes(3 * MIB)


def make_ntfs(
    folder: Path, fill: Callable[[Path], None], *options: str, size: int = 64 * MIB
) -> Path:
    """Make a volume and let ``fill`` write to it where it is mounted."""
    path, place = folder / "fs.img", folder / "mounted"
    with path.open("wb") as file:
        file.truncate(size)
    run("mkntfs", "-q", "-F", "-f", "-s", "512", "-L", "System", *options, path)
    place.mkdir()
    options = "compression,streams_interface=none,no_def_opts,no_detach"
    writer = subprocess.Popen([tool("ntfs-3g"), "-o", options, path, place])
    try:
        deadline = time.monotonic() + 60
        while not place.is_mount():
            if writer.poll() is not None or time.monotonic() > deadline:
                pytest.skip("ntfs-3g cannot mount here")
            time.sleep(0.05)
        try:
            fill(place)
        finally:
            subprocess.run(["umount", place], check=True)
        writer.wait(300)  # it writes on after umount has returned
    finally:
        writer.kill()
        writer.wait()
    return path


def fill(place: Path) -> None:
    (place / "Windows/System32/config").mkdir(parents=True)
    (place / "Windows/System32/config/SYSTEM").write_bytes(b"regf" + bytes(5000))
    (place / "small.txt").write_bytes(b"resident")
    (place / "empty").touch()
    (place / "large").write_bytes(LARGE)
    (place / "naïve ☃ with a long name").write_bytes(b"x")
    os.link(place / "small.txt", place / "Windows/hard link")
    with (place / "sparse").open("wb") as file:
        file.write(b"begin")
        file.seek(5 * MIB)
        file.write(b"end")
    packed = place / "packed"
    packed.mkdir()
    os.setxattr(packed, "system.ntfs_attrib_be", (0x0810).to_bytes(4, "big"))
    (packed / "text").write_bytes(TEXT)
    (packed / "noise").write_bytes(LARGE)
    many = place / "many"
    many.mkdir()
    for n in range(2000):
        (many / f"file number {n:05}").write_bytes(b"%d" % n)
    # pieces of two files that are written in turn
    with (place / "piece1").open("wb") as one, (place / "piece2").open("wb") as two:
        for n in range(300):
            for file in (one, two):
                file.seek(n * 16384)
                file.write(b"%05d" % n * 800)
