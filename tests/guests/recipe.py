"""Guests to boot, as data, and their disks.

    python -m tests.guests.recipe [NAME …]

Every disk boots on BIOS and on UEFI: GRUB in a BIOS boot partition and in an ESP. The root file
system, and /boot where it is its own, come behind those. Nothing is mounted. Disks are kept in
``.cache/guests`` by a digest of the recipe.
"""

from __future__ import annotations

import sys
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import debian
import disk_image
from cache import digest, keep, work_folder
from debian import privilege, write_settings
from disk_image import (
    LINUX_TYPE,
    LVM_TYPE,
    MIB,
    Partition,
    make_boot_loaders,
    make_disk,
    make_ext4,
    partitions,
)
from shell import run, step
from tests.guest import lvm_disks
from tests.guests import base, layouts, settings
from tests.guests.base import build_base

CACHE = Path(__file__).parents[2] / ".cache" / "guests"
_RECIPE = (__file__, base.__file__, layouts.__file__, settings.__file__, debian.__file__)
_RECIPE += (disk_image.__file__, lvm_disks.__file__, str(settings.REPORT_SCRIPT))
_BOOT_MIB = 200

NEWER, CLOUD, DEBIAN = "newer", "cloud", "debian"


@dataclass(frozen=True)
class Guest:
    """A guest: the kind of its initramfs (`tests.guests.base`), its kernels, how its disk is laid out.

    The first kernel is the one that starts: ``debian``, ``newer`` or ``cloud``.
    """

    name: str
    initramfs: str
    kernels: tuple[str, ...]
    root: str = "ext4"
    lvm: bool = False
    own_boot: bool = False

    @property
    def root_mib(self) -> int:
        """The size of the root's partition; mkfs.btrfs wants more than its files take."""
        return 1100 if self.root == "btrfs" else 760


GUESTS = (
    Guest("generic", "most", (DEBIAN, NEWER)),
    Guest("initramfs-tools", "virtio", (DEBIAN, NEWER), own_boot=True),
    Guest("dracut", "dracut", (NEWER,)),
    Guest("lvm", "virtio", (DEBIAN, CLOUD), lvm=True),
    Guest("xfs", "virtio", (DEBIAN,), root="xfs"),
    Guest("btrfs", "virtio", (NEWER,), root="btrfs"),
)


def guest(name: str) -> Guest:
    """Return the guest of that name."""
    return next(guest for guest in GUESTS if guest.name == name)


def flavour(version: str) -> str:
    """Return which of the kernels has this version."""
    if "cloud" in version:
        return CLOUD
    return NEWER if version.rpartition("-")[0].endswith("deb12") else DEBIAN


def build(guest: Guest, cache: Path = CACHE) -> Path:
    """Return a guest's raw disk image, made now unless it is in the cache."""
    image = cache / f"{guest.name}-{digest(*_RECIPE)}.img"
    if image.exists():
        return image
    tree = build_base(cache)
    with step(f"making the guest {guest.name}"), work_folder(cache) as work:
        _fill(guest, tree, work)
        keep({work / "disk.img": image}, f"{guest.name}-*.img")
    return image


def _fill(guest: Guest, base_tar: Path, work: Path) -> None:
    tree, disk = work / "tree", work / "disk.img"
    tree.mkdir()
    run([*privilege(), "tar", "-C", tree, "-xf", base_tar, "--numeric-owner"])
    kernels = _choose_kernels(guest, tree)
    ids = {part: str(uuid.uuid5(uuid.NAMESPACE_OID, guest.name + part)) for part in _PARTS}
    write_settings(work / "settings.tar", _texts(guest, kernels, ids), settings.links())
    run([*privilege(), "tar", "-C", tree, "-xf", work / "settings.tar"])
    kind = LVM_TYPE if guest.lvm else LINUX_TYPE
    sizes = ((_BOOT_MIB, LINUX_TYPE),) if guest.own_boot else ()
    *boot, root = partitions(*sizes, (guest.root_mib, kind))
    make_disk(disk, (*boot, root), ids["disk"])
    for part in boot:
        make_ext4(disk, part, tree / "boot", ids["boot"], "boot")
        run([*privilege(), "find", tree / "boot", "-mindepth", "1", "-delete"])
    _make_root(guest, disk, root, tree, ids["root"])
    make_boot_loaders(
        disk,
        work,
        ids["boot"] if guest.own_boot else ids["root"],
        folder="/grub" if guest.own_boot else "/boot/grub",
        modules=("lvm", "xfs", "btrfs"),
    )


_PARTS = ("disk", "boot", "root")


def _choose_kernels(guest: Guest, tree: Path) -> tuple[str, ...]:
    """Remove the other kernels, put the initramfs in place; return the versions in order."""
    names = sorted(path.name for path in (tree / "lib/modules").iterdir())
    found = {flavour(name): name for name in names}
    kept = tuple(found[kernel] for kernel in guest.kernels)
    commands = [f"cd {tree}", "rm -f vmlinuz* initrd.img*"]
    others = sorted(set(names) - set(kept))
    commands += [f"rm -rf lib/modules/{name} boot/*-{name}" for name in others]
    commands += [f"cp initramfs/{guest.initramfs}/initrd.img-{name} boot/" for name in kept]
    if guest.initramfs == "dracut":
        commands.append("cp initramfs/conf/dracut/* etc/dracut.conf.d/")
    else:
        commands.append(f"cp -a initramfs/conf/{guest.initramfs}/. etc/initramfs-tools/")
    commands.append("rm -rf initramfs")
    run([*privilege(), "sh", "-e", "-c", "\n".join(commands)])
    return kept


def _texts(guest: Guest, kernels: Sequence[str], ids: dict[str, str]) -> dict[str, str]:
    root = "/dev/mapper/vg-root" if guest.lvm else f"UUID={ids['root']}"
    fstab = f"{root} / {guest.root} defaults 0 1\n"
    words = settings.WORDS
    if guest.initramfs == "dracut":
        words = {kind: f"{settings.DRACUT_WORDS} {text}" for kind, text in words.items()}
    if guest.own_boot:
        fstab += f"UUID={ids['boot']} /boot ext4 defaults 0 2\n"
    menu = settings.grub(
        kernels,
        ids["boot"] if guest.own_boot else ids["root"],
        "" if guest.own_boot else "/boot",
        root,
        words,
    )
    return settings.common() | {"etc/fstab": fstab, "boot/grub/grub.cfg": menu}


def _make_root(guest: Guest, disk: Path, part: Partition, tree: Path, fs_uuid: str) -> None:
    volume, size = disk.with_name("root.img"), guest.root_mib * MIB
    match guest.root:
        case "xfs":
            layouts.make_xfs(volume, size, tree, fs_uuid)
        case "btrfs":
            layouts.make_btrfs(volume, size, tree, fs_uuid)
        case _ if guest.lvm:
            size -= 2 * layouts.EXTENT  # the group's own metadata
            with volume.open("wb") as file:
                file.truncate(size)
            make_ext4(volume, Partition(0, size // 512, part.kind), tree, fs_uuid, "root")
            layouts.put_into_group(volume, disk, part.offset, part.count * 512)
            return
        case _:
            make_ext4(disk, part, tree, fs_uuid, "root")
            return
    layouts.copy_into(volume, disk, part.offset)


if __name__ == "__main__":
    for chosen in GUESTS:
        if len(sys.argv) == 1 or chosen.name in sys.argv[1:]:
            sys.stdout.write(f"{build(chosen)}\n")
