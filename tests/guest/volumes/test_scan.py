from __future__ import annotations

import random
import struct
import subprocess
from pathlib import Path

import pytest

from kensho.disks.partition_table import ESP, read_partition_table
from kensho.guest.files.open import open_files
from kensho.guest.files.tree import GuestFiles
from kensho.guest.volumes.lvm_text import parse_lvm_text
from kensho.guest.volumes.scan import scan
from kensho.guest.volumes.twins import notes_of_twins
from kensho.model.errors import CorruptError, UnsupportedError
from tests.guest.images_of import MIB, disk_of, ext, partitioned, put, run, tool, volumes_of
from tests.guest.lvm_disks import dashed, group_text, physical_volume

GPT = """label: gpt
label-id: 11111111-2222-3333-4444-555555555555
start=2048, size=4096, type=uefi, name="EFI System"
start=8192, size=16384, type=linux, uuid=AAAAAAAA-0000-4000-8000-000000000001
"""
MBR = """label: dos
label-id: 0xcafebabe
start=2048, size=2048, type=83, bootable
start=8192, size=16384, type=5
start=8200, size=2048, type=83
start=12000, size=2048, type=82
"""


def test_gpt_as_sfdisk_made_it(tmp_path: Path) -> None:
    table = read_partition_table(disk_of(partitioned(tmp_path / "d", GPT, 16 * MIB)))
    assert table is not None
    assert (table.scheme, table.damaged) == ("gpt", False)
    assert table.uuid == "11111111-2222-3333-4444-555555555555"
    first, second = table.partitions
    assert (first.number, first.start, first.size) == (1, MIB, 2 * MIB)
    assert (first.type, first.name) == (ESP, "EFI System")
    assert second.uuid == "aaaaaaaa-0000-4000-8000-000000000001"


