"""What becomes of single files: links, names, flags, attributes, labels; debugfs is asked."""

from __future__ import annotations

import os
import re
import struct
import subprocess
from pathlib import Path

import pytest
from tests.guest.images_of import MIB, disk_of, ext, make_tree, run, tool, volumes_of

from kensho.guest.edit.disk import PatchedDisk
from kensho.guest.edit.ext import edit_ext
from kensho.guest.edit.patch import pieces
from kensho.guest.edit.plan import FileEdit
from kensho.guest.files.open import open_files
from kensho.guest.files.tree import GuestFiles
from kensho.guest.volumes.scan import scan
from kensho.model.errors import CorruptError, KenshoError, UnsupportedError


def edited(image: Path, *edits: FileEdit) -> Path:
    """Return the file system with the edits, found clean by e2fsck."""
    work = image.with_name(f"{image.name}.work")
    work.mkdir()
    (volume,) = volumes_of(image).volumes
    assert volume.view is not None
    patch = edit_ext(volume.view, edits, work)
    disk = PatchedDisk(disk_of(image), [piece for _, piece in pieces(patch)])
    data = bytearray(disk.virtual_size)
    disk.read_into(0, memoryview(data))
    after = image.with_suffix(".after")
    after.write_bytes(data)
    run("e2fsck", "-fn", after)
    return after


def told(image: Path, command: str) -> str:
    return run("debugfs", "-R", command, image)


def do(image: Path, *commands: str) -> Path:
    run("debugfs", "-w", "-f", "-", image, stdin="\n".join([*commands, ""]))
    return image


def tree_of(image: Path) -> GuestFiles:
    (volume,) = scan([disk_of(image)]).volumes
    return GuestFiles(open_files(volume))


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return ext(tmp_path / "root.img", make_tree(tmp_path / "tree"), "-t", "ext4")


def test_links_are_deleted_and_made_themselves(image: Path) -> None:
    after = edited(
        image,
        FileEdit("/absolute-link", None, "the link, not the file"),
        FileEdit("/small", None, "a link in its place", target="dir/deep"),
        FileEdit("/short-link", None, "another target", target="/" + "x/" * 60, uid=3, gid=4),
        FileEdit("/etc/systemd/masked", None, "a new link", target="/dev/null"),
        FileEdit("/short-link/er/new", None, "a link on the way", target="file"),
    )
    files = tree_of(after)
    assert files.read("/dir/deep/er/file") == b"deep"
    assert "absolute-link" not in files.names("/")
    assert files.readlink("/small") == "dir/deep"
    assert 'Fast link dest: "/dev/null"' in told(after, "stat /etc/systemd/masked")
    assert files.readlink("/short-link") == "/" + "x/" * 60
    assert (files.stat("/short-link", follow=False).uid, files.read("/dir/hard")) == (3, b"hello\n")
    assert files.read("/dir/deep/er/new") == b"deep"


def test_a_folder_takes_the_place_of_a_file(image: Path) -> None:
    after = edited(
        image,
        FileEdit("/large/new", b"x", "below", uid=7, gid=8),
        FileEdit("/large", None, "the file"),
    )
    files = tree_of(after)
    assert files.read("/large/new") == b"x"
    assert (files.stat("/large").mode, files.stat("/large").uid) == (0o755, 7)


def test_all_names_of_a_file_get_the_new_content(image: Path) -> None:
    do(image, "ln /small /dir/deep/third", "sif /small links_count 3")
    after = edited(image, FileEdit("/dir/hard", b"for all", "one of three names"))
    files = tree_of(after)
    nodes = {files.stat(path).node for path in ("/small", "/dir/hard", "/dir/deep/third")}
    assert len(nodes) == 1
    assert files.read("/small") == b"for all"
    assert files.stat("/small").links == 3


def test_one_name_goes_and_the_others_stay(image: Path) -> None:
    after = edited(
        image, FileEdit("/small", None, "one name"), FileEdit("/dir/hard", b"new", "the other")
    )
    files = tree_of(after)
    assert (files.read("/dir/hard"), files.stat("/dir/hard").links) == (b"new", 1)
    assert not files.exists("/small")


def test_two_contents_for_one_file_are_refused(image: Path) -> None:
    edits = FileEdit("/small", b"one", "a"), FileEdit("/dir/hard", b"two", "b")
    with pytest.raises(UnsupportedError, match="one file with another name"):
        edited(image, *edits)


