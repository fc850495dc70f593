"""XFS filled by Linux itself where mounting is allowed, by mkfs.xfs from a list elsewhere."""

from __future__ import annotations

import os
import random
import stat
import subprocess
from pathlib import Path

import pytest

from kensho.guest.files.base import Kind
from kensho.guest.files.open import open_files
from kensho.guest.files.tree import GuestFiles
from kensho.model.errors import CorruptError, KenshoError
from tests.guest.images_of import MIB, files_of, make_tree, run, tool, volumes_of

LAYOUTS = {
    "v5": (),
    "v5-1k": ("-b", "size=1024"),
    "v5-dir16k": ("-n", "size=16384", "-i", "size=1024"),
    "v5-old-times": ("-m", "bigtime=0,reflink=0"),
    "v4": ("-m", "crc=0"),
    "v4-ftype": ("-m", "crc=0", "-n", "ftype=1", "-i", "size=256"),
}


def blank(path: Path, *options: str) -> Path:
    with path.open("wb") as file:
        file.truncate(320 * MIB)
    run("mkfs.xfs", "-q", "-f", *options, path)
    return path


def fill(path: Path, tree: Path, place: Path) -> None:
    """Copy a tree by mounting, and add what only a mounted XFS can have."""
    if os.geteuid() != 0:
        pytest.skip("mounts need root")
    place.mkdir()
    if subprocess.run(["mount", "-o", "loop", path, place], capture_output=True).returncode:
        pytest.skip("cannot mount XFS here")
    try:
        run("cp", "-a", f"{tree}/.", place)
        with (place / "pieces").open("wb") as file:
            for n in range(400):
                file.seek(n * 16384)
                file.write(b"%04d" % n * 1024)
                os.fdatasync(file.fileno()) if n % 50 == 0 else None
        os.setxattr(place / "large", "user.big", b"w" * 5000)
        os.setxattr(place / "large", "trusted.t", b"t")
        for n in range(90):
            os.setxattr(place / "mode", f"user.number{n:03}", b"%d" % n * 40)
        acl = bytes.fromhex("02000000 01000700ffffffff 0200060000000000 04000500ffffffff"
                            "10000700ffffffff 20000400ffffffff")  # fmt: skip
        os.symlink("./" * 300 + "small", place / "far")  # noqa: PTH211 - Path would tidy it
        os.symlink("./" * 508 + "small", place / "farther")  # noqa: PTH211 - two blocks of 1 KiB
        (place / "tiny").touch()
        for n in range(3):  # not in the inode any more, and the last of them ends the leaf
            os.setxattr(place / "tiny", f"user.{n}", b"" if n < 2 else b"v" * 450)
        (place / "acl").touch()
        os.setxattr(place / "acl", "system.posix_acl_access", acl)
        for n in range(3000):
            (place / "many" / f"{n:05}-of-very-many-names").touch()
        os.mknod(place / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    finally:
        subprocess.run(["umount", place], check=True)


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tree(tmp_path_factory.mktemp("xfs") / "tree")


@pytest.fixture(scope="session")
def filled(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("filled")
    path = blank(folder / "fs.img")
    fill(path, tree, folder / "mounted")
    return path


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_file_of_a_tree(layout: str, tree: Path, tmp_path: Path) -> None:
    path = blank(tmp_path / "fs.img", *LAYOUTS[layout])
    fill(path, tree, tmp_path / "mounted")
    fs = files_of(path)
    assert fs.warnings == ()
    files = GuestFiles(fs)
    seen = {f.path: f for f in files.walk()}
    wanted = {"/" + os.path.relpath(p, tree) for p in tree.rglob("*")}
    assert wanted <= set(seen)
    for name in wanted:
        ours, theirs = seen[name], os.lstat(tree / name[1:])
        assert ours.stat.mode == stat.S_IMODE(theirs.st_mode), name
        assert (ours.stat.uid, ours.stat.gid) == (theirs.st_uid, theirs.st_gid)
        if not stat.S_ISLNK(theirs.st_mode) and not stat.S_ISDIR(theirs.st_mode):
            assert ours.stat.mtime == theirs.st_mtime_ns, name
        if stat.S_ISREG(theirs.st_mode):
            assert files.read(name) == (tree / name[1:]).read_bytes(), name
        if stat.S_ISLNK(theirs.st_mode):
            assert ours.target == os.readlink(tree / name[1:])  # noqa: PTH115
    assert len(files.names("/many")) == 3600
    assert files.readlink("/far") == "./" * 300 + "small"
    assert files.read("/far") == b"hello\n"
    assert files.readlink("/farther") == "./" * 508 + "small"
    assert files.xattrs("/tiny") == {"user.0": b"", "user.1": b"", "user.2": b"v" * 450}
    pieces = files.read("/pieces")
    for n in range(400):
        assert pieces[n * 16384 : n * 16384 + 4096] == b"%04d" % n * 1024
    assert not any(pieces[4096:16384])
    told = files.xattrs("/large")
    assert (told["user.big"], told["trusted.t"]) == (b"w" * 5000, b"t")
    numbers = files.xattrs("/mode")
    assert {numbers[f"user.number{n:03}"] for n in range(90)} == {b"%d" % n * 40 for n in range(90)}
    acl = files.xattrs("/acl")["system.posix_acl_access"]
    assert acl[:12] == bytes.fromhex("0200000001000700ffffffff")
    assert acl[12:20] == bytes.fromhex("0200060000000000")
    assert files.stat("/null").device == (1, 3)
    assert seen["/small"].link == "/dir/hard"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_made_from_a_list(layout: str, tmp_path: Path) -> None:
    files = GuestFiles(files_of(listed(tmp_path, *LAYOUTS[layout])))
    assert files.read("/link") == b"text" * 5000
    assert (files.stat("/file").uid, files.stat("/file").gid) == (1, 2)
    assert len(files.names("/")) == 703
    assert files.stat("/sub/null").kind is Kind.CHARACTER


def listed(tmp_path: Path, *options: str) -> Path:
    """Without root, and version 4 where Linux no longer mounts it: mkfs.xfs fills the volume."""
    (tmp_path / "content").write_bytes(b"text" * 5000)
    names = "".join(f"name-{n:04} ---644 0 0 {tmp_path}/empty\n" for n in range(700))
    (tmp_path / "empty").touch()
    text = f"""/unused
100 100
d--755 0 0
file ---644 1 2 {tmp_path}/content
link l--777 0 0 file
{names}sub d--750 3 4
null c--666 0 0 1 3
$
$
"""
    (tmp_path / "proto").write_text(text)
    return blank(tmp_path / "fs.img", *options, "-p", str(tmp_path / "proto"))


def test_an_unclean_log_is_said(filled: Path, tree: Path, tmp_path: Path) -> None:
    path = tmp_path / "copy.img"
    work = tmp_path / "work.img"
    run("cp", "--sparse=always", filled, work)
    place = tmp_path / "mounted"
    place.mkdir()
    subprocess.run(["mount", "-o", "loop", work, place], check=True)
    try:
        (place / "new").write_bytes(b"x")
        os.sync()
        run("cp", "--sparse=always", work, path)
    finally:
        subprocess.run(["umount", place], check=True)
    assert "not unmounted cleanly" in files_of(path).warnings[0]
    assert files_of(work).warnings == ()


def test_a_changed_inode_is_noticed(filled: Path, tmp_path: Path) -> None:
    path = tmp_path / "fs.img"
    run("cp", "--sparse=always", filled, path)
    number = GuestFiles(files_of(path)).stat("/small").node
    run("xfs_db", "-x", "-c", f"inode {number}", "-c", "write -c core.uid 77", path)
    with pytest.raises(CorruptError, match="checksum"):
        GuestFiles(files_of(path)).read("/small")


def test_damage_is_an_error_and_nothing_else(filled: Path) -> None:
    damage(filled, rounds=8)


def test_damage_where_nothing_has_checksums(tmp_path: Path) -> None:
    damage(listed(tmp_path, *LAYOUTS["v4"]), rounds=20)


def damage(filled: Path, rounds: int) -> None:
    """Random bytes in one image, each put back afterwards: copies of it would take long."""
    chance = random.Random(6)
    fd = os.open(filled, os.O_RDWR)
    used = [at for at in range(0, 320 * MIB, 65536) if any(os.pread(fd, 65536, at))]
    refused = 0
    for _ in range(rounds):
        places = [chance.choice(used) + chance.randrange(65536) for _ in range(40)]
        before = [(at, os.pread(fd, 1, at)) for at in places]
        try:
            for at in places:
                os.pwrite(fd, bytes([chance.choice((0, 0xFF, chance.randrange(256)))]), at)
            (volume,) = volumes_of(filled).volumes
            files = GuestFiles(open_files(volume))
            for found in files.walk():
                found.xattrs()
                if found.stat.kind is Kind.FILE:
                    sum(len(piece) for _, piece in found.data())
        except KenshoError:
            refused += 1
        finally:
            for at, byte in reversed(before):
                os.pwrite(fd, byte, at)
    os.close(fd)
    assert refused


def test_xfs_db_agrees_on_a_fragmented_file(filled: Path) -> None:
    fs = files_of(filled)
    number = GuestFiles(fs).stat("/pieces").node
    told = subprocess.run(
        [tool("xfs_db"), "-r", "-c", f"inode {number}", "-c", "bmap", filled],
        capture_output=True, text=True,
    ).stdout  # fmt: skip
    blocks = sum(int(line.split("count ")[1].split()[0]) for line in told.splitlines()
                 if "flag 0" in line)  # fmt: skip
    assert sum(len(piece) for _, piece in fs.data(number)) == blocks * 4096
