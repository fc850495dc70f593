"""Edits of ext file systems: e2fsck and debugfs look at the patched disk as a whole."""

from __future__ import annotations

import hashlib
import os
import struct
import subprocess
import time
from pathlib import Path

import pytest
from tests.guest.images_of import MIB, ext, make_tree, partitioned, put, run, tool
from tests.guest.lvm_disks import group_text, physical_volume
from tests.guest.volumes.test_md import member

from kensho.disks import DiskReader, open_disk
from kensho.guest.edit.disk import PatchedDisk
from kensho.guest.edit.ext import edit_ext
from kensho.guest.edit.ext_room import room_ext
from kensho.guest.edit.patch import pieces
from kensho.guest.edit.plan import FileEdit
from kensho.guest.files.open import open_files
from kensho.guest.files.tree import GuestFiles
from kensho.guest.volumes.scan import scan
from kensho.model.errors import (
    CorruptError,
    KenshoError,
    LimitError,
    NoSpaceError,
    UnsupportedError,
)
from kensho.model.extent import Kind
from kensho.storage import FileSource

BIG = os.urandom(3 * MIB)
EDITS = (
    FileEdit("/small", b"other\n", "a file there is", mode=0o600),
    FileEdit("/fresh", b"new", "a new file", mode=0o640, uid=70000, gid=5),
    FileEdit("/etc/new dir/deep/file", BIG, "folders that are missing"),
    FileEdit("/short-link/er/file", b"through a link", "a link on the way"),
    FileEdit("/mode", None, "gone"),
)
KINDS = {
    "ext4": ("-t", "ext4"),
    "ext4-1k": ("-t", "ext4", "-b", "1024"),
    "ext4-inline": ("-t", "ext4", "-O", "inline_data"),
    "ext4-old": ("-t", "ext4", "-O", "^metadata_csum,^64bit,^flex_bg"),
    "ext4-quota": ("-t", "ext4", "-O", "quota"),
    "ext4-bigalloc": ("-t", "ext4", "-O", "bigalloc"),
    "ext3": ("-t", "ext3"),
    "ext2": ("-t", "ext2", "-b", "1024"),
    "ext4-orphan-file": ("-t", "ext4", "-O", "orphan_file,^metadata_csum"),
    "ext4-project": ("-t", "ext4", "-O", "quota,project"),
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = make_tree(tmp_path / "tree")
    os.unlink(root / "dir/hard")  # noqa: PTH108 - the file has one name, so that it can be replaced
    return root


def disk_with(path: Path, tree: Path | None, *options: str, size: int = 48 * MIB) -> Path:
    """Make a disk with one partition, 1 MiB in."""
    inner = ext(path.with_suffix(".ext"), tree, *options, size=size)
    subprocess.run([tool("e2fsck"), "-fy", inner], capture_output=True, check=False)  # quotas
    partitioned(path, "label: gpt\nstart=2048\n", size + 3 * MIB)
    put(path, MIB, inner)
    inner.unlink()
    return path


def patched(path: Path, edits: tuple[FileEdit, ...], folder: Path) -> DiskReader:
    folder.mkdir()
    disk = open_disk(FileSource(path))
    (volume,) = scan([disk]).volumes
    assert volume.view is not None
    patch = edit_ext(volume.view, edits, folder)
    return PatchedDisk(disk, [piece for _, piece in pieces(patch)])


def whole(disk: DiskReader) -> bytes:
    """Return all bytes of a disk by its extents."""
    data = bytearray(disk.virtual_size)
    end = 0
    for extent in disk.extents():
        assert extent.start == end
        end = extent.end
        if extent.kind is Kind.DATA:
            disk.read_into(extent.start, memoryview(data)[extent.start : extent.end])
    assert end == disk.virtual_size
    return bytes(data)


def partition(data: bytes, path: Path, size: int = 48 * MIB) -> Path:
    path.write_bytes(data[MIB : MIB + size])
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_e2fsck_finds_the_patched_disk_clean(tmp_path: Path, tree: Path, kind: str) -> None:
    source = disk_with(tmp_path / "disk.img", tree, *KINDS[kind])
    before = hashlib.sha256(source.read_bytes()).digest()
    disk = patched(source, EDITS, tmp_path / "work")
    volume = partition(whole(disk), tmp_path / "after.ext")
    run("e2fsck", "-fn", volume)
    out = tmp_path / "out"
    for edit in EDITS:
        path = edit.path.replace("/short-link/", "/dir/deep/")
        run("debugfs", "-R", f'dump "{path}" {out}', volume)
        found = out.read_bytes() if out.exists() else None
        if kind == "ext4-inline" and found:
            found = found.rstrip(b"\0")  # debugfs dumps the room of inline data, not its size
        assert found == edit.content
        out.unlink(missing_ok=True)
    # What is replaced keeps mode and owner, what is new has those of the plan.
    files = GuestFiles(open_files(scan([disk]).volumes[0]))
    assert files.stat("/small").mode == 0o644
    assert (files.stat("/fresh").mode, files.stat("/fresh").uid, files.stat("/fresh").gid) == (
        0o640, 70000, 5,
    )  # fmt: skip
    if files.xattrs("/large"):
        assert files.xattrs("/small") == {"user.colour": b"green", "user.long": b"v" * 300}
    # All other files are what they were, and the source was not touched.
    assert files.read("/large") == bytes(range(256)) * 9000
    assert len(files.names("/many")) == 600
    assert hashlib.sha256(source.read_bytes()).digest() == before


def test_attributes_stay_with_a_replaced_file(tmp_path: Path, tree: Path) -> None:
    source = disk_with(tmp_path / "disk.img", tree)
    before = GuestFiles(open_files(scan([open_disk(FileSource(source))]).volumes[0]))
    kept = before.xattrs("/small")
    if not kept:
        pytest.skip("this file system gives mke2fs no attributes")
    disk = patched(source, EDITS, tmp_path / "work")
    after = GuestFiles(open_files(scan([disk]).volumes[0]))
    assert after.xattrs("/small") == kept


def test_the_same_edits_make_the_same_disk(tmp_path: Path, tree: Path) -> None:
    source = disk_with(tmp_path / "disk.img", tree)
    first = whole(patched(source, EDITS, tmp_path / "one"))
    time.sleep(1.1)  # so that a clock in it would show
    second = whole(patched(source, EDITS, tmp_path / "two"))
    assert hashlib.sha256(first).digest() == hashlib.sha256(second).digest()


def test_only_what_changes_is_in_the_patch(tmp_path: Path, tree: Path) -> None:
    source = disk_with(tmp_path / "disk.img", tree)
    disk = open_disk(FileSource(source))
    (volume,) = scan([disk]).volumes
    assert volume.view is not None
    (tmp_path / "work").mkdir()
    patch = edit_ext(volume.view, EDITS[:1], tmp_path / "work")
    assert sum(length for _, length in patch.runs) < 64 << 10
    assert os.stat(patch.image).st_blocks * 512 < 8 * MIB  # noqa: PTH116 - no file's content


def test_a_journal_with_changes_is_replayed_first(tmp_path: Path, tree: Path) -> None:
    source = disk_with(tmp_path / "disk.img", tree, "-t", "ext4")
    with source.open("r+b") as disk:
        inner = partition(source.read_bytes(), tmp_path / "inner.ext")
        # A transaction is left in the journal, the superblock says so, and nothing else is done.
        block = tmp_path / "block"
        block.write_bytes(b"written to the journal alone".ljust(1024, b"\0"))
        number = run("debugfs", "-R", "blocks /large", inner).split()[0]
        run("debugfs", "-w", "-f", "-", inner, stdin=f"jo -c\njw -b {number} {block}\njc\n")
        disk.seek(MIB)
        disk.write(inner.read_bytes())
    assert "needs_recovery" in run("dumpe2fs", "-h", inner)
    after = patched(source, EDITS, tmp_path / "work")
    volume = partition(whole(after), tmp_path / "after.ext")
    run("e2fsck", "-fn", volume)
    assert "needs_recovery" not in run("dumpe2fs", "-h", volume)
    files = GuestFiles(open_files(scan([after]).volumes[0]))
    assert files.read("/large").startswith(b"written to the journal alone")
    assert files.read("/small") == b"other\n"


def test_files_that_were_open_without_a_name_in_a_snapshot(tmp_path: Path, tree: Path) -> None:
    # As fsfreeze leaves it: nothing in the journal, and a list of what a mount takes away.
    source = disk_with(tmp_path / "disk.img", tree, "-t", "ext4")
    inner = partition(source.read_bytes(), tmp_path / "inner.ext")
    found = run("debugfs", "-R", "stat /large", inner)
    number = found.split()[1]
    script = f"unlink /large\nsif <{number}> links_count 0\nssv last_orphan {number}\n"
    run("debugfs", "-w", "-f", "-", inner, stdin=script)
    assert "needs_recovery" not in run("dumpe2fs", "-h", inner)
    put(source, MIB, inner)
    disk = patched(source, EDITS[-1:], tmp_path / "work")
    volume = partition(whole(disk), tmp_path / "after.ext")
    run("e2fsck", "-fn", volume)
    # It went at the file system's own time, so that the same edits make the same bytes.
    (written,) = struct.unpack_from("<I", inner.read_bytes(), 1024 + 0x30)
    assert f"dtime: {written:#010x}" in run("debugfs", "-R", f"stat <{number}>", volume)


def test_blocks_that_the_journal_takes_and_frees(tmp_path: Path, tree: Path) -> None:
    late = os.urandom(777_777)
    (tmp_path / "late").write_bytes(late)
    source = disk_with(tmp_path / "disk.img", tree, "-t", "ext4", "-b", "1024")
    old = partition(source.read_bytes(), tmp_path / "inner.ext")
    new = tmp_path / "new.ext"
    new.write_bytes(old.read_bytes())
    run("debugfs", "-w", "-f", "-", new, stdin=f"rm large\nwrite {tmp_path / 'late'} late\n")
    content = {int(n) for n in run("debugfs", "-R", "blocks /late", new).split()}
    # A file's bytes are in their place, and what says that they are its bytes is in the journal alone.
    before, after = bytearray(old.read_bytes()), new.read_bytes()
    script = ["jo -c"]
    for number in range(2, len(after) // 1024):
        place = slice(number * 1024, number * 1024 + 1024)
        if number in content:
            before[place] = after[place]
        elif before[place] != after[place]:
            (tmp_path / f"block{number}").write_bytes(after[place])
            script.append(f"jw -b {number} {tmp_path / f'block{number}'}")
    old.write_bytes(before)
    run("debugfs", "-w", "-f", "-", old, stdin="\n".join([*script, "jc", ""]))
    put(source, MIB, old)
    edits = (FileEdit("/fresh", BIG, "where others were"), FileEdit("/dir/fresh", b"new", "small"))
    disk = patched(source, edits, tmp_path / "work")
    run("e2fsck", "-fn", partition(whole(disk), tmp_path / "after.ext"))
    files = GuestFiles(open_files(scan([disk]).volumes[0]))
    assert files.read("/late") == late
    assert files.read("/fresh") == BIG
    assert not files.exists("/large")


def test_nothing_is_made_to_delete_what_is_not_there(tmp_path: Path, tree: Path) -> None:
    source = disk_with(tmp_path / "disk.img", tree)
    disk = patched(source, (FileEdit("/not/there", None, "gone"),), tmp_path / "work")
    assert not GuestFiles(open_files(scan([disk]).volumes[0])).exists("/not")


def test_a_name_is_no_number_of_an_inode(tmp_path: Path, tree: Path) -> None:
    source = disk_with(tmp_path / "disk.img", tree)
    before = GuestFiles(open_files(scan([open_disk(FileSource(source))]).volumes[0]))
    name = f"/<{before.stat('/large').node}>"
    disk = patched(source, (FileEdit(name, b"new", "odd", mode=0o600),), tmp_path / "work")
    after = GuestFiles(open_files(scan([disk]).volumes[0]))
    assert after.stat("/large").mode == before.stat("/large").mode
    assert (after.read(name), after.stat(name).mode) == (b"new", 0o600)


def test_a_full_file_system_is_left_as_it_is(tmp_path: Path) -> None:
    source = disk_with(tmp_path / "disk.img", None, size=8 * MIB)
    edits = (FileEdit("/too-big", os.urandom(9 * MIB), "more than there is room for"),)
    with pytest.raises(NoSpaceError, match="full"):
        patched(source, edits, tmp_path / "work")


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/dir", UnsupportedError),
        ("/fifo", UnsupportedError),
        ('/quote"d', UnsupportedError),
        ("/line\nrm small", UnsupportedError),
        ("/loop-link/x", KenshoError),
    ],
)
def test_what_cannot_be_edited(tmp_path: Path, tree: Path, path: str, error: type) -> None:
    source = disk_with(tmp_path / "disk.img", tree)
    with pytest.raises(error):
        patched(source, (FileEdit(path, b"x", "no"),), tmp_path / "work")


