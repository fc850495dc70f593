"""btrfs filled by Linux itself where mounting is allowed."""

from __future__ import annotations

import os
import random
import stat
from pathlib import Path

import google_crc32c
import pytest

from kensho.guest.files.base import Kind
from kensho.guest.files.btrfs.reader import Subvolume
from kensho.guest.files.open import open_files
from kensho.guest.files.tree import GuestFiles
from kensho.model.errors import CorruptError, KenshoError, NotFoundError, UnsupportedError
from tests.guest.images_of import MIB, files_of, make_tree, run, volumes_of

#: Options of mkfs.btrfs, and of mount.
LAYOUTS = {
    "plain": ((), ""),
    "zlib": ((), "compress-force=zlib"),
    "lzo": ((), "compress-force=lzo"),
    "zstd": ((), "compress-force=zstd"),
    "single-xxhash": (("-m", "single", "--csum", "xxhash"), ""),
    "small-nodes-sha256": (("-n", "4096", "--csum", "sha256"), ""),
    "mixed-blake2": (("-M", "--csum", "blake2"), ""),
    "old": (("-O", "^no-holes,^extref,^skinny-metadata", "-R", "^free-space-tree"), "max_inline=0"),
}
TEXT = b"".join(b"line %d of a text that repeats itself\n" % n for n in range(20000))


def mounted(path: Path, options: str, *commands: str) -> None:
    """Run commands where a btrfs is mounted."""
    if os.geteuid() != 0:
        pytest.skip("mounts need root")
    place = path.with_suffix(".mounted")
    place.mkdir()
    lines = [f"mount -o loop,{options or 'rw'} {path} {place}", f"cd {place}", *commands]
    run("unshare", "--mount", "sh", "-ec", "\n".join([*lines, "cd /", f"umount {place}"]))
    place.rmdir()


