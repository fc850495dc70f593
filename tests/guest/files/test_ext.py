from __future__ import annotations

import os
import random
import re
import stat
import struct
import subprocess
from pathlib import Path

import pytest

from kensho.guest.files.base import FileSystem, Kind
from kensho.guest.files.open import open_files
from kensho.guest.files.tree import GuestFiles
from kensho.model.errors import CorruptError, KenshoError, LimitError, NotFoundError
from tests.guest.images_of import MIB, ext, files_of, make_tree, run, tool, volumes_of

#: Each way a file system lays things out: old, new, small and large blocks.
LAYOUTS = {
    "ext2": ("-t", "ext2"),
    "ext2-1k": ("-t", "ext2", "-b", "1024", "-I", "128"),
    "ext3": ("-t", "ext3", "-b", "2048"),
    "ext4": ("-t", "ext4"),
    "ext4-1k": ("-t", "ext4", "-b", "1024"),
    "ext4-64bit-csum": ("-t", "ext4", "-O", "64bit,metadata_csum,metadata_csum_seed"),
    "ext4-inline": ("-t", "ext4", "-O", "inline_data", "-I", "512"),
    "ext4-meta-bg": ("-t", "ext4", "-b", "1024", "-O", "meta_bg,^resize_inode", "-g", "256"),
    "ext4-64k": ("-t", "ext4", "-b", "65536"),
    "ext4-bigalloc": ("-t", "ext4", "-O", "bigalloc", "-C", "16384"),
    "ext4-sparse-super2": ("-t", "ext4", "-O", "sparse_super2,^resize_inode"),
    "ext4-plain": ("-t", "ext4", "-O", "^extents,^metadata_csum,^64bit,^flex_bg"),
}  # fmt: skip


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tree(tmp_path_factory.mktemp("ext") / "tree")


