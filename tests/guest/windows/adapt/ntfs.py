"""NTFS volumes of the tests: made by mkntfs, filled and changed by ntfs-3g."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.guest.images_of import run, tool


def make_ntfs(path: Path, size: int, *, start: int = 2048, heads: int = 255) -> Path:
    """Make an empty NTFS in a file, as a partition at sector ``start`` has it."""
    with path.open("wb") as file:
        file.truncate(size)
    run("mkntfs", "-q", "-F", "-f", "-s", 512, "-p", start, "-H", heads, "-S", 63, path)
    return path


@contextmanager
def mounted(path: Path) -> Iterator[Path]:
    """Mount an NTFS by FUSE; skips where that does not work."""
    place = path.with_name(f"{path.name}-mounted")
    place.mkdir(exist_ok=True)
    writer = subprocess.Popen([tool("ntfs-3g"), "-o", "no_def_opts,no_detach", path, place])
    try:
        deadline = time.monotonic() + 60
        while not place.is_mount():
            if writer.poll() is not None or time.monotonic() > deadline:
                pytest.skip("ntfs-3g cannot mount here")
            time.sleep(0.02)
        try:
            yield place
        finally:
            subprocess.run(["umount", place], check=True)
        writer.wait(300)  # it writes on after umount has returned
    finally:
        writer.kill()
        writer.wait()


def write_tree(place: Path, files: dict[str, bytes]) -> None:
    """Write files below a folder; paths begin with a slash."""
    for name, content in files.items():
        path = place / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