def blank(path: Path, *options: str, size: int = 256 * MIB) -> Path:
    with path.open("wb") as file:
        file.truncate(size)
    run("mkfs.btrfs", "-q", *options, path)
    return path


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = make_tree(tmp_path_factory.mktemp("tree") / "tree")
    (root / "text").write_bytes(TEXT)
    (root / "short-text").write_bytes(TEXT[:1000])
    (root / "noise").write_bytes(random.Random(5).randbytes(300_001))
    return root


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory, tree: Path) -> Path:
    path = blank(tmp_path_factory.mktemp("btrfs") / "fs.img")
    mounted(path, "", f"cp -a {tree}/. .")
    return path


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_file(tmp_path: Path, tree: Path, layout: str) -> None:
    make, mount = LAYOUTS[layout]
    path = blank(tmp_path / "fs.img", *make)
    mounted(path, mount, f"cp -a --sparse=always {tree}/. .")
    fs = files_of(path)
    assert (fs.kind, fs.warnings) == ("btrfs", ())
    files = GuestFiles(fs)
    seen = {found.path: found for found in files.walk()}
    expected = {"/" + os.path.relpath(p, tree): p for p in tree.rglob("*")}
    assert set(seen) == {"/", *expected}
    for name, real in expected.items():
        found, facts = seen[name], real.lstat()
        assert found.stat.mode == stat.S_IMODE(facts.st_mode)
        assert found.stat.mtime == facts.st_mtime_ns
        if stat.S_ISLNK(facts.st_mode):
            assert found.target == os.readlink(real)  # noqa: PTH115 - as it is
        elif stat.S_ISREG(facts.st_mode):
            assert files.read(name) == real.read_bytes()
            assert found.stat.links == facts.st_nlink
            named = {key: os.getxattr(real, key) for key in os.listxattr(real)}
            assert dict(found.xattrs()) == named
    assert {seen["/small"].link, seen["/dir/hard"].link} == {"", "/dir/hard"}
    assert sum(len(piece) for _, piece in seen["/sparse"].data()) < MIB


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A disk with subvolumes as distributions make them."""
    path = blank(tmp_path_factory.mktemp("many") / "fs.img")
    mounted(
        path, "", "btrfs subvolume create @", "btrfs subvolume create @/.snapshots",
        "btrfs subvolume create @home", "mkdir -p @/etc @/home folder",
        "echo ID=x >@/etc/os-release", "echo mine >@home/file", "echo first >@/file",
        "btrfs subvolume snapshot @ folder/before", "echo second >@/file",
        "btrfs subvolume set-default $(btrfs inspect-internal rootid @) .",
        "btrfs subvolume create gone", "btrfs subvolume delete -c gone",
    )  # fmt: skip
    return path


def test_subvolumes(many: Path) -> None:
    whole = files_of(many)
    assert isinstance(whole, Subvolume)
    fs = whole.named(())
    assert (fs.within, whole.within) == ("/@", "")
    assert GuestFiles(fs).read("/file") == b"second\n"
    top = fs.named(("subvolid=5",))
    assert (top.within, GuestFiles(top).read("/@home/file")) == ("", b"mine\n")
    home = fs.named(("rw", "subvol=/@home"))
    assert (home.within, GuestFiles(home).read("/file")) == ("/@home", b"mine\n")
    assert home.is_with(fs)
    before = fs.named(("subvol=folder/before",))
    assert (before.within, GuestFiles(before).read("/file")) == ("/folder/before", b"first\n")
    # what the snapshot does not hold is an empty directory, as Linux shows it
    assert GuestFiles(before).names("/.snapshots") == ()
    assert {child.within for child in fs.children()} == {"/@", "/@home"}
    paths = [found.path for found in GuestFiles(top).walk()]
    assert "/@/.snapshots" in paths
    assert "/folder/before/etc/os-release" in paths
    for option in ("subvol=folder", "subvol=none"):
        with pytest.raises(NotFoundError):
            fs.named((option,))
    with pytest.raises(CorruptError):
        fs.named(("subvolid=999",))


def test_dump_tree_lists_the_same_names(plain: Path) -> None:
    told = run("btrfs", "inspect-internal", "dump-tree", "-t", "5", plain)
    names = {
        line.partition(" name: ")[2]
        for line in told.splitlines()
        if "DIR_INDEX" in line or " name: " in line
    }
    found = {p.path.rpartition("/")[2] for p in GuestFiles(files_of(plain)).walk()}
    assert {name for name in found if name.isascii() and name} <= names


def on_two(folder: Path, profile: str) -> tuple[Path, Path]:
    if os.geteuid() != 0:
        pytest.skip("mounts need root")
    one, two, place = folder / "one.img", folder / "two.img", folder / "mounted"
    for path in (one, two):
        with path.open("wb") as file:
            file.truncate(200 * MIB)
    run("mkfs.btrfs", "-q", "-f", "-d", profile, "-m", "raid1", one, two)
    place.mkdir(exist_ok=True)
    script = f"""
        a=$(losetup -f --show {one}); b=$(losetup -f --show {two})
        trap 'umount {place}; losetup -d $a $b' EXIT
        mount -o device=$b $a {place}
        head -c 300000 /dev/zero | tr '\\0' x >{place}/file
    """
    run("unshare", "--mount", "sh", "-ec", script)
    return one, two


def test_a_mirror_is_read_from_one_device(tmp_path: Path) -> None:
    for path in on_two(tmp_path, "raid1"):
        assert GuestFiles(files_of(path)).read("/file") == b"x" * 300_000


def test_stripes_on_another_device_are_refused(tmp_path: Path) -> None:
    for path in on_two(tmp_path, "raid0"):
        with pytest.raises(UnsupportedError, match="another of its 2 devices"):
            GuestFiles(files_of(path)).read("/file")


def test_a_copy_of_damaged_metadata_is_read(tmp_path: Path, plain: Path) -> None:
    """Metadata are there twice by default: one copy may be damaged."""
    path = tmp_path / "fs.img"
    run("cp", "--sparse=always", plain, path)
    fs = files_of(path)
    assert isinstance(fs, Subvolume)
    chunks = fs._btrfs.chunks
    address = fs._btrfs.root_of(5)[0]
    places, _ = chunks._places(address)
    assert len(places) == 2
    with path.open("r+b") as file:
        file.seek(places[0] + 200)
        file.write(b"damage")
    assert GuestFiles(files_of(path)).read("/small") == b"hello\n"
    with path.open("r+b") as file:
        file.seek(places[1] + 200)
        file.write(b"damage")
    with pytest.raises(CorruptError, match="checksum"):
        GuestFiles(files_of(path)).read("/small")


def test_the_newest_superblock_counts(tmp_path: Path, plain: Path) -> None:
    path = tmp_path / "fs.img"
    run("cp", "--sparse=always", plain, path)
    with path.open("r+b") as file:
        file.seek((64 << 10) + 300)
        file.write(b"damage")
    assert GuestFiles(files_of(path)).read("/small") == b"hello\n"


def test_a_log_is_told(tmp_path: Path) -> None:
    path, copy = blank(tmp_path / "fs.img"), tmp_path / "copy.img"
    mounted(
        path, "", "echo old >file", "sync", "echo new >file", "xfs_io -c fsync file",
        f"cp --sparse=always {path} {copy}",
    )  # fmt: skip
    fs = files_of(copy)
    assert "log" in fs.warnings[0]
    assert GuestFiles(fs).read("/file") == b"old\n"


def test_damage_is_an_error_and_nothing_else(tmp_path: Path, plain: Path) -> None:
    """Bytes of metadata are changed, and their checksums with them: nothing but the format protects."""
    chance = random.Random(4)
    path = tmp_path / "fs.img"
    run("cp", "--sparse=always", plain, path)
    nodes = []
    with path.open("r+b") as file:
        fs = files_of(path)
        assert isinstance(fs, Subvolume)
        fs._btrfs.trees._kept.clear()
        for _ in GuestFiles(fs).walk():
            pass
        chunks = fs._btrfs.chunks
        nodes = [chunks._places(address)[0] for address in fs._btrfs.trees._kept]
        nodes += [chunks._places(a)[0] for a in (chunks.sb.root[0], chunks.sb.chunk_root[0])]
        refused = 0
        for _ in range(40):
            places = chance.choice(nodes)
            before = os.pread(file.fileno(), 16384, places[0])
            node = bytearray(before)
            used = 101 + 25 * int.from_bytes(node[96:100], "little")
            for _ in range(chance.choice((1, 3, 30))):
                at = chance.choice(
                    (chance.randrange(96, min(used, 16384)), chance.randrange(96, 16384))
                )
                node[at] = chance.choice((0, 0xFF, chance.randrange(256)))
            node[:4] = google_crc32c.value(bytes(node[32:])).to_bytes(4, "little")
            for place in places:
                os.pwrite(file.fileno(), node, place)
            try:
                files = GuestFiles(open_files(volumes_of(path).volumes[0]))
                for found in files.walk():
                    found.xattrs()
                    if found.stat.kind is Kind.FILE:
                        sum(len(piece) for _, piece in found.data())
            except KenshoError:
                refused += 1
            for place in places:
                os.pwrite(file.fileno(), before, place)
    assert refused
