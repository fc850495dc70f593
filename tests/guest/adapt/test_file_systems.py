"""The same guest on XFS, on a subvolume of btrfs, and within LUKS: adapted once, then nothing is left to do."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from tests.guest.adapt.test_room import AIMS, Guest
from tests.guest.edit.test_kernel_mount import CHECKS, LACKING, mounted
from tests.guest.images_of import MIB, disk_of, ext, run

from kensho.disks import DiskReader
from kensho.guest.adapt.carry_out import carry_out
from kensho.guest.adapt.plan import plan_adaptation
from kensho.guest.aims import Aims
from kensho.guest.edit.disk import PatchedDisk
from kensho.guest.volumes.luks.device import Key
from kensho.guest.volumes.scan import scan

KEYS = (Key("all", b"secret"),)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a Debian on one file system."""
    guest = Guest(tmp_path_factory.mktemp("guest"))
    root = guest.folder / "root"
    shutil.copytree(guest.boot, root / "boot", dirs_exist_ok=True)
    (root / "etc/fstab").write_text("LABEL=root / auto defaults 0 1\n")
    return root


def blank(path: Path, kind: str, *options: str) -> Path:
    with path.open("wb") as file:
        file.truncate(320 * MIB)
    run(f"mkfs.{kind}", "-q", "-L", "root", *options, path)
    return path


def on_xfs(folder: Path, tree: Path) -> Path:
    path = blank(folder / "disk.img", "xfs")
    mounted(path, folder / "mounted", f"cp -a {tree}/. .")
    return path


def on_btrfs(folder: Path, tree: Path) -> Path:
    path = blank(folder / "disk.img", "btrfs")
    mounted(
        path, folder / "mounted", "btrfs subvolume create @", f"cp -a {tree}/. @",
        "echo 'LABEL=root / btrfs subvol=@ 0 1' >@/etc/fstab",
    )  # fmt: skip
    return path


def in_luks(folder: Path, tree: Path) -> Path:
    path, key = (
        ext(folder / "disk.img", tree, "-t", "ext4", "-L", "root", size=32 * MIB),
        folder / "k",
    )
    os.truncate(path, 64 * MIB)
    key.write_bytes(b"secret")
    run(
        "cryptsetup", "reencrypt", "--encrypt", "--batch-mode", "--key-file", key,
        "--reduce-device-size", "32M", "--resilience", "none", "--pbkdf", "pbkdf2",
        "--pbkdf-force-iterations", "1000", path,
    )  # fmt: skip
    return path


def adapted(path: Path, folder: Path) -> tuple[DiskReader, Aims]:
    aims = Aims(AIMS.platforms, keys=KEYS)
    disk = disk_of(path)
    plan = plan_adaptation([disk], aims)
    assert len(plan.kernels) == 2
    assert all(kernel.added for kernel in plan.kernels)
    folder.mkdir()
    found = list(carry_out(plan, folder))
    assert {name for name, _ in found} == {"disk1"}
    return PatchedDisk(disk, [piece for _, piece in found]), aims


@pytest.mark.skipif(bool(LACKING), reason=LACKING)
@pytest.mark.parametrize("make", [on_xfs, on_btrfs])
def test_on_what_the_kernel_edits(tmp_path: Path, tree: Path, make: object) -> None:
    assert callable(make)
    disk, aims = adapted(make(tmp_path, tree), tmp_path / "work")
    kind = scan([disk]).volumes[0].content.kind
    after = tmp_path / "after.img"
    with after.open("wb") as file:
        file.truncate(disk.virtual_size)
        for at in range(0, disk.virtual_size, MIB):
            data = bytearray(min(MIB, disk.virtual_size - at))
            disk.read_into(at, data)
            if any(data):
                file.seek(at)
                file.write(data)
    run(*CHECKS[kind], after)
    assert plan_adaptation([disk_of(after)], aims).volumes == ()


def test_within_luks(tmp_path: Path, tree: Path) -> None:
    disk, aims = adapted(in_luks(tmp_path, tree), tmp_path / "work")
    assert plan_adaptation([disk], aims).volumes == ()