def test_mbr_with_logical_partitions(tmp_path: Path) -> None:
    table = read_partition_table(disk_of(partitioned(tmp_path / "d", MBR, 16 * MIB)))
    assert table is not None
    assert (table.scheme, table.uuid) == ("mbr", "cafebabe")
    found = [(p.number, p.start // 512, p.size // 512, p.type) for p in table.partitions]
    assert found == [(1, 2048, 2048, "83"), (5, 8200, 2048, "83"), (6, 12000, 2048, "82")]
    assert table.partitions[0].active


@pytest.mark.parametrize("place", [512 + 60, 1024 + 40])
def test_a_damaged_gpt_is_read_from_its_backup(place: int, tmp_path: Path) -> None:
    path = partitioned(tmp_path / "d", GPT, 16 * MIB)
    with path.open("r+b") as disk:
        disk.seek(place)
        disk.write(b"\xff\xfe")
    table = read_partition_table(disk_of(path))
    assert table is not None
    assert table.backup
    assert [p.start for p in table.partitions] == [MIB, 4 * MIB]
    assert "its backup" in volumes_of(path).problems[0]


def test_a_gpt_without_its_first_copy(tmp_path: Path) -> None:
    path = partitioned(tmp_path / "d", GPT, 16 * MIB)
    put_zeros(path, 512, 33 * 512)
    table = read_partition_table(disk_of(path))
    assert table is not None
    assert table.backup
    assert len(table.partitions) == 2


def put_zeros(path: Path, offset: int, length: int) -> None:
    with path.open("r+b") as disk:
        disk.seek(offset)
        disk.write(bytes(length))


def test_logical_partitions_in_a_circle(tmp_path: Path) -> None:
    path = partitioned(tmp_path / "d", MBR, 16 * MIB)
    with path.open("r+b") as disk:
        disk.seek(8192 * 512 + 446 + 16 + 4)
        disk.write(b"\5\0\0\0" + struct.pack("<II", 0, 100))
    assert read_partition_table(disk_of(path)) is not None


def test_damaged_tables_never_crash(tmp_path: Path) -> None:
    for script in (GPT, MBR):
        whole = partitioned(tmp_path / "d", script, 16 * MIB).read_bytes()
        chance = random.Random(script)
        for _ in range(60):
            damaged = bytearray(whole)
            for _ in range(6):
                damaged[chance.randrange(2048)] = chance.randrange(256)
            (tmp_path / "x").write_bytes(damaged)
            volumes_of(tmp_path / "x")


@pytest.mark.parametrize(
    ("kind", "command"),
    [
        ("ext2", ("mke2fs", "-q", "-F", "-t", "ext2", "-L", "name")),
        ("ext3", ("mke2fs", "-q", "-F", "-t", "ext3", "-L", "name")),
        ("ext4", ("mke2fs", "-q", "-F", "-t", "ext4", "-L", "name")),
        ("xfs", ("mkfs.xfs", "-q", "-f", "-L", "name")),
        ("btrfs", ("mkfs.btrfs", "-q", "-f", "-L", "name")),
        ("swap", ("mkswap", "-q", "-L", "name")),
        ("ntfs", ("mkntfs", "-q", "-F", "-f", "-s", "512")),
        ("vfat", ("mformat", "-v", "NAME", "-T", "65536", "-h", "4", "-s", "16", "-i")),
        ("crypto_LUKS", ("cryptsetup", "luksFormat", "-q", "--pbkdf-force-iterations", "1000",
                         "--pbkdf", "pbkdf2", "--key-file", "/proc/self/status")),
    ],
)  # fmt: skip
def test_kinds_as_their_tools_make_them(
    kind: str, command: tuple[str, ...], tmp_path: Path
) -> None:
    path = tmp_path / "fs"
    with path.open("wb") as file:
        file.truncate(320 * MIB)
    run(*command, path, *(("::",) if kind == "vfat" else ()))
    (volume,) = volumes_of(path).volumes
    assert volume.content.kind == kind
    told = subprocess.run(
        [tool("blkid"), "-p", "-o", "export", path], capture_output=True, text=True
    ).stdout
    words = dict(line.split("=", 1) for line in told.splitlines() if "=" in line)
    assert words.get("TYPE") == kind
    assert words.get("UUID", "") == volume.content.uuid
    if kind != "ntfs":
        assert volume.content.label == words.get("LABEL", "").replace("\\ ", " ")
    if kind not in {"ext2", "ext3", "ext4", "vfat", "xfs", "btrfs", "ntfs"}:
        with pytest.raises(UnsupportedError):
            open_files(volume)


def test_a_disk_of_noise_has_nothing(tmp_path: Path) -> None:
    path = tmp_path / "noise"
    path.write_bytes(random.Random(5).randbytes(MIB))
    (volume,) = volumes_of(path).volumes
    assert (volume.id, volume.content.kind) == ("disk1", "")
    assert volumes_of(path).find("UUID=") is None


@pytest.mark.parametrize(
    ("kind", "magic", "at"), [("btrfs", b"_BHRfS_M", 0x10040), ("xfs", b"XFSB", 0)]
)
def test_a_volume_that_ends_within_the_header_it_has_the_mark_of(
    kind: str, magic: bytes, at: int, tmp_path: Path
) -> None:
    path = tmp_path / "d"
    path.write_bytes((bytes(at) + magic).ljust(at + 100, b"\0"))
    (volume,) = volumes_of(path).volumes
    assert (volume.content.kind, volume.content.uuid) == (kind, "")


def test_a_partition_beyond_the_disk(tmp_path: Path) -> None:
    path = partitioned(tmp_path / "d", GPT, 16 * MIB)
    data = path.read_bytes()
    path.write_bytes(data[: 5 * MIB])
    first, second = volumes_of(path).volumes
    assert first.view is not None
    assert second.view is None
    assert "only" in second.refusal


@pytest.fixture
def root(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "file").write_bytes(random.Random(1).randbytes(700_000))
    return ext(tmp_path / "root.img", tree, "-t", "ext4", "-U",
               "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", size=8 * MIB)  # fmt: skip


def test_a_linear_volume_in_pieces(root: Path, tmp_path: Path) -> None:
    """A volume whose extents are in another order on the disk, in a partition."""
    data = root.read_bytes()
    text = group_text([["pv0"]], [(0, 4, ["pv0", 6]), (4, 4, ["pv0", 0])])
    pv = physical_volume("0" * 32, text, 12 * MIB)
    pv[7 * MIB : 11 * MIB] = data[: 4 * MIB]
    pv[1 * MIB : 5 * MIB] = data[4 * MIB :]
    path = partitioned(tmp_path / "d", "label: gpt\nstart=2048, type=lvm\n", 16 * MIB)
    (tmp_path / "pv").write_bytes(pv)
    put(path, MIB, tmp_path / "pv")
    found = volumes_of(path)
    assert [v.id for v in found.volumes] == ["disk1p1", "vg/root"]
    volume = found.find("UUID=aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee")
    assert volume is found.volumes[1]
    files = GuestFiles(open_files(volume))
    assert files.read("/file") == random.Random(1).randbytes(700_000)


def test_a_group_and_its_copy(root: Path, tmp_path: Path) -> None:
    """Of two physical volumes with one id the first is read, and both are named."""
    text = group_text([["pv0"]], [(0, 8, ["pv0", 0])])
    text = text.replace(dashed("0" * 32), dashed("A" * 32))
    for name, data in (("first", root.read_bytes()), ("copy", bytes(8 * MIB))):
        pv = physical_volume("A" * 32, text, 12 * MIB)
        pv[MIB : 9 * MIB] = data
        (tmp_path / name).write_bytes(pv)
    found = volumes_of(tmp_path / "first", tmp_path / "copy")
    volume = found.find("vg/root")
    assert volume is not None
    assert volume.content.kind == "ext4"
    first, _, _ = found.volumes
    assert (
        run("blkid", "-p", "-o", "value", "-s", "UUID", tmp_path / "first").strip()
        == first.content.uuid
    )
    (finding,) = notes_of_twins(found)
    assert finding.code == "KF-813"
    assert "disk1, disk2" in finding.message


def test_a_striped_volume_over_two_disks(root: Path, tmp_path: Path) -> None:
    data = root.read_bytes()
    text = group_text([["pv0"], ["pv1"]], [(0, 8, ["pv0", 0, "pv1", 0])], stripe=128)
    for number in (0, 1):
        pv = physical_volume(str(number) * 32, text, 6 * MIB)
        chunks = [data[at : at + 65536] for at in range(number * 65536, len(data), 131072)]
        pv[MIB : 5 * MIB] = b"".join(chunks)
        (tmp_path / f"pv{number}").write_bytes(pv)
    found = volumes_of(tmp_path / "pv0", tmp_path / "pv1")
    volume = found.find("vg/root")
    assert volume is not None
    assert GuestFiles(open_files(volume)).read("/file") == random.Random(1).randbytes(700_000)
    alone = volumes_of(tmp_path / "pv0").find("vg/root")
    assert alone is not None
    assert "pv1 is not here" in alone.refusal


def test_thin_volumes_are_named(tmp_path: Path) -> None:
    text = group_text([["pv0"]], [(0, 4, ["pv0", 0])]).replace('"striped"', '"thin"')
    (tmp_path / "pv").write_bytes(physical_volume("0" * 32, text, 8 * MIB))
    volume = volumes_of(tmp_path / "pv").find("vg/root")
    assert volume is not None
    assert "'thin'" in volume.refusal


def test_damaged_metadata_is_a_problem_in_words(tmp_path: Path) -> None:
    text = group_text([["pv0"]], [(0, 4, ["pv0", 0])])
    pv = physical_volume("0" * 32, text, 8 * MIB)
    for at, word in ((512 + 30, "label"), (4096 + 60, "header"), (4096 + 600, "metadata")):
        damaged = bytearray(pv)
        damaged[at] ^= 0x55
        (tmp_path / "pv").write_bytes(damaged)
        assert word in volumes_of(tmp_path / "pv").problems[0]


@pytest.mark.parametrize(
    "text", ["a", "a = ", "a = [1, 2", "a {", "}", "a = {", "= 1", "a { " * 40, 'a = "x', "a = @"]
)
def test_text_that_is_none(text: str) -> None:
    with pytest.raises(CorruptError):
        parse_lvm_text(text, "pv")


def test_text(tmp_path: Path) -> None:
    text = '# note\nvg { id = "a-b"\n n = -3 f = 1.5 l = ["x", 1, []] "q s" { e = yes } }\n\0'
    assert parse_lvm_text(text, "pv") == {
        "vg": {"id": "a-b", "n": -3, "f": 1.5, "l": ["x", 1, []], "q s": {"e": "yes"}}
    }


def test_no_disks() -> None:
    assert scan([]).volumes == ()
