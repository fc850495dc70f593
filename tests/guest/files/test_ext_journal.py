"""Journals written by debugfs, or by Linux itself, against e2fsck's recovery of a copy."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from kensho.guest.edit.ext import edit_ext
from kensho.guest.edit.plan import FileEdit
from kensho.guest.files.tree import GuestFiles
from kensho.model.errors import UnsupportedError
from tests.guest.images_of import MIB, ext, files_of, run, tool, volumes_of

FEATURES = {
    "none": "^metadata_csum,^64bit",
    "64bit": "^metadata_csum,64bit",
    "checksums": "metadata_csum,64bit",
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    root.mkdir()
    for name in ("one", "two", "three"):
        (root / name).write_bytes(name.encode() * 1000)
    return root


def recovered(path: Path, name: str, tmp_path: Path) -> bytes:
    """Return a file's content after e2fsck has replayed the journal of a copy."""
    copy = tmp_path / "recovered.img"
    shutil.copy(path, copy)
    subprocess.run([tool("e2fsck"), "-fy", copy], capture_output=True)
    out = tmp_path / "out"
    run("debugfs", "-R", f"dump {name} {out}", copy)
    return out.read_bytes()


def block_of(path: Path, name: str) -> str:
    return run("debugfs", "-R", f"blocks {name}", path).split()[0]


@pytest.mark.parametrize("features", FEATURES)
def test_committed_changes_are_seen(features: str, tree: Path, tmp_path: Path) -> None:
    path = ext(tmp_path / "fs.img", tree, "-t", "ext4", "-b", "4096", "-O", FEATURES[features],
               "-J", "size=4", size=32 * MIB)  # fmt: skip
    # the second one begins with the journal's own mark, which has to be escaped in it
    (tmp_path / "new1").write_bytes(b"1" * 4096)
    (tmp_path / "new2").write_bytes(bytes.fromhex("c03b3998") + b"2" * 4092)
    (tmp_path / "new3").write_bytes(b"3" * 4096)
    one, two, three = (block_of(path, name) for name in ("one", "two", "three"))
    csum = "-c" if features == "checksums" else ""
    script = "\n".join(
        [
            f"jo {csum}",
            f"jw -b {one} {tmp_path}/new1",
            f"jw -b {two} {tmp_path}/new2",
            f"jw -b {three} {tmp_path}/new3",
            f"jw -r {three}",
            "jc",
        ]
    )
    run("debugfs", "-w", "-f", "-", path, stdin=script)
    before = path.read_bytes()
    fs = files_of(path)
    assert "replayed in memory" in fs.warnings[0]
    files = GuestFiles(fs)
    for name in ("one", "two", "three"):
        assert files.read(f"/{name}") == recovered(path, name, tmp_path), name
    assert files.read("/one")[:3000] == b"1" * 3000
    assert files.read("/three") == b"three" * 1000  # revoked
    assert path.read_bytes() == before


def test_a_damaged_journal_is_left_alone(tree: Path, tmp_path: Path) -> None:
    path = ext(tmp_path / "fs.img", tree, "-t", "ext4", "-b", "4096", "-J", "size=4")
    (tmp_path / "new").write_bytes(b"1" * 4096)
    script = f"jo -c\njw -b {block_of(path, 'one')} {tmp_path}/new\njc\n"
    run("debugfs", "-w", "-f", "-", path, stdin=script)
    data = bytearray(path.read_bytes())
    place = data.rindex(b"1" * 4096)
    data[place + 100] ^= 1
    path.write_bytes(data)
    fs = files_of(path)
    assert "wrong checksum" in fs.warnings[0]
    assert GuestFiles(fs).read("/one") == b"one" * 1000


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts need root")
def test_a_copy_of_a_mounted_file_system(tree: Path, tmp_path: Path) -> None:
    """What Linux had synced and not yet put in place: a snapshot of a running machine."""
    path = ext(tmp_path / "fs.img", tree, "-t", "ext4", "-b", "4096", "-J", "size=4")
    place = tmp_path / "mounted"
    place.mkdir()
    made = subprocess.run(["mount", "-o", "loop", path, place], capture_output=True)
    if made.returncode:
        pytest.skip("cannot mount here")
    try:
        for n in range(50):
            folder = place / f"made-{n}"
            folder.mkdir()
            (folder / "file").write_bytes(b"%d" % n * 100)
        fd = os.open(place, os.O_RDONLY)
        os.fsync(fd)
        os.close(fd)
        os.sync()
        copy = tmp_path / "copy.img"
        shutil.copy(path, copy)
    finally:
        subprocess.run(["umount", place], check=True)
    fs = files_of(copy)
    assert "replayed" in fs.warnings[0]
    files = GuestFiles(fs)
    for n in range(50):
        assert files.read(f"/made-{n}/file") == b"%d" % n * 100


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts need root")
def test_fast_commits_are_not_passed_over_in_silence(tree: Path, tmp_path: Path) -> None:
    path = ext(tmp_path / "fs.img", tree, "-t", "ext4", "-O", "fast_commit", size=64 * MIB)
    place = tmp_path / "mounted"
    place.mkdir()
    if subprocess.run(["mount", "-o", "loop", path, place], capture_output=True).returncode:
        pytest.skip("cannot mount here")
    copy = tmp_path / "copy.img"
    try:
        os.sync()
        with (place / "late").open("wb") as file:
            os.fsync(file.fileno())
        shutil.copy(path, copy)
    finally:
        subprocess.run(["umount", place], check=True)
    fs = files_of(copy)
    assert GuestFiles(fs).exists("/late") or "last changes are not seen" in fs.warnings[0]
    (volume,) = volumes_of(copy).volumes
    assert volume.view is not None
    if not GuestFiles(fs).exists("/late"):
        with pytest.raises(UnsupportedError, match="fast commits"):
            edit_ext(volume.view, (FileEdit("/x", b"x", "new"),), tmp_path)