@pytest.mark.parametrize(("content", "size"), [(b"new", 3), (os.urandom(MIB), MIB)])
def test_flags_and_access_lists_stay(image: Path, content: bytes, size: int) -> None:
    acl = struct.pack("<I", 2) + b"".join(
        struct.pack("<HHI", *entry)
        for entry in ((1, 6, 2**32 - 1), (2, 7, 70000), (4, 4, 2**32 - 1),
                      (16, 7, 2**32 - 1), (32, 0, 2**32 - 1))
    )  # fmt: skip
    (image.parent / "acl").write_bytes(acl)
    do(
        image,
        "sif /mode flags 0x800d0",  # immutable, no dump, no atime, and its extents
        f"ea_set -f {image.parent / 'acl'} /mode system.posix_acl_access",
        "ea_set /mode trusted.word value",
    )
    before = tree_of(image).xattrs("/mode")
    assert before["system.posix_acl_access"] == acl
    after = edited(image, FileEdit("/mode", content, "replaced"))
    assert re.search(r"Flags: 0x800d0", told(after, "stat /mode"))
    assert tree_of(after).xattrs("/mode") == before
    assert tree_of(after).stat("/mode").size == size
    assert tree_of(after).stat("/mode").mode == 0o4711


def test_a_project_stays(tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "tree")
    image = ext(tmp_path / "root.img", tree, "-t", "ext4", "-O", "quota,project")
    do(image, "sif /large projid 42")
    subprocess.run([tool("e2fsck"), "-fy", image], capture_output=True, check=False)
    after = edited(image, FileEdit("/large", b"small", "replaced"))
    assert "Project:    42" in told(after, "stat /large")


def test_new_files_have_the_label_of_their_neighbours(image: Path) -> None:
    def label(name: str) -> str:
        (image.parent / name).write_bytes(f"system_u:object_r:{name}:s0\0".encode())
        return f"ea_set -f {image.parent / name}"

    do(
        image,
        f"{label('root_t')} / security.selinux",
        f"{label('dir_t')} /dir security.selinux",
        f"{label('many_t')} /many security.selinux",
        *(f"{label('file_t')} /many/a-rather-long-name-of-a-file-{n:04d} security.selinux"
          for n in range(3)),
        f"{label('link_t')} /short-link security.selinux",
    )  # fmt: skip
    after = edited(
        image,
        FileEdit("/dir/sub/new", b"x", "in a new folder"),
        FileEdit("/dir/deep/link", None, "a link", target="x"),
        FileEdit("/new", None, "a link", target="x"),
    )
    files = tree_of(after)

    def of(path: str) -> str:
        return files.xattrs(path).get("security.selinux", b"none").decode()

    assert of("/dir/sub") == of("/dir/sub/new") == "system_u:object_r:dir_t:s0\0"
    # Nothing is made of nothing: what is below a folder without a label has none.
    assert of("/dir/deep/link") == "none"
    assert of("/many/a-rather-long-name-of-a-file-0001") == "system_u:object_r:file_t:s0\0"


def test_a_new_file_is_like_most_files_of_its_folder(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "d").mkdir(parents=True)
    for name in "abc":
        (tree / "d" / name).touch()
    image = ext(tmp_path / "root.img", tree, "-t", "ext4")
    do(
        image,
        "ea_set /d security.selinux folder_t",
        "ea_set /d/a security.selinux other_t",
        "ea_set /d/b security.selinux file_t",
        "ea_set /d/c security.selinux file_t",
    )
    after = edited(image, FileEdit("/d/new", b"x", "new"))
    assert "file_t" in told(after, "ea_get /d/new security.selinux")


def test_a_folder_with_an_index_stays_whole(image: Path) -> None:
    edits = [FileEdit(f"/many/new-{n}", b"%d" % n, "more") for n in range(100)]
    gone = [FileEdit(f"/many/a-rather-long-name-of-a-file-{n:04d}", None, "") for n in range(99)]
    after = edited(image, *edits, *gone)
    assert len(tree_of(after).names("/many")) == 600 + 100 - 99
    assert tree_of(after).read("/many/new-57") == b"57"


@pytest.mark.parametrize(
    ("edit", "what"),
    [
        (FileEdit("/dir", None, ""), "directory"),
        (FileEdit("/dir", None, "", target="x"), "directory"),
        (FileEdit("/fifo", None, ""), "fifo"),
        (FileEdit("/small/below", b"x", ""), "no folder|no directory"),
        (FileEdit("/a", None, "", target='quote"d'), "debugfs"),
    ],
)
def test_what_is_refused_of_single_files(image: Path, edit: FileEdit, what: str) -> None:
    with pytest.raises(KenshoError, match=what):
        edited(image, edit)


@pytest.mark.parametrize(
    ("commands", "error", "what"),
    [
        (["ssv state 3"], CorruptError, "met damage"),
        (["feature read-only"], UnsupportedError, "read-only"),
        (["ssv feature_ro_compat 0x8000000"], UnsupportedError, "not known"),
        (["ssv journal_dev 0x801"], UnsupportedError, "another device"),
        (["sif /large flags 0x180000"], UnsupportedError, "fs-verity"),
        (["sif / flags 0x40080000"], UnsupportedError, "small and large letters"),
    ],
)
def test_file_systems_that_are_not_written_to(
    image: Path, commands: list[str], error: type, what: str
) -> None:
    do(image, *commands)
    with pytest.raises(error, match=what) as raised:
        edited(image, FileEdit("/large", b"x", ""))
    assert raised.value.hint
