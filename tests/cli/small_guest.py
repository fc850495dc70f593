"""A Debian that has drivers for virtio alone, as small as can be: its tree, and disks with it."""

from __future__ import annotations

from pathlib import Path

from kensho.guest.linux.initramfs.codecs import pack
from kensho.guest.linux.initramfs.cpio import write_archive
from kensho.guest.linux.modules.index import read_index
from tests.guest.images_of import MIB, ext, partitioned, put
from tests.guest.linux.trees import INDEX, MODULES, debian_base
from tests.images import ovf

VERSION = MODULES.rpartition("/")[2]


def guest_tree(root: Path, *, boot: bool) -> Path:
    """Make a Debian's tree; with its own /boot when ``boot``."""
    modules = root / "root" / MODULES
    modules.mkdir(parents=True)
    (root / "root/lib").symlink_to("usr/lib")
    index = read_index(INDEX)
    for path in index.files.values():
        (modules / path).parent.mkdir(parents=True, exist_ok=True)
        (modules / path).write_bytes(b"\x7fELF " + path.encode())
    for name, text in INDEX.items():
        (modules / name).write_text(text)
    (root / "root/etc/initramfs-tools").mkdir(parents=True)
    (root / "root/etc/os-release").write_text("ID=debian\nVERSION_ID=12\n")
    (root / "root/etc/initramfs-tools/modules").write_text("# own\n")
    (root / "root/boot").mkdir()
    (root / "boot").mkdir()
    if boot:
        (root / "root/etc/fstab").write_text("LABEL=bootfs /boot ext2 defaults 0 2\n")
    folder = root / ("boot" if boot else "root/boot")
    base = debian_base(*(f for f in index.files.values() if "virtio" in f))
    (folder / f"initrd.img-{VERSION}").write_bytes(pack(write_archive(base), "gzip"))
    (folder / f"vmlinuz-{VERSION}").write_bytes(b"kernel")
    return root


def guest_disk(folder: Path, *, boot: bool) -> Path:
    """Make a disk of 48 MiB with the guest on it."""
    tree = guest_tree(folder / "tree", boot=boot)
    path = folder / "guest.img"
    partitioned(path, "label: gpt\nstart=2048, size=16384\nstart=18432, size=65536\n", 48 * MIB)
    made = ext(folder / "boot.ext", tree / "boot", "-t", "ext2", "-L", "bootfs", size=8 * MIB)
    root = ext(folder / "root.ext", tree / "root", "-t", "ext4", size=32 * MIB)
    put(path, MIB, made)
    put(path, 9 * MIB, root)
    return path


def guest_machine(folder: Path) -> Path:
    """Make an OVF of a machine with its /boot on the first of two disks and the root on the other."""
    folder.mkdir()
    tree = guest_tree(folder / "tree", boot=True)
    ext(folder / "boot.img", tree / "boot", "-t", "ext2", "-L", "bootfs", size=8 * MIB)
    ext(folder / "root.img", tree / "root", "-t", "ext4", size=32 * MIB)
    source = folder / "web01.ovf"
    source.write_text(ovf({"boot.img": 8 * MIB, "root.img": 32 * MIB}))
    return source
