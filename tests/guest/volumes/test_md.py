"""Software RAID: superblocks made as md_p.h has them, for mdadm needs a kernel that assembles."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import pytest

from kensho.guest.files.open import open_files
from kensho.guest.files.tree import GuestFiles
from tests.guest.images_of import MIB, ext, run, volumes_of

DATA = 2048  #: sectors before the data, as mdadm leaves them


def checksum(raw: bytes) -> int:
    """md's calc_sb_1_csum, word by word."""
    total = 0
    for at in range(0, len(raw), 4):
        total += int.from_bytes(raw[at : at + 4], "little")
    return ((total & 0xFFFFFFFF) + (total >> 32)) & 0xFFFFFFFF


def member(
    path: Path,
    content: bytes,
    *,
    level: int = 1,
    events: int = 5,
    role: int = 0,
    late: bool = False,
    places: int = 0,
    data: int = DATA,
    synchronous: bool = True,
) -> Path:
    sectors = len(content) // 512
    size = (data + sectors + 2048) * 512
    start = 0 if late else data
    place = ((size // 512 - 16) & ~7) if late else 8
    raw = bytearray(256 + 256)
    struct.pack_into("<II", raw, 0, 0xA92B4EFC, 1)
    raw[16:32], raw[32:39] = b"u" * 16, b"host:0\0"
    struct.pack_into("<i", raw, 72, level)
    struct.pack_into("<QQQ", raw, 128, start, sectors, place)
    struct.pack_into("<I", raw, 92, places)
    struct.pack_into("<I", raw, 160, role if places else 0)
    struct.pack_into("<QQ", raw, 200, events, (1 << 64) - 1 if synchronous else 0)
    struct.pack_into("<I", raw, 220, 128)
    struct.pack_into("<H", raw, 256 + (2 * role if places else 0), role)
    struct.pack_into("<I", raw, 216, checksum(bytes(raw)))
    disk = bytearray(size)
    disk[start * 512 : start * 512 + len(content)] = content
    disk[place * 512 : place * 512 + len(raw)] = raw
    path.write_bytes(disk)
    return path


@pytest.fixture
def contents(tmp_path: Path) -> tuple[bytes, bytes]:
    """The same file system twice, with another file in each."""
    made = []
    for word in (b"old", b"new"):
        tree = tmp_path / word.decode()
        tree.mkdir()
        (tree / "file").write_bytes(word)
        made.append(ext(tmp_path / f"{word!r}.img", tree, "-t", "ext4", size=4 * MIB).read_bytes())
    return made[0], made[1]


@pytest.mark.parametrize("late", [False, True])
def test_a_mirror(late: bool, contents: tuple[bytes, bytes], tmp_path: Path) -> None:
    old, new = contents
    a = member(tmp_path / "a", old, events=5, late=late)
    b = member(tmp_path / "b", new, events=9, late=late)
    found = volumes_of(a, b)
    assert found.problems == ()
    assert [v.id for v in found.volumes] == ["disk1", "disk2", "md/0"]
    volume = found.find("md/0")
    assert volume is not None
    assert GuestFiles(open_files(volume)).read("/file") == b"new"
    alone = volumes_of(a).find("md/0")
    assert alone is not None
    assert GuestFiles(open_files(alone)).read("/file") == b"old"


def test_a_failed_member_does_not_count(contents: tuple[bytes, bytes], tmp_path: Path) -> None:
    old, new = contents
    a = member(tmp_path / "a", old, events=5)
    b = member(tmp_path / "b", new, events=9, role=0xFFFE)
    volume = volumes_of(a, b).find("md/0")
    assert volume is not None
    assert GuestFiles(open_files(volume)).read("/file") == b"old"
    alone = volumes_of(b).find("md/0")
    assert alone is not None
    assert "without a member" in alone.refusal


def test_an_array_of_as_many_disks_as_there_are_numbers(
    contents: tuple[bytes, bytes], tmp_path: Path
) -> None:
    path = member(tmp_path / "a.img", contents[0], places=(1 << 32) - 1)
    array = volumes_of(path).find("md/0")
    assert array is not None
    assert array.view is not None
    assert array.view.copied


def test_mdadm_reads_the_same(contents: tuple[bytes, bytes], tmp_path: Path) -> None:
    told = run("mdadm", "--examine", member(tmp_path / "a", contents[0], events=7))
    assert "- correct" in told
    for word in ("Raid Level : raid1", "Events : 7", "Name : host:0", "Data Offset : 2048 sectors"):
        assert word in told


def test_other_levels_are_named(contents: tuple[bytes, bytes], tmp_path: Path) -> None:
    volume = volumes_of(member(tmp_path / "a", contents[0], level=5)).find("md/0")
    assert volume is not None
    assert "RAID5" in volume.refusal


def test_damaged_superblocks(contents: tuple[bytes, bytes], tmp_path: Path) -> None:
    path = member(tmp_path / "a", contents[0])
    whole = path.read_bytes()
    chance = random.Random(1)
    for _ in range(60):
        damaged = bytearray(whole)
        damaged[4096 + chance.randrange(4, 512)] ^= chance.randrange(1, 256)
        path.write_bytes(damaged)
        assert volumes_of(path).problems
