"""Edits of XFS and btrfs by the kernel; their own checkers look at the patched volume as a whole."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from tests.guest.images_of import MIB, make_tree, run

from kensho.disks import DiskReader, open_disk
from kensho.guest.edit.backends import BACKENDS, edit_volume, lacking
from kensho.guest.edit.disk import PatchedDisk
from kensho.guest.edit.patch import pieces
from kensho.guest.edit.plan import FileEdit
from kensho.guest.files.base import Kind
from kensho.guest.files.open import open_files
from kensho.guest.files.tree import GuestFiles
from kensho.guest.inspect.systems import Opened, find_systems
from kensho.guest.volumes.scan import scan
from kensho.model.errors import CorruptError, NoSpaceError, UnsupportedError
from kensho.storage import FileSource

BIG = os.urandom(3 * MIB)
EDITS = (
    FileEdit("/small", b"other\n", "a file there is, with two names", mode=0o600),
    FileEdit("/fresh", b"new", "a new file", mode=0o640, uid=70000, gid=5),
    FileEdit("/etc/new dir/deep/file", BIG, "folders that are missing", uid=7),
    FileEdit("/short-link/er/file", b"through a link", "a link on the way"),
    FileEdit("/mode", b"suid", "keeps its mode and attributes"),
    FileEdit("/empty", None, "gone"),
    FileEdit("/absolute-link", None, "led elsewhere", target="../elsewhere"),
    FileEdit("/not/there", None, "not there"),
)
CAPABILITY = bytes.fromhex("0100000200040000000000000000000000000000")
SIZE = 320 * MIB
ROWS = {kind: row for row in BACKENDS if row.name == "kernel" for kind in row.kinds}
LACKING = "".join(lacking(row) for row in ROWS.values())
CHECKS = {"xfs": ("xfs_repair", "-n"), "btrfs": ("btrfs", "check", "--readonly")}

pytestmark = pytest.mark.skipif(bool(LACKING), reason=LACKING)


def mounted(image: Path, place: Path, *commands: str) -> None:
    """Run commands where a file system is mounted."""
    place.mkdir()
    lines = [
        f"mount -o loop {image} {place}",
        f"cd {place}",
        *commands,
        "cd /",
        f"umount {place}",
    ]
    run("unshare", "--mount", "sh", "-ec", "\n".join(lines))
    place.rmdir()


def blank(path: Path, kind: str) -> Path:
    with path.open("wb") as file:
        file.truncate(SIZE)
    run(f"mkfs.{kind}", "-q", path)
    return path


@pytest.fixture(scope="module", params=sorted(CHECKS))
def source(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    tree, disk = make_tree(folder / "tree"), folder / "disk.qcow2"
    os.setxattr(tree / "mode", "security.capability", CAPABILITY)
    (tree / "outside").symlink_to("/tmp")
    raw = blank(folder / "raw.img", request.param)
    mounted(raw, folder / "mounted", f"cp -a {tree}/. .")
    run("qemu-img", "convert", "-O", "qcow2", raw, disk)
    return disk


def kind_of(path: Path) -> str:
    return scan([open_disk(FileSource(path))]).volumes[0].content.kind


def patched(path: Path, edits: tuple[FileEdit, ...], folder: Path) -> DiskReader:
    folder.mkdir()
    disk = open_disk(FileSource(path))
    (volume,) = scan([disk]).volumes
    patch = edit_volume(volume, edits, folder)
    return PatchedDisk(disk, [piece for _, piece in pieces(patch)])


def whole(disk: DiskReader, path: Path) -> Path:
    with path.open("wb") as file:
        file.truncate(SIZE)
        for at in range(0, SIZE, MIB):
            data = bytearray(MIB)
            disk.read_into(at, data)
            if any(data):
                file.seek(at)
                file.write(data)
    return path


def test_checkers_find_the_patched_disk_clean(tmp_path: Path, source: Path) -> None:
    before = hashlib.sha256(source.read_bytes()).digest()
    disk = patched(source, EDITS, tmp_path / "work")
    assert hashlib.sha256(source.read_bytes()).digest() == before
    run(*CHECKS[kind_of(source)], whole(disk, tmp_path / "after.img"))
    files = GuestFiles(open_files(scan([disk]).volumes[0]))
    for edit in EDITS:
        if edit.content is not None:
            assert files.read(edit.path) == edit.content
    assert files.read("/dir/hard") == b"other\n"
    assert files.readlink("/absolute-link") == "../elsewhere"
    assert not files.exists("/empty")
    assert not files.exists("/not")
    facts = files.stat("/fresh")
    assert (facts.mode, facts.uid, facts.gid) == (0o640, 70000, 5)
    assert files.stat("/small").mode == 0o644
    folder = files.stat("/etc/new dir")
    assert (folder.kind, folder.mode, folder.uid) == (Kind.DIRECTORY, 0o755, 7)
    # a write takes a file's capabilities and set-uid away, but for those who only edit
    assert files.stat("/mode").mode == 0o4711
    assert files.xattrs("/mode")["security.capability"] == CAPABILITY
    assert files.read("/large") == bytes(range(256)) * 9000
    assert not any(str(tmp_path) in line for line in Path("/proc/self/mounts").read_text().split())
    assert str(tmp_path) not in run("losetup", "--list")


def test_only_what_changes_is_in_the_patch(tmp_path: Path, source: Path) -> None:
    (tmp_path / "work").mkdir()
    (volume,) = scan([open_disk(FileSource(source))]).volumes
    patch = edit_volume(volume, EDITS[:1], tmp_path / "work")
    assert sum(length for _, length in patch.runs) < 4 * MIB  # it clears what is next in its log


@pytest.mark.parametrize("path", ["/dir", "/fifo", "/outside/x", "/small/x"])
def test_what_is_not_written(tmp_path: Path, source: Path, path: str) -> None:
    with pytest.raises(UnsupportedError):
        patched(source, (FileEdit(path, b"x", "no"),), tmp_path / "work")
    assert not Path("/tmp/x").exists()


def test_a_full_file_system_is_left_as_it_is(tmp_path: Path, source: Path) -> None:
    edits = tuple(FileEdit(f"/big{n}", bytes(MIB) * 64, "too much") for n in range(6))
    with pytest.raises(NoSpaceError):
        patched(source, edits, tmp_path / "work")
    assert str(tmp_path) not in run("losetup", "--list")


@pytest.fixture(scope="module", params=sorted(CHECKS))
def unclean(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """A file system whose last changes are in its log alone, as in a snapshot of a running machine."""
    folder = tmp_path_factory.mktemp("unclean")
    raw, copy = blank(folder / "raw.img", request.param), folder / "copy.img"
    mounted(raw, folder / "one", "echo old >old", "echo old >other")
    mounted(
        raw, folder / "two", "echo much newer >old", "echo late >late",
        "xfs_io -c fsync old", "xfs_io -c fsync late", f"cp --sparse=always {raw} {copy}",
    )  # fmt: skip
    return copy


def test_a_log_is_replayed_into_what_is_written(tmp_path: Path, unclean: Path) -> None:
    disk = patched(unclean, (FileEdit("/other", b"edited", "it is"),), tmp_path / "work")
    run(*CHECKS[kind_of(unclean)], whole(disk, tmp_path / "after.img"))
    fs = open_files(scan([disk]).volumes[0])
    assert fs.warnings == ()
    assert GuestFiles(fs).read("/other") == b"edited"
    assert GuestFiles(fs).read("/late") == b"late\n"


@pytest.mark.parametrize("path", ["/old", "/late"])
def test_what_the_log_changed_is_not_what_was_planned_from(
    tmp_path: Path, unclean: Path, path: str
) -> None:
    with pytest.raises(UnsupportedError, match="log"):
        patched(unclean, (FileEdit(path, b"edited", "it is"),), tmp_path / "work")


def test_damage_is_refused(tmp_path: Path) -> None:
    raw = blank(tmp_path / "raw.img", "xfs")
    mounted(raw, tmp_path / "mounted", "echo large >large")
    node = GuestFiles(open_files(scan([open_disk(FileSource(raw))]).volumes[0])).stat("/large").node
    run("xfs_db", "-x", "-c", f"inode {node}", "-c", "write core.nlinkv2 55", raw)
    with pytest.raises(CorruptError, match="xfs_repair"):
        patched(raw, EDITS[1:3], tmp_path / "work")


def subvolumes(path: Path, *commands: str) -> Path:
    raw = blank(path, "btrfs")
    mounted(
        raw, path.with_suffix(".mounted"), "btrfs subvolume create @", "btrfs subvolume create @home",
        "btrfs subvolume create @old", "mkdir -p @/etc @old/etc @/home", "echo me >@home/file",
        "echo ID=new >@/etc/os-release", "echo ID=old >@old/etc/os-release",
        "echo '/dev/sda / btrfs subvol=@ 0 0' | tee @/etc/fstab >@old/etc/fstab",
        "echo '/dev/sda /home btrfs subvol=/@home 0 0' >>@/etc/fstab", *commands,
    )  # fmt: skip
    return raw


@pytest.mark.parametrize("default", ["", "btrfs subvolume set-default @"])
def test_a_system_in_a_subvolume(tmp_path: Path, default: str) -> None:
    raw = subvolumes(tmp_path / "raw.img", *([default] if default else []))
    opened = Opened(scan([open_disk(FileSource(raw))]))
    opened.open_all()
    (system,) = find_systems(opened)
    assert system.files.read("/etc/os-release") == b"ID=new\n"
    assert system.files.read("/home/file") == b"me\n"
    assert system.missing == ()
    edits = []
    for path in ("/etc/new", "/home/new"):
        where = opened.where(*system.files.mount_of(path))
        assert where is not None
        edits.append(FileEdit(where[1], path.encode(), "new"))
    assert [edit.path for edit in edits] == ["/@/etc/new", "/@home/new"]
    disk = patched(raw, tuple(edits), tmp_path / "work")
    run(*CHECKS["btrfs"], whole(disk, tmp_path / "after.img"))
    opened = Opened(scan([disk]))
    opened.open_all()
    (system,) = find_systems(opened)
    assert (system.files.read("/etc/new"), system.files.read("/home/new")) == (
        b"/etc/new",
        b"/home/new",
    )


def test_a_read_only_subvolume_is_refused(tmp_path: Path) -> None:
    raw = subvolumes(tmp_path / "raw.img", "btrfs property set @ ro true")
    with pytest.raises(UnsupportedError, match="read-only") as raised:
        patched(raw, (FileEdit("/@/etc/new", b"x", "new"),), tmp_path / "work")
    assert "btrfs property" in raised.value.hint
