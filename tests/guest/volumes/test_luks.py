"""LUKS made by cryptsetup and qemu-img, which write what kensho reads, and read what it writes."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from kensho.guest.edit.backends import edit_volume
from kensho.guest.edit.disk import PatchedDisk
from kensho.guest.edit.patch import Patch, pieces
from kensho.guest.edit.plan import FileEdit
from kensho.guest.files.open import open_files
from kensho.guest.files.tree import GuestFiles
from kensho.guest.inspect.inspect import inspect_disks
from kensho.guest.inspect.systems import Opened, find_systems
from kensho.guest.volumes.luks.device import Key
from kensho.guest.volumes.luks.header import read_header
from kensho.guest.volumes.scan import Volumes, scan
from kensho.guest.volumes.view import CachedDisk, View, part_of
from kensho.model.errors import CorruptError, KenshoError
from tests.guest.edit.test_ext_edit import whole
from tests.guest.images_of import MIB, disk_of, ext, partitioned, put, run
from tests.guest.lvm_disks import group_text, physical_volume

PASSPHRASE = "grüße".encode()
KEYS = (Key("all", PASSPHRASE + b"\n"),)
_QUICK = ("--pbkdf-force-iterations", "1000", "--pbkdf", "pbkdf2")
ARGON = ("--pbkdf-memory", "1024", "--pbkdf-force-iterations", "4")
#: Options of cryptsetup.
LUKS2 = {
    "argon2id": ("--pbkdf", "argon2id", *ARGON),
    "argon2i": ("--pbkdf", "argon2i", *ARGON, "--sector-size", "4096"),
    "sectors-of-512": ("--sector-size", "512", "--hash", "sha512", *_QUICK),
    "aes128": ("--key-size", "256", *_QUICK),
}
LUKS1 = {
    "usual": (),
    "old": ("--cipher", "aes-cbc-essiv:sha256", "--key-size", "128", "--hash", "sha1"),
    "plain64": ("--cipher", "aes-cbc-plain64", "--key-size", "256", "--hash", "sha512"),
}
SIZE = 8 * MIB


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plain")
    (folder / "tree").mkdir()
    for name in ("small", "gone"):
        (folder / "tree" / name).write_bytes(name.encode())
    (folder / "tree/large").write_bytes(random.Random(2).randbytes(2 * MIB))
    return ext(folder / "plain.ext", folder / "tree", "-t", "ext4", "-b", "4096", size=SIZE)


def encrypted(path: Path, content: Path, *options: str) -> Path:
    """Encrypt a file system where it is, as cryptsetup does without device-mapper."""
    key = path.with_suffix(".key")
    key.write_bytes(PASSPHRASE)
    shutil.copy(content, path)
    with path.open("r+b") as file:
        file.truncate(content.stat().st_size + 32 * MIB)
    run(
        "cryptsetup", "reencrypt", "--encrypt", "--batch-mode", "--type", "luks2", "--key-file", key,
        "--reduce-device-size", "32M", "--resilience", "none", *options, path,
    )  # fmt: skip
    return path


def volumes_of(path: Path, keys: tuple[Key, ...] = KEYS) -> Volumes:
    return scan([disk_of(path)], keys)


@pytest.mark.parametrize("options", LUKS2.values(), ids=LUKS2)
def test_what_cryptsetup_encrypted(tmp_path: Path, plain: Path, options: tuple[str, ...]) -> None:
    found = volumes_of(encrypted(tmp_path / "luks.img", plain, *options))
    outer, inner = found.volumes
    assert (outer.id, inner.id, inner.content.kind) == ("disk1", "crypt/disk1", "ext4")
    assert "crypt/disk1" in outer.refusal
    assert inner.view is not None
    assert inner.view.read(0, SIZE) == plain.read_bytes()
    assert found.problems == ()


@pytest.mark.parametrize("options", LUKS1.values(), ids=LUKS1)
def test_what_qemu_encrypted(tmp_path: Path, plain: Path, options: tuple[str, ...]) -> None:
    path, key = tmp_path / "luks.img", tmp_path / "key"
    key.write_bytes(b"ascii")
    secret = ("--object", f"secret,id=s,file={key}")
    with path.open("wb") as file:
        file.truncate(2 * MIB + SIZE)
    run(
        "cryptsetup", "luksFormat", "--batch-mode", "--type", "luks1", "--key-file", key, *_QUICK,
        *options, path,
    )  # fmt: skip
    target = f"driver=luks,key-secret=s,file.filename={path}"
    run("qemu-img", "convert", "-n", *secret, "-f", "raw", "--target-image-opts", plain, target)
    disk = disk_of(path)
    inner = scan([disk], (Key("all", b"ascii"),)).find("crypt/disk1")
    assert inner is not None
    assert inner.view is not None
    assert inner.view.read(0, SIZE) == plain.read_bytes()
    # and qemu reads what is written back
    (tmp_path / "work").mkdir()
    patch = edit_volume(inner, (FileEdit("/small", b"edited", "it is"),), tmp_path / "work")
    after, opened = tmp_path / "after.img", tmp_path / "opened.ext"
    after.write_bytes(whole(PatchedDisk(disk, [piece for _, piece in pieces(patch)])))
    target = f"driver=luks,key-secret=s,file.filename={after}"
    run("qemu-img", "convert", *secret, "--image-opts", "-O", "raw", target, opened)
    run("e2fsck", "-fn", opened)
    assert run("debugfs", "-R", "cat /small", opened) == "edited"


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory, plain: Path) -> Path:
    """A disk with a partition that is LUKS2 with sectors of 4 KiB, and a file system of 1 KiB blocks."""
    folder = tmp_path_factory.mktemp("locked")
    small = ext(folder / "small.ext", plain.parent / "tree", "-b", "1024", size=SIZE)
    key, inner = folder / "key", folder / "luks.img"
    key.write_bytes(PASSPHRASE)
    with inner.open("wb") as file:
        file.truncate(16 * MIB + SIZE)
    run(
        "cryptsetup", "luksFormat", "--batch-mode", "--type", "luks2", "--sector-size", "4096",
        "--key-file", key, *_QUICK, inner,
    )  # fmt: skip
    view = volumes_of(inner).volumes[1].view
    assert view is not None
    patch = Patch(view, small, ((0, SIZE),))
    inner.write_bytes(whole(PatchedDisk(disk_of(inner), [piece for _, piece in pieces(patch)])))
    path = partitioned(folder / "disk.img", "label: gpt\nstart=2048\n", 18 * MIB + SIZE)
    put(path, MIB, inner)
    return path


def test_without_a_key_it_is_said_what_to_give(locked: Path) -> None:
    (volume,) = volumes_of(locked, ()).volumes
    assert volume.view is None
    assert "--key" in volume.refusal
    (finding, *_) = [f for f in inspect_disks([disk_of(locked)]).findings if f.code == "KF-800"]
    assert "--key" in finding.message


def test_the_wrong_key_is_said(locked: Path) -> None:
    found = volumes_of(locked, (Key("disk1p1", b"wrong"),))
    assert [v.id for v in found.volumes] == ["disk1p1"]
    assert "none of the keys" in found.problems[0]
    assert "wrong" not in repr(Key("disk1p1", b"wrong"))


def test_a_key_is_for_the_volume_it_names(locked: Path) -> None:
    uuid = volumes_of(locked, ()).volumes[0].content.uuid
    for target, count in ((uuid.upper(), 2), ("disk1p1", 2), ("disk1p2", 1), ("all", 2), ("", 1)):
        assert len(volumes_of(locked, (Key(target, PASSPHRASE),)).volumes) == count


def test_edits_go_back_encrypted(tmp_path: Path, locked: Path) -> None:
    """What cryptsetup decrypts of the patched disk is a clean file system with the edits in it."""
    before = hashlib.sha256(locked.read_bytes()).digest()
    disk = disk_of(locked)
    volume = scan([disk], KEYS).find("crypt/disk1p1")
    assert volume is not None
    edits = (
        FileEdit("/small", b"edited", "small"), FileEdit("/fresh", os.urandom(300_000), "new"),
        FileEdit("/gone", None, "gone"),
    )  # fmt: skip
    (tmp_path / "work").mkdir()
    made = list(pieces(edit_volume(volume, edits, tmp_path / "work")))
    assert {name for name, _ in made} == {"disk1"}
    assert hashlib.sha256(locked.read_bytes()).digest() == before
    after = tmp_path / "after.img"
    after.write_bytes(whole(PatchedDisk(disk, [piece for _, piece in made])))
    files = GuestFiles(open_files(volumes_of(after).volumes[1]))
    for edit in edits[:2]:
        assert files.read(edit.path) == edit.content
    outer = tmp_path / "outer.img"
    outer.write_bytes(after.read_bytes()[MIB : 17 * MIB + SIZE])
    key = tmp_path / "key"
    key.write_bytes(PASSPHRASE)
    run(
        "cryptsetup", "reencrypt", "--decrypt", "--batch-mode", "--key-file", key,
        "--header", tmp_path / "header", "--force-offline-reencrypt", outer,
    )  # fmt: skip
    run("e2fsck", "-fn", outer)
    out = tmp_path / "out"
    run("debugfs", "-R", f"dump /fresh {out}", outer)
    assert out.read_bytes() == edits[1].content


def test_volumes_of_lvm_within_luks(tmp_path: Path) -> None:
    pv = physical_volume("0" * 32, group_text([["pv0"]], [(0, 8, ["pv0", 0])]), 10 * MIB)
    pv[MIB : 9 * MIB] = ext(tmp_path / "root.ext", None, size=8 * MIB).read_bytes()
    (tmp_path / "pv.img").write_bytes(pv)
    path = encrypted(tmp_path / "luks.img", tmp_path / "pv.img", *_QUICK)
    disk = disk_of(path)
    volume = scan([disk], KEYS).find("vg/root")
    assert volume is not None
    assert volume.view is not None
    assert volume.view.disks == {"disk1"}
    assert volume.content.kind.startswith("ext")
    (tmp_path / "work").mkdir()
    patch = edit_volume(volume, (FileEdit("/new", b"x", "new"),), tmp_path / "work")
    made = [piece for _, piece in pieces(patch)]
    found = scan([PatchedDisk(disk, made)], KEYS).find("vg/root")
    assert found is not None
    assert GuestFiles(open_files(found)).read("/new") == b"x"


def test_names_of_crypttab(tmp_path: Path, locked: Path) -> None:
    uuid = volumes_of(locked, ()).volumes[0].content.uuid
    tree = tmp_path / "tree"
    (tree / "etc").mkdir(parents=True)
    (tree / "etc/os-release").write_text("ID=debian\n")
    (tree / "etc/fstab").write_text("/dev/mapper/home-crypt /home ext4 defaults 0 2\n")
    (tree / "etc/crypttab").write_text(f"# names\nhome-crypt UUID={uuid} none luks\n")
    root = ext(tmp_path / "root.ext", tree, size=SIZE)
    for keys, seen in ((KEYS, True), ((), False)):
        opened = Opened(scan([disk_of(root), disk_of(locked)], keys))
        opened.open_all()
        (system,) = find_systems(opened)
        assert system.files.exists("/home/large") is seen
        assert bool(system.missing) is not seen


def test_a_damaged_first_header(tmp_path: Path, plain: Path) -> None:
    path = encrypted(tmp_path / "luks.img", plain, *_QUICK)
    with path.open("r+b") as file:
        file.seek(4096 + 10)
        file.write(b"damage")
    assert volumes_of(path).find("crypt/disk1") is not None
    with path.open("r+b") as file:
        file.seek(0x4000 + 4096 + 10)
        file.write(b"damage")
    found = volumes_of(path)
    assert found.find("crypt/disk1") is None
    assert "no good header" in found.problems[0]


def view_of(path: Path) -> View:
    disk = CachedDisk(disk_of(path), "disk1")
    return part_of(disk, 0, disk.size, "disk1")


def test_any_header_is_read_or_refused(tmp_path: Path) -> None:
    """Headers whose checksums are right, and that make no sense."""
    path, key = tmp_path / "luks.img", tmp_path / "key"
    key.write_bytes(PASSPHRASE)
    with path.open("wb") as file:
        file.truncate(32 * MIB)
    run(
        "cryptsetup",
        "luksFormat",
        "--batch-mode",
        "--type",
        "luks2",
        "--key-file",
        key,
        *_QUICK,
        path,
    )
    raw = path.read_bytes()[:0x4000]
    told = json.loads(raw[4096:].partition(b"\0")[0])
    chance = random.Random(1)
    odd = (None, [], {}, -1, 0, 1 << 70, "", "x", "99999999999999999999", True, 1.5)
    path.write_bytes(bytes(64 * 1024))
    refused = 0
    for _ in range(300):
        changed = json.loads(json.dumps(told))
        at = changed
        while True:
            name = chance.choice(list(at) if isinstance(at, dict) else range(len(at)))
            if isinstance(at[name], (dict, list)) and at[name] and chance.random() < 0.85:
                at = at[name]
                continue
            at[name] = chance.choice(odd)
            break
        text = json.dumps(changed).encode()
        made = bytearray(raw[:4096] + text + bytes(0x3000 - len(text)))
        made[448:512] = bytes(64)
        made[448:480] = hashlib.sha256(made).digest()
        with path.open("r+b") as file:
            file.write(made)
            file.truncate(32 * MIB)
        try:
            read_header(view_of(path))
        except KenshoError:
            refused += 1
    assert 100 < refused < 300


def test_a_header_whose_text_is_no_utf8(tmp_path: Path) -> None:
    head = bytearray(0x4000)
    struct.pack_into(">6sHQQ", head, 0, b"LUKS\xba\xbe", 2, len(head), 1)
    head[72:78] = b"sha256"
    head[4096:4102] = b'{"a\xff":'
    head[448:480] = hashlib.sha256(head).digest()
    path = tmp_path / "luks.img"
    path.write_bytes(head.ljust(1 << 20, b"\0"))
    with pytest.raises(CorruptError, match="no good header"):
        read_header(view_of(path))


def test_the_command_line(tmp_path: Path, locked: Path) -> None:
    import sys

    key = tmp_path / "key"
    key.write_bytes(PASSPHRASE)
    command = [sys.executable, "-m", "kensho", "inspect", "--deep", "--json", str(locked)]
    environment = {**os.environb, b"KENSHO_KEY": PASSPHRASE}
    keys = ("--key", f"disk1p2={key}", "--key", "disk1p1")
    told = subprocess.run([*command, *keys], capture_output=True, check=True, env=environment)
    assert b"crypt/disk1p1" in told.stdout
    assert PASSPHRASE not in told.stdout
    lost = subprocess.run([*command, "--key", "all=/nowhere"], capture_output=True)
    assert lost.returncode == 2