def test_a_damaged_file_system_is_refused(tmp_path: Path, tree: Path) -> None:
    source = disk_with(tmp_path / "disk.img", tree)
    inner = partition(source.read_bytes(), tmp_path / "inner.ext")
    number = run("debugfs", "-R", "blocks /dir", inner).split()[0]
    subprocess.run([tool("debugfs"), "-w", "-R", f"freeb {number}", inner], check=True)
    put(source, MIB, inner)
    with pytest.raises(CorruptError):
        patched(source, EDITS, tmp_path / "work")


def test_a_mirror_is_not_changed_on_one_side(tmp_path: Path, tree: Path) -> None:
    content = ext(tmp_path / "fs.img", tree, "-t", "ext4").read_bytes()
    disk = open_disk(FileSource(member(tmp_path / "one.img", content)))
    *_, volume = scan([disk]).volumes
    assert volume.view is not None
    assert GuestFiles(open_files(volume)).read("/small") == b"hello\n"
    with pytest.raises(UnsupportedError, match="mirror"):
        edit_ext(volume.view, EDITS, tmp_path)


@pytest.mark.parametrize("snapshot", [False, True])
def test_what_a_snapshot_is_of_is_not_changed(tmp_path: Path, snapshot: bool) -> None:
    text = group_text([["root"]], [(0, 6, ["pv0", 0])])
    kept = 'snapshot0 {\nsegment1 {\nstart_extent = 0\nextent_count = 6\ntype = "snapshot"\n'
    kept += 'origin = "root"\ncow_store = "kept"\n}\n}\n'
    if snapshot:
        text = text.replace("logical_volumes {\n", "logical_volumes {\n" + kept)
    disk = physical_volume("0" * 32, text, 8 * MIB)
    inner = ext(tmp_path / "fs.img", None, "-t", "ext4", size=6 * MIB)
    disk[MIB : 7 * MIB] = inner.read_bytes()
    (tmp_path / "pv.img").write_bytes(disk)
    *_, volume = scan([open_disk(FileSource(tmp_path / "pv.img"))]).volumes
    assert volume.view is not None
    if snapshot:
        with pytest.raises(UnsupportedError, match="snapshot"):
            edit_ext(volume.view, (FileEdit("/x", b"x", "new"),), tmp_path)
    else:
        assert edit_ext(volume.view, (FileEdit("/x", b"x", "new"),), tmp_path).runs


