"""Edits of FAT: fsck.fat looks at the patched file system, mtools reads it back."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.guest.images_of import MIB, disk_of, run, tool, volumes_of

from kensho.guest.edit.disk import PatchedDisk
from kensho.guest.edit.fat import edit_fat
from kensho.guest.edit.patch import Patched, pieces
from kensho.guest.edit.plan import FileEdit
from kensho.guest.files.fat import Fat
from kensho.guest.files.open import open_files
from kensho.guest.files.tree import GuestFiles
from kensho.guest.volumes.scan import scan
from kensho.guest.volumes.view import CachedDisk, part_of
from kensho.model.errors import CorruptError, KenshoError, NoSpaceError, UnsupportedError

#: FAT by bits: size in MiB and options of mkfs.fat.
KINDS = {
    12: (2, ("-F", "12", "-s", "1")),
    16: (16, ("-F", "16", "-s", "2")),
    32: (36, ("-F", "32", "-s", "1")),
}
LOADER = bytes(range(256)) * 2000


def fat(path: Path, bits: int, **files: bytes) -> Path:
    """Make a FAT file system with folders ``EFI/BOOT`` and files, by mtools."""
    size, options = KINDS[bits]
    with path.open("wb") as file:
        file.truncate(size * MIB)
    run("mkfs.fat", *options, "-i", "1234abcd", "--invariant", path)
    mtools(path, "mmd", "::/EFI", "::/EFI/BOOT")
    for name, content in files.items():
        put_in(path, name.replace("__", "/"), content)
    return path


def put_in(image: Path, name: str, content: bytes) -> None:
    (image.parent / "content").write_bytes(content)
    mtools(image, "mcopy", "-o", image.parent / "content", f"::/{name}")


def mtools(image: Path, *command: object) -> bytes:
    name, *rest = command
    environment = {**os.environ, "MTOOLS_SKIP_CHECK": "1", "LC_ALL": "C.UTF-8"}
    environment["SOURCE_DATE_EPOCH"] = "1600000000"
    return subprocess.run(
        [tool(str(name)), "-i", str(image), *map(str, rest)],
        env=environment, capture_output=True, check=True, stdin=subprocess.DEVNULL,
    ).stdout  # fmt: skip


def edited(image: Path, *edits: FileEdit, name: str = "work") -> Path:
    """Return the file system with the edits, found clean by fsck.fat."""
    work = image.with_name(f"{image.name}.{name}")
    work.mkdir()
    (volume,) = volumes_of(image).volumes
    assert volume.view is not None
    patch = edit_fat(volume.view, edits, work)
    disk = PatchedDisk(disk_of(image), [piece for _, piece in pieces(patch)])
    data = bytearray(disk.virtual_size)
    disk.read_into(0, memoryview(data))
    after = image.with_suffix(f".{name}")
    after.write_bytes(data)
    run("fsck.fat", "-n", after)
    return after


def listed(image: Path) -> dict[str, bytes]:
    """Return all files with their content, as mtools reads them."""
    names = mtools(image, "mdir", "-/", "-b", "-a", "::/").decode().splitlines()
    return {
        name.removeprefix("::"): mtools(image, "mcopy", name, "-")
        for name in names
        if not name.endswith("/")
    }


@pytest.mark.parametrize("bits", KINDS)
def test_files_are_replaced_made_and_deleted(tmp_path: Path, bits: int) -> None:
    image = fat(tmp_path / "esp.img", bits, EFI__BOOT__BOOTX64=LOADER, gone=b"x", kept=b"kept")
    before = image.read_bytes()
    after = edited(
        image,
        FileEdit("/efi/boot/bootx64", b"smaller", "other case"),
        FileEdit("/EFI/debian/grub.cfg", b"search\n", "a new folder"),
        FileEdit("/loader/entries/Ünïcode and a long name.conf", LOADER, "a long name"),
        FileEdit("/gone", None, "not wanted"),
        FileEdit("/none", None, "is not there"),
        FileEdit("/EMPTY.TXT", b"", "nothing in it"),
    )
    assert listed(after) == {
        "/EFI/BOOT/BOOTX64": b"smaller",
        "/EFI/debian/grub.cfg": b"search\n",
        "/loader/entries/Ünïcode and a long name.conf": LOADER,
        "/EMPTY.TXT": b"",
        "/kept": b"kept",
    }
    assert image.read_bytes() == before


def test_short_names_differ_where_long_ones_begin_alike(tmp_path: Path) -> None:
    image = fat(tmp_path / "esp.img", 16, A_LONG_NAME_1=b"1")
    names = [f"/a_long_name_{n}" for n in range(2, 15)] + ["/.profile", "/two.dots.txt", "/A B"]
    after = edited(image, *(FileEdit(name, name.encode(), "") for name in names))
    found = mtools(after, "mdir", "-a", "::/").decode()
    shorts = [line[:12] for line in found.splitlines() if line[:1].strip() and "~" in line[:8]]
    assert len(set(shorts)) == len(shorts) >= 16
    assert set(listed(after)) == {"/A_LONG_NAME_1", *names}


def test_attributes_stay_and_times_are_those_of_the_volume(tmp_path: Path) -> None:
    image = fat(tmp_path / "esp.img", 16, old=b"old")
    mtools(image, "mattrib", "+h", "+s", "::/old")
    after = edited(image, FileEdit("/old", b"new", ""), FileEdit("/fresh", b"new", ""))
    assert mtools(after, "mattrib", "::/old").decode().split()[:3] == ["A", "SH", "::/old"]
    assert mtools(after, "mdir", "::/fresh").count(b"2020-09-13") == 1


@pytest.mark.parametrize("bits", [12, 16])
def test_a_full_root_directory_takes_no_more(tmp_path: Path, bits: int) -> None:
    image = fat(tmp_path / "esp.img", bits)
    edits = [FileEdit(f"/{n}", b"", "") for n in range(600)]
    with pytest.raises(NoSpaceError, match="no more names"):
        edited(image, *edits)


def test_a_folder_grows_and_its_deleted_names_are_used_again(tmp_path: Path) -> None:
    image = fat(tmp_path / "esp.img", 32)
    edits = [FileEdit(f"/EFI/a name of a file {n}", b"%d" % n, "") for n in range(60)]
    full = edited(image, *edits)
    again = edited(
        full,
        *(FileEdit(edit.path, None, "") for edit in edits[10:50]),
        *(FileEdit(f"/EFI/another name of a file {n}", b"x", "") for n in range(30)),
        name="again",
    )
    assert len(listed(again)) == 50


def test_a_full_file_system(tmp_path: Path) -> None:
    image = fat(tmp_path / "esp.img", 12, old=bytes(MIB))
    assert edited(image, FileEdit("/old", bytes(MIB + MIB // 2), "its room is free again"))
    with pytest.raises(NoSpaceError, match="bytes more"):
        edited(image, FileEdit("/new", bytes(3 * MIB), ""), name="more")


def test_a_mark_of_not_unmounted_is_kept_when_all_is_whole(tmp_path: Path) -> None:
    image = fat(tmp_path / "esp.img", 32, old=b"old")
    with image.open("r+b") as file:
        file.seek(0x41)
        file.write(b"\1")
    (volume,) = volumes_of(image).volumes
    assert open_files(volume).warnings == ("was not unmounted cleanly",)
    assert volume.view is not None
    patch = edit_fat(volume.view, [FileEdit("/old", b"new", "")], tmp_path)
    assert Patched(patch).read(0x41, 1) == b"\1"
    assert GuestFiles(Fat(Patched(patch))).read("/old") == b"new"


@pytest.mark.parametrize("what", ["tables", "chain", "shared"])
def test_a_damaged_file_system_is_refused(tmp_path: Path, what: str) -> None:
    image = fat(tmp_path / "esp.img", 16, one=bytes(9000), two=bytes(9000))
    data = bytearray(image.read_bytes())
    sectors = int.from_bytes(data[22:24], "little") * 512
    table = int.from_bytes(data[14:16], "little") * 512
    first = 2 + 2 + 1  # of "one": two folders, and a cluster on
    if what == "tables":
        data[table + sectors + 40] ^= 1
    for copy in range(2):
        at = table + copy * sectors + 2 * first
        if what == "chain":
            data[at : at + 2] = bytes(2)
        elif what == "shared":
            data[at : at + 2] = (first + 12).to_bytes(2, "little")
    image.write_bytes(data)
    with pytest.raises(CorruptError) as raised:
        edited(image, FileEdit("/new", b"x", ""))
    assert "fsck.fat" in raised.value.hint


@pytest.mark.parametrize(
    ("edit", "error"),
    [
        (FileEdit("/EFI", b"x", ""), UnsupportedError),
        (FileEdit("/EFI", None, ""), UnsupportedError),
        (FileEdit("/old/x", b"x", ""), UnsupportedError),
        (FileEdit("/link", None, "", target="old"), UnsupportedError),
        (FileEdit('/qu"ote', b"x", ""), UnsupportedError),
        (FileEdit("/dot.", b"x", ""), UnsupportedError),
        (FileEdit("/" + "x" * 256, b"x", ""), UnsupportedError),
        (FileEdit("/sur\udcffrogate", b"x", ""), UnsupportedError),
        (FileEdit("/", b"x", ""), KenshoError),
    ],
)
def test_what_fat_cannot_do(tmp_path: Path, edit: FileEdit, error: type) -> None:
    image = fat(tmp_path / "esp.img", 16, old=b"x")
    with pytest.raises(error):
        edited(image, edit)


_NAMES = st.sampled_from(["a", "B.TXT", "c.cfg", "a longer name.text", "ä", "x.y.z", ".d"])
_PATHS = st.lists(_NAMES, min_size=1, max_size=2).map(lambda parts: "/" + "/".join(parts))
_CONTENTS = st.none() | st.sampled_from([0, 1, 511, 512, 513, 5000, 40000]).map(
    lambda size: bytes(n % 251 for n in range(size))
)


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    bits=st.sampled_from([12, 16, 32]),
    rounds=st.lists(st.dictionaries(_PATHS, _CONTENTS, max_size=6), min_size=1, max_size=3),
)
def test_random_edits_make_what_a_model_says(
    tmp_path_factory: pytest.TempPathFactory, bits: int, rounds: list[dict[str, bytes | None]]
) -> None:
    image = fat(tmp_path_factory.mktemp("fat") / "esp.img", bits, EFI__BOOT__LOADER=LOADER)
    model = {"/EFI/BOOT/LOADER": LOADER}
    folders: set[str] = set()
    for number, wanted in enumerate(rounds):
        edits = []
        for path, content in wanted.items():
            above = path.rpartition("/")[0]
            planned = {e.path for e in edits} | set(model)
            if (
                above in planned
                or path in folders
                or any(p.startswith(f"{path}/") for p in planned)
            ):
                continue  # a file where a folder is to be, or the other way round
            edits.append(FileEdit(path, content, ""))
        for edit in edits:
            if edit.content is None:
                model.pop(edit.path, None)
            else:
                model[edit.path] = edit.content
                folders.add(edit.path.rpartition("/")[0])
        first = edited(image, *edits, name=f"a{number}")
        again = edited(image, *edits, name=f"b{number}")
        assert first.read_bytes() == again.read_bytes()
        image = first
    assert listed(image) == model
    (volume,) = scan([disk_of(image)]).volumes
    files = GuestFiles(open_files(volume))
    assert all(files.read(path) == content for path, content in model.items())


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.integers(0, 40_000), st.integers(0, 255)), min_size=1, max_size=8))
def test_damage_is_an_error_or_does_not_matter(
    tmp_path_factory: pytest.TempPathFactory, damage: list[tuple[int, int]]
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    if "image" not in _MADE:
        made = fat(folder / "made.img", 12, EFI__BOOT__LOADER=LOADER, **{"a long name.x": b"x"})
        _MADE["image"] = made.read_bytes()
    data = bytearray(_MADE["image"])
    for place, byte in damage:
        data[place] = byte
    (folder / "esp.img").write_bytes(data)
    view = part_of(CachedDisk(disk_of(folder / "esp.img"), "disk1"), 0, len(data), "disk1")
    edits = [FileEdit("/EFI/BOOT/loader", b"x", ""), FileEdit("/new/file", LOADER[:3000], "")]
    try:
        patch = edit_fat(view, edits, folder)
    except KenshoError:
        return
    assert GuestFiles(Fat(Patched(patch))).read("/new/file") == LOADER[:3000]


_MADE: dict[str, bytes] = {}
