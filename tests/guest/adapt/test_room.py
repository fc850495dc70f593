"""Little room on /boot: what is done about it, measured against what e2fsprogs then writes."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from tests.guest.images_of import MIB, disk_of, ext, run
from tests.guest.linux.trees import INDEX, MODULES, debian_base

from kensho.guest.adapt.carry_out import carry_out
from kensho.guest.adapt.plan import AdaptPlan, plan_adaptation
from kensho.guest.aims import Aims
from kensho.guest.edit.disk import PatchedDisk
from kensho.guest.linux.initramfs.codecs import pack
from kensho.guest.linux.initramfs.cpio import write_archive
from kensho.guest.linux.initramfs.image import open_initramfs
from kensho.guest.linux.modules.index import read_index
from kensho.model.errors import CorruptError, NoSpaceError
from kensho.platforms import find_platform

AIMS = Aims((find_platform("vmware"), find_platform("kvm")))
KERNELS = ("6.1.0-9-amd64", "6.1.0-10-amd64")
#: What compresses a little better the harder one tries.
WORDS = b"".join(b"%d symbol_%x " % (n * 7919 % 10007, n * n) for n in range(6000))


class Guest:
    """A Debian with two kernels and its own /boot, on two disks."""

    def __init__(self, folder: Path, module_size: int = 30_000) -> None:
        self.folder = folder
        root, self.boot = folder / "root", folder / "boot"
        self.boot.mkdir(parents=True)
        (root / "etc").mkdir(parents=True)
        (root / "boot").mkdir()
        (root / "etc/os-release").write_text("ID=debian\nVERSION_ID=12\n")
        (root / "etc/fstab").write_text("LABEL=bootfs /boot ext2 defaults 0 2\n")
        index = read_index(INDEX)
        for version in KERNELS:
            modules = root / "usr/lib/modules" / version
            for path in index.files.values():
                (modules / path).parent.mkdir(parents=True, exist_ok=True)
                (modules / path).write_bytes(b"\x7fELF " + path.encode() + WORDS[:module_size])
            for name, text in INDEX.items():
                (modules / name).write_text(text)
            base = debian_base(*(f for f in index.files.values() if "virtio" in f))
            packed = pack(write_archive(base), "gzip")
            packed = packed.replace(MODULES.encode(), f"usr/lib/modules/{version}".encode())
            (self.boot / f"initrd.img-{version}").write_bytes(packed)
            (self.boot / f"vmlinuz-{version}").write_bytes(b"kernel")
        (root / "lib").symlink_to("usr/lib")
        self.root = ext(folder / "root.img", root, "-t", "ext4", size=16 * MIB)

    def plan(self, free: int, *options: str) -> tuple[AdaptPlan, list[Path]]:
        """Plan with about ``free`` bytes left on /boot; the plan, and the disks."""
        image = self.folder / f"boot{free}.img"
        (self.boot / "filler").write_bytes(b"")
        tree = shutil.copytree(self.boot, self.folder / f"boot{free}", dirs_exist_ok=True)
        options = ("-t", "ext2", "-b", "1024", "-L", "bootfs", *(options or ("-m", "0")))
        probe = ext(self.folder / "probe.img", tree, *options, size=3 * MIB)
        told = run("dumpe2fs", "-h", probe)
        left = int(told.split("Free blocks:")[1].split()[0]) * 1024
        probe.unlink()
        (tree / "filler").write_bytes(os.urandom(max(0, left - free - 16 * 1024)))
        ext(image, tree, *options, size=3 * MIB)
        disks = [disk_of(self.root), disk_of(image)]
        return plan_adaptation(disks, AIMS), [self.root, image]


@pytest.fixture
def guest(tmp_path: Path) -> Guest:
    return Guest(tmp_path / "guest")


def codes(plan: AdaptPlan) -> set[str]:
    return {f.code for f in plan.findings if "KF-843" <= f.code <= "KF-849"}


def written(plan: AdaptPlan, disks: list[Path], folder: Path) -> None:
    """Carry the plan out; e2fsck finds both file systems clean."""
    work = folder / "work"
    work.mkdir()
    found = list(carry_out(plan, work))
    for number, path in enumerate(disks, 1):
        pieces = [piece for name, piece in found if name == f"disk{number}"]
        disk = PatchedDisk(disk_of(path), pieces)
        data = bytearray(disk.virtual_size)
        disk.read_into(0, memoryview(data))
        after = folder / f"after{number}.img"
        after.write_bytes(data)
        run("e2fsck", "-fn", after)


def sizes(plan: AdaptPlan) -> dict[str, int]:
    edits = (edit for volume in plan.volumes for edit in volume.edits)
    return {e.path.rpartition("/")[2]: len(e.content or b"") for e in edits}


def test_with_room_nothing_is_said(guest: Guest, tmp_path: Path) -> None:
    plan, disks = guest.plan(2 * MIB)
    assert codes(plan) == set()
    assert len(plan.kernels) == 2
    written(plan, disks, tmp_path)


def test_the_chain_goes_as_far_as_it_has_to(guest: Guest, tmp_path: Path) -> None:
    (guest.boot / f"config-{KERNELS[0]}").write_text("CONFIG_RD_GZIP=y\nCONFIG_RD_XZ=y\n")
    (guest.boot / f"config-{KERNELS[1]}").write_text("CONFIG_RD_XZ is not set\n")
    usual, _ = guest.plan(2 * MIB)
    whole = sum(size for name, size in sizes(usual).items() if name.startswith("initrd"))
    met: dict[frozenset[str], int] = {}
    free = whole + whole // 9
    while free > 0:
        try:
            plan, disks = guest.plan(free)
        except NoSpaceError:
            break
        if frozenset(codes(plan)) not in met:
            folder = tmp_path / f"at{free}"
            folder.mkdir()
            written(plan, disks, folder)
            for volume in plan.volumes:
                for edit in volume.edits:
                    if "initrd" in edit.path and edit.content:
                        open_initramfs(edit.content)
        met.setdefault(frozenset(codes(plan)), free)
        free -= whole // 9
    seen = [set(key) for key in met]
    assert seen[0] == set()
    assert {"KF-843"} in seen
    assert any({"KF-844", "KF-845"} == key for key in seen)
    with pytest.raises(NoSpaceError, match=r"disk2: [0-9]+ bytes more are needed") as raised:
        guest.plan(free)
    assert raised.value.hint
    left = [plan.version for plan in plan.kernels]
    assert left == ["6.1.0-10-amd64"]  # the newer one is kept, whatever the order of its name


def test_the_kernel_that_is_started_is_the_last_to_be_left_out(guest: Guest) -> None:
    old, new = KERNELS
    (guest.boot / "grub").mkdir()
    entries = (
        f"menuentry '{version}' {{\n linux /vmlinuz-{version} root=LABEL=root\n}}\n"
        for version in (old, new)
    )
    (guest.boot / "grub/grub.cfg").write_text("set default=0\n" + "".join(entries))
    usual, _ = guest.plan(2 * MIB)
    one = min(size for name, size in sizes(usual).items() if name.startswith("initrd"))
    plan, _ = guest.plan(one + one // 10)
    assert [kernel.version for kernel in plan.kernels] == [old]
    assert "KF-845" in codes(plan)


def test_a_file_system_with_errors_is_refused_before_anything_is_written(guest: Guest) -> None:
    run("debugfs", "-w", "-R", "ssv state 3", guest.root)
    with pytest.raises(CorruptError, match="met damage"):
        guest.plan(2 * MIB)


def test_room_for_root_is_said_to_be_taken(guest: Guest, tmp_path: Path) -> None:
    usual, _ = guest.plan(2 * MIB)
    more = sum(size for name, size in sizes(usual).items() if name.startswith("initrd"))
    plan, disks = guest.plan(more + 30_000, "-m", "10")
    assert codes(plan) == {"KF-846"}
    written(plan, disks, tmp_path)


def test_a_journal_that_is_replayed_is_said(guest: Guest, tmp_path: Path) -> None:
    run("debugfs", "-w", "-R", "feature needs_recovery", guest.root)
    plan, disks = guest.plan(2 * MIB)
    assert codes(plan) == {"KF-848"}
    written(plan, disks, tmp_path)