@pytest.mark.parametrize("path", ["/dir/new", "/dir/deep/more/new"])
def test_nothing_is_written_where_names_are_encrypted(
    tmp_path: Path, tree: Path, path: str
) -> None:
    source = disk_with(tmp_path / "disk.img", tree, "-t", "ext4", "-O", "encrypt")
    inner = partition(source.read_bytes(), tmp_path / "inner.ext")
    run("debugfs", "-w", "-R", "sif /dir flags 0x80800", inner)
    put(source, MIB, inner)
    with pytest.raises(UnsupportedError, match="encrypted"):
        patched(source, (FileEdit(path, b"x", "new"),), tmp_path / "work")


def test_a_link_that_leads_nowhere_is_not_replaced(tmp_path: Path, tree: Path) -> None:
    (tree / "dangling").symlink_to("not/there")
    source = disk_with(tmp_path / "disk.img", tree)
    with pytest.raises(UnsupportedError, match="nowhere"):
        patched(source, (FileEdit("/dangling", b"x", "new"),), tmp_path / "work")


def test_absurdly_many_groups_are_refused_at_once(tmp_path: Path) -> None:
    """A superblock that says so would keep whoever counts their free blocks busy for minutes."""
    image = ext(tmp_path / "fs.img", None, "-t", "ext2", "-b", "1024", size=4 * MIB)
    with image.open("r+b") as file:
        file.truncate(8 << 30)
        for at, number in ((0, 1 << 23), (4, 1 << 23), (32, 2), (40, 8)):  # 2 blocks to a group
            file.seek(1024 + at)
            file.write(number.to_bytes(4, "little"))
    (volume,) = scan([open_disk(FileSource(image))]).volumes
    assert volume.view is not None
    for work in (edit_ext, lambda view, edits, _: room_ext(view, edits)):
        with pytest.raises(LimitError, match="groups"):
            work(volume.view, EDITS, tmp_path)
