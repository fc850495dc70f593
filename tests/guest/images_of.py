"""File systems and disks made by their own tools, without mounting anything."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from kensho.disks import DiskReader, open_disk
from kensho.guest.files.base import FileSystem
from kensho.guest.files.open import open_files
from kensho.guest.volumes.scan import Volumes, scan
from kensho.storage import FileSource

MIB = 1 << 20


def tool(name: str) -> str:
    """Return where a program is; the test is skipped when it is not installed."""
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def run(*command: object, stdin: str | None = None) -> str:
    made = subprocess.run(
        [tool(str(command[0])), *map(str, command[1:])],
        input=stdin, capture_output=True, text=True, errors="surrogateescape",
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    return made.stdout


def make_tree(root: Path) -> Path:
    """Make a tree with what file systems find hard; returns it."""
    root.mkdir()
    (root / "empty").touch()
    (root / "small").write_bytes(b"hello\n")
    (root / "inline").write_bytes(b"x" * 100)
    (root / "large").write_bytes(bytes(range(256)) * 9000)
    with (root / "sparse").open("wb") as file:
        file.write(b"begin")
        file.seek(3 * MIB)
        file.write(b"middle")
        file.seek(5 * MIB + 16)
        file.write(b"z")  # mke2fs 1.47.0 loses a hole at the end of a file with inline_data
    (root / "dir/deep/er").mkdir(parents=True)
    (root / "dir/deep/er/file").write_bytes(b"deep")
    (root / "many").mkdir()
    for n in range(600):
        (root / f"many/a-rather-long-name-of-a-file-{n:04d}").write_bytes(b"%d" % n)
    (root / "short-link").symlink_to("dir/deep")
    (root / "long-link").symlink_to("dir/" + "./" * 60 + "deep/er/file")
    (root / "absolute-link").symlink_to("/dir/deep/er/file")
    (root / "up-link").symlink_to("../../../../dir/deep")
    (root / "loop-link").symlink_to("loop-link")
    os.link(root / "small", root / "dir/hard")
    os.mkfifo(root / "fifo")
    (root / "naïve ☃").write_bytes(b"utf-8")
    Path(os.fsdecode(os.fsencode(root) + b"/latin\xe9")).write_bytes(b"not utf-8")
    (root / "mode").write_bytes(b"s")
    (root / "mode").chmod(0o4711)
    os.utime(root / "mode", ns=(1, 1_234_567_890_123_456_789))
    try:
        os.setxattr(root / "small", "user.colour", b"green")
        os.setxattr(root / "small", "user.long", b"v" * 300)
    except OSError:
        pass  # not every file system has them
    return root


def ext(path: Path, tree: Path | None, *options: str, size: int = 32 * MIB) -> Path:
    """Make an ext file system of a tree."""
    with path.open("wb") as file:
        file.truncate(size)
    from_tree = ("-d", tree) if tree else ()
    run("mke2fs", "-q", "-F", *options, *from_tree, path)
    return path


def disk_of(path: Path) -> DiskReader:
    """Open a disk; its file stays open to the end of the test process."""
    return open_disk(FileSource(path))


def volumes_of(*paths: Path) -> Volumes:
    return scan([disk_of(path) for path in paths])


def files_of(path: Path) -> FileSystem:
    (volume,) = volumes_of(path).volumes
    return open_files(volume)


def partitioned(path: Path, script: str, size: int) -> Path:
    """Make a disk with partitions as sfdisk's script says."""
    with path.open("wb") as file:
        file.truncate(size)
    run("sfdisk", "-q", "--no-reread", "--no-tell-kernel", path, stdin=script)
    return path


def put(path: Path, offset: int, content: Path) -> None:
    """Write a file's bytes into a disk."""
    with path.open("r+b") as disk:
        disk.seek(offset)
        disk.write(content.read_bytes())