@pytest.fixture(scope="session")
def plain(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ext(tmp_path_factory.mktemp("ext") / "plain.img", tree, "-t", "ext4", size=24 * MIB)


def content(files: GuestFiles, path: str) -> bytes:
    return files.read(path, limit=16 * MIB)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_file_of_a_tree(layout: str, tree: Path, tmp_path: Path) -> None:
    size = (96 if layout == "ext4-64k" else 32) * MIB
    files = GuestFiles(files_of(ext(tmp_path / "fs.img", tree, *LAYOUTS[layout], size=size)))
    seen = {f.path: f for f in files.walk()}
    wanted = {"/" + os.path.relpath(p, tree) for p in tree.rglob("*")} | {"/"}
    assert set(seen) - wanted == {"/lost+found"}
    assert wanted <= set(seen)
    for path in wanted - {"/"}:
        ours, theirs = seen[path], os.lstat(tree / path[1:])
        facts = ours.stat
        assert facts.mode == stat.S_IMODE(theirs.st_mode), path
        assert (facts.uid, facts.gid) == (theirs.st_uid, theirs.st_gid)
        if stat.S_ISREG(theirs.st_mode):
            assert facts.size == theirs.st_size
            assert content(files, path) == (tree / path[1:]).read_bytes(), path
        if stat.S_ISLNK(theirs.st_mode):
            assert ours.target == os.readlink(tree / path[1:])  # noqa: PTH115 - Path would tidy it
    assert int(seen["/mode"].stat.mtime // 1e9) == 1_234_567_890
    assert seen["/fifo"].stat.kind is Kind.FIFO
    assert seen["/small"].link == "/dir/hard" or seen["/dir/hard"].link == "/small"
    sparse = list(seen["/sparse"].data())
    assert sum(len(piece) for _, piece in sparse) < MIB
    if os.listxattr(tree / "small"):
        told = {k: os.getxattr(tree / "small", k) for k in os.listxattr(tree / "small")}
        mine = {k: v for k, v in files.xattrs("/small").items() if k in told}
        assert mine == told


def test_debugfs_reads_the_same(plain: Path, tree: Path, tmp_path: Path) -> None:
    """debugfs dumps the whole tree; each of its files is what we read."""
    out = tmp_path / "dump"
    out.mkdir()
    subprocess.run([tool("debugfs"), "-R", f"rdump / {out}", plain], capture_output=True)
    files = GuestFiles(files_of(plain))
    compared = 0
    for found in files.walk():
        theirs = out / found.path[1:]
        if found.stat.kind is Kind.FILE and theirs.is_file():
            assert content(files, found.path) == theirs.read_bytes()
            compared += 1
    assert compared > 600


def test_what_debugfs_makes(plain: Path, tmp_path: Path) -> None:
    """Device files, large ids, attributes in a block and ACLs, which mke2fs -d alone lacks."""
    path = tmp_path / "fs.img"
    path.write_bytes(plain.read_bytes())
    acl = bytes.fromhex("01000000010007000200060000000000040004001000070020000400")
    (tmp_path / "acl").write_bytes(acl)
    (tmp_path / "big").write_bytes(b"w" * 700)
    script = "\n".join(
        [
            "mknod null c 1 3",
            "mknod disk b 259 300",
            "sif small uid 100000",
            "sif small gid 70000",
            "ea_set large user.first one",
            f"ea_set -f {tmp_path}/big large user.big",
            f"ea_set -f {tmp_path}/acl -r large system.posix_acl_access",
        ]
    )
    run("debugfs", "-w", "-f", "-", path, stdin=script)
    files = GuestFiles(files_of(path))
    assert files.stat("/null").device == (1, 3)
    assert files.stat("/disk").device == (259, 300)
    assert (files.stat("/small").uid, files.stat("/small").gid) == (100000, 70000)
    attributes = files.xattrs("/large")
    assert attributes["user.first"] == b"one"
    assert attributes["user.big"] == b"w" * 700


def test_paths_stay_in_the_guest(plain: Path) -> None:
    files = GuestFiles(files_of(plain))
    assert files.read("/short-link/er/file") == b"deep"
    assert files.read("/absolute-link") == b"deep"
    assert files.read("/up-link/er/file") == b"deep"
    assert files.read("/dir/../dir/deep/./er/file") == b"deep"
    assert files.real("/long-link") == "/dir/deep/er/file"
    assert files.readlink("/short-link") == "dir/deep"
    assert files.stat("/short-link").kind is Kind.DIRECTORY
    assert files.stat("/short-link", follow=False).kind is Kind.SYMLINK
    assert not files.exists("/etc/passwd")
    with pytest.raises(CorruptError, match="never end"):
        files.read("/loop-link")
    with pytest.raises(NotFoundError):
        files.read("/small/x")
    with pytest.raises(NotFoundError):
        files.read("/dir")
    with pytest.raises(LimitError):
        files.read("/large", limit=1000)
    assert files.head("/large", 4) == b"\0\1\2\3"


def test_other_volumes_are_mounted(plain: Path, tmp_path: Path) -> None:
    boot = tmp_path / "boot"
    boot.mkdir()
    (boot / "vmlinuz").write_bytes(b"kernel")
    (boot / "up").symlink_to("../small")
    other = files_of(ext(tmp_path / "boot.img", boot, "-t", "ext2", size=4 * MIB))
    files = GuestFiles(files_of(plain), {"/dir/deep": other})
    assert files.read("/short-link/vmlinuz") == b"kernel"
    assert files.read("/dir/deep/../hard") == b"hello\n"
    paths = {f.path for f in files.walk()}
    assert "/dir/deep/vmlinuz" in paths
    assert "/dir/deep/er" not in paths
    assert "/dir/deep/er" in {f.path for f in files.walk(mounts=False)}


def test_an_unclean_journal_is_said(plain: Path, tmp_path: Path) -> None:
    path = tmp_path / "fs.img"
    path.write_bytes(plain.read_bytes())
    run("debugfs", "-w", "-R", "feature needs_recovery", path)
    assert "unmounted cleanly" in files_of(path).warnings[0]


def test_a_changed_inode_is_noticed(tree: Path, tmp_path: Path) -> None:
    path = ext(tmp_path / "fs.img", tree, "-t", "ext4", "-b", "4096", "-O", "metadata_csum")
    files = GuestFiles(files_of(path))
    found = files.stat("/small").node
    told = run("debugfs", "-R", f"imap <{found}>", path)
    place = re.search(r"block (\d+), offset 0x([0-9a-f]+)", told)
    assert place
    block, offset = int(place[1]), int(place[2], 16)
    with path.open("r+b") as image:
        image.seek(block * 4096 + offset + 4)
        image.write(b"\xff")
    with pytest.raises(CorruptError, match="checksum"):
        GuestFiles(files_of(path)).read("/small")


def _read_all(fs: FileSystem) -> None:
    files = GuestFiles(fs)
    for count, found in enumerate(files.walk()):
        if found.stat.kind is Kind.FILE and found.stat.size < 64 * MIB:
            sum(len(piece) for _, piece in found.data())
        found.xattrs()
        if count > 3000:
            break


@pytest.mark.parametrize("layout", ["ext4-plain", "ext4-1k", "ext4-inline"])
def test_damage_is_an_error_and_nothing_else(layout: str, tree: Path, tmp_path: Path) -> None:
    """Random bytes in the metadata: read, or refused with a typed error, in bounded time."""
    path = ext(tmp_path / "fs.img", tree, *LAYOUTS[layout], "-O", "^metadata_csum", size=16 * MIB)
    whole = bytearray(path.read_bytes())
    used = [at for at in range(0, len(whole), 1024) if any(whole[at : at + 1024])]
    chance = random.Random(layout)
    refused = 0
    for _ in range(25):
        damaged = bytearray(whole)
        for _ in range(12):
            at = chance.choice(used[:400]) + chance.randrange(1024)
            damaged[at] = chance.choice((0, 0xFF, chance.randrange(256)))
        path.write_bytes(damaged)
        (volume,) = volumes_of(path).volumes
        try:
            _read_all(open_files(volume))
        except KenshoError:
            refused += 1
    assert refused


def test_clusters_smaller_than_blocks(plain: Path, tmp_path: Path) -> None:
    """Found by fuzzing: a shift by a negative number."""
    data = bytearray(plain.read_bytes())
    data[1024 + 0x18 : 1024 + 0x20] = struct.pack("<II", 2, 0)
    data[1024 + 0x64 : 1024 + 0x68] = struct.pack("<I", 0x200)
    (tmp_path / "fs.img").write_bytes(data)
    with pytest.raises(CorruptError, match="makes no sense"):
        files_of(tmp_path / "fs.img")


def test_a_truncated_image(plain: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.img"
    for size in (100, 1500, 5000, MIB, 9 * MIB):
        path.write_bytes(plain.read_bytes()[:size])
        (volume,) = volumes_of(path).volumes
        with pytest.raises(KenshoError):
            _read_all(open_files(volume))
