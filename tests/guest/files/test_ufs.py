"""UFS filled by the BSDs' own makefs, within their own slices."""

from __future__ import annotations

import contextlib
import os
import random
import stat
import struct
from pathlib import Path

import pytest

from kensho.guest.files.base import KINDS, Kind
from kensho.guest.files.open import open_files
from kensho.guest.files.tree import GuestFiles
from kensho.model.errors import KenshoError
from tests.guest.images_of import MIB, make_tree, partitioned, put, run, volumes_of

LAYOUTS = {
    "1": "version=1",
    "1-small": "version=1,bsize=4096,fsize=512",
    "2": "version=2",
    "2-large": "version=2,bsize=32768,fsize=4096",
    "2-small": "version=2,bsize=4096,fsize=512",
}
#: Sectors and offset of partitions a, b and c, as each system counts them; the slice is at 2048.
LABELS = {
    "freebsd": ("a5", [(65536, 2064, 7), (8192, 67600, 1), (81920, 2048, 0)]),
    "openbsd": ("a6", [(65536, 2064, 7), (8192, 67600, 1), (90000, 0, 0)]),
    "netbsd": ("a9", [(65536, 2064, 7), (8192, 67600, 1), (81920, 2048, 0)]),
}


def ufs(path: Path, tree: Path, options: str) -> Path:
    run("makefs", "-t", "ffs", "-B", "le", "-s", "32m", "-o", options, path, tree)
    return path


def disklabel(system: str) -> bytes:
    """Make a label as the system's own header has it."""
    raw = bytearray(512)
    entries = LABELS[system][1]
    struct.pack_into("<I", raw, 0, 0x82564557)
    struct.pack_into("<I", raw, 40, 512)
    struct.pack_into("<I", raw, 132, 0x82564557)
    struct.pack_into("<H", raw, 138, len(entries))
    for number, (sectors, offset, kind) in enumerate(entries):
        at = 148 + number * 16
        if system == "openbsd":
            struct.pack_into("<IIHHB", raw, at, sectors, offset, 0, 0, kind)
        else:
            struct.pack_into("<IIIB", raw, at, sectors, offset, 2048, kind)
    total = 0
    for word in struct.unpack("<256H", raw):
        total ^= word
    struct.pack_into("<H", raw, 136, total)
    return bytes(raw)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_file_is_what_was_put_there(layout: str, tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "tree")
    (tree / "huge").write_bytes(random.Random(1).randbytes(9 * MIB))
    (volume,) = volumes_of(ufs(tmp_path / "ufs.img", tree, LAYOUTS[layout])).volumes
    assert volume.content.kind == "ufs"
    files = GuestFiles(open_files(volume))
    seen = {found.path: found for found in files.walk()}
    wanted = {f"/{path.relative_to(tree)}": path for path in tree.rglob("*")}
    assert set(seen) == {"/", *wanted}
    for name, path in wanted.items():
        there, facts = path.lstat(), seen[name].stat
        assert facts.kind is KINDS[stat.S_IFMT(there.st_mode)], name
        assert facts.links == there.st_nlink, name
        if facts.kind is Kind.SYMLINK:
            assert files.readlink(name) == os.readlink(path)  # noqa: PTH115 - Path would tidy it
        else:
            assert facts.mode == stat.S_IMODE(there.st_mode), name
            assert facts.uid == there.st_uid
        if facts.kind is Kind.FILE:
            assert files.read(name, 16 * MIB) == path.read_bytes(), name
            assert facts.mtime // 10**9 == there.st_mtime_ns // 10**9
    assert seen["/small"].stat.node == seen["/dir/hard"].stat.node


@pytest.mark.parametrize("system", LABELS)
def test_partitions_of_a_slice(system: str, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "etc").mkdir(parents=True)
    (tree / "etc/fstab").write_text("x")
    path = tmp_path / "disk.img"
    partitioned(path, f"label: dos\nstart=2048, size=81920, type={LABELS[system][0]}\n", 44 * MIB)
    put(path, 2064 * 512, ufs(tmp_path / "ufs.img", tree, "version=2"))
    label = tmp_path / "label"
    label.write_bytes(disklabel(system))
    put(path, 2049 * 512, label)
    found = {volume.id: volume for volume in volumes_of(path).volumes}
    assert set(found) == {"disk1p1", "disk1p1a", "disk1p1b"}
    assert "disklabel" in found["disk1p1"].refusal
    assert found["disk1p1b"].size == 4 * MIB
    assert GuestFiles(open_files(found["disk1p1a"])).read("/etc/fstab") == b"x"


def test_damage_is_an_error_and_nothing_else(tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "tree")
    for version in (1, 2):
        whole = ufs(tmp_path / f"{version}.img", tree, f"version={version}").read_bytes()
        chance = random.Random(version)
        broken = tmp_path / "broken.img"
        for _ in range(40):
            data = bytearray(whole)
            for _ in range(chance.randrange(1, 12)):
                at = chance.randrange(8192, 400_000)
                data[at] = chance.choice((0, 0xFF, chance.randrange(256)))
            broken.write_bytes(data)
            with contextlib.suppress(KenshoError):
                for volume in volumes_of(broken).volumes:
                    files = GuestFiles(open_files(volume))
                    for found in files.walk():
                        if found.stat.kind is Kind.FILE and found.stat.size < 16 * MIB:
                            with contextlib.suppress(KenshoError):
                                files.read(found.path)
