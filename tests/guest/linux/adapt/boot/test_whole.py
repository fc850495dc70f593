"""A guest whose every name is the old controller's: planned, carried out, read back by other programs."""

from __future__ import annotations

import re
from pathlib import Path

from kensho.guest.adapt.carry_out import carry_out
from kensho.guest.adapt.plan import plan_adaptation
from kensho.guest.linux.adapt.boot.arguments import CONSOLES
from kensho.guest.linux.initramfs.codecs import pack
from kensho.guest.linux.initramfs.cpio import write_archive
from kensho.guest.linux.initramfs.image import open_initramfs
from tests.cli.small_guest import VERSION, guest_tree
from tests.guest.images_of import MIB, disk_of, run
from tests.guest.linux.adapt.boot.machines import (
    DATA,
    PART,
    ROOT,
    SWAP,
    Part,
    make_disk,
    root,
    tree_of,
)
from tests.guest.linux.adapt.making import aims_for
from tests.guest.linux.trees import debian_base, entry

GRUB = f"menuentry 'x' {{\n linux /boot/vmlinuz-{VERSION} root=/dev/sda1 ro\n initrd /boot/initrd.img-{VERSION}\n}}\n"


def test_all_of_it(tmp_path: Path) -> None:
    tree = guest_tree(tmp_path / "tree", boot=False) / "root"
    esp = tmp_path / "esp"
    (esp / "EFI/debian").mkdir(parents=True)
    for name in ("shimx64.efi", "grubx64.efi"):
        (esp / "EFI/debian" / name).write_text(name)
    (tree / "boot/efi").mkdir()
    (tree / "boot/grub").mkdir()
    (tree / "boot/grub/grub.cfg").write_text(GRUB)
    (tree / "etc/fstab").write_text(
        "/dev/sda1 / ext4 defaults 0 1\n/dev/sda2 /boot/efi vfat umask=0077 0 1\n/dev/sda3 none swap sw 0 0\n"
    )
    (tree / "etc/initramfs-tools/conf.d").mkdir()
    (tree / "etc/initramfs-tools/conf.d/resume").write_text("RESUME=/dev/sda3\n")
    disk = make_disk(tmp_path, root(tree), Part("vfat", esp), Part("swap"))

    plan = plan_adaptation((disk_of(disk),), aims_for())
    pieces = list(carry_out(plan, tmp_path))
    with disk.open("r+b") as file:
        for _, piece in pieces:
            file.seek(piece.start)
            file.write(piece.file.read_bytes()[piece.at : piece.at + piece.length])

    (tmp_path / "root.img").write_bytes(disk.read_bytes()[MIB : MIB + PART])
    run("e2fsck", "-fn", tmp_path / "root.img")
    assert _read(tmp_path, "/etc/fstab") == (
        f"UUID={ROOT} / ext4 defaults 0 1\nUUID=C0FF-EE42 /boot/efi vfat umask=0077 0 1\n"
        f"UUID={SWAP} none swap sw 0 0\n"
    )
    (tmp_path / "grub.cfg").write_text(_read(tmp_path, "/boot/grub/grub.cfg"))
    run("grub-script-check", tmp_path / "grub.cfg")
    assert f"root=UUID={ROOT} ro {CONSOLES}\n" in (tmp_path / "grub.cfg").read_text()
    run(
        "debugfs", "-R", f"dump /boot/initrd.img-{VERSION} {tmp_path}/initrd", tmp_path / "root.img"
    )
    resume = open_initramfs((tmp_path / "initrd").read_bytes()).get("conf/conf.d/resume")
    assert resume is not None
    assert bytes(resume.data) == f"RESUME=UUID={SWAP}\n".encode()
    assert run("mtype", "-i", f"{disk}@@{MIB + PART}", "::/EFI/BOOT/BOOTX64.EFI") == "shimx64.efi"

    assert plan_adaptation((disk_of(disk),), aims_for()).volumes == ()


def test_copies_of_crypttab_in_an_initramfs(tmp_path: Path) -> None:
    """A root that is encrypted is opened by what the initramfs says of it."""
    tree = guest_tree(tmp_path / "tree", boot=False) / "root"
    (tree / "etc/fstab").write_text("/dev/sda1 / ext4 defaults 0 1\n")
    (tree / "etc/crypttab").write_text("data /dev/sda2 none luks\n")
    copies = {
        "etc/crypttab": b"data /dev/sda2 none x-initrd.attach\nother /dev/sda20 none\n",
        "conf/conf.d/cryptroot": b"target=data,source=/dev/sda2,key=none\n",
    }
    base = [*debian_base(), *(entry(name, text) for name, text in copies.items())]
    (tree / f"boot/initrd.img-{VERSION}").write_bytes(pack(write_archive(base), "gzip"))
    disk = make_disk(tmp_path, root(tree), Part("crypto_LUKS"))
    plan = plan_adaptation((disk_of(disk),), aims_for())
    edits = {edit.path: edit.content for volume in plan.volumes for edit in volume.edits}
    assert edits["/etc/crypttab"] == f"data UUID={DATA} none luks\n".encode()
    made = open_initramfs(edits[f"/boot/initrd.img-{VERSION}"] or b"")
    for name, text in copies.items():
        copy = made.get(name)
        assert copy is not None
        assert bytes(copy.data) == re.sub(rb"/dev/sda2\b", f"UUID={DATA}".encode(), text)


def test_a_boot_of_two_systems_gets_what_both_want(tmp_path: Path) -> None:
    tree = guest_tree(tmp_path / "tree", boot=False) / "root"
    fstab = "/dev/sda{} / ext4 defaults 0 1\n/dev/sda2 /boot/efi vfat umask=0077 0 1\n"
    (tree / "boot/efi").mkdir()
    (tree / "etc/fstab").write_text(fstab.format(1))
    other = tree_of(tmp_path, etc__fstab=fstab.format(3), boot__efi__x="")
    esp = tmp_path / "esp"
    (esp / "loader/entries").mkdir(parents=True)
    for name, number in (("a", 1), ("b", 3)):
        text = f"title {name}\nlinux /{name}/linux\ninitrd /{name}/initrd\noptions root=/dev/sda{number}\n"
        (esp / "loader/entries" / f"{name}.conf").write_text(text)
    disk = make_disk(tmp_path, root(tree), Part("vfat", esp), Part("ext4", other, DATA))
    plan = plan_adaptation((disk_of(disk),), aims_for())
    made = {
        edit.path: edit.content.decode()
        for planned in plan.volumes
        for edit in planned.edits
        if edit.content and edit.path.endswith(".conf")
    }
    for name, uuid in (("a", ROOT), ("b", DATA)):
        assert f"options root=UUID={uuid} {CONSOLES}\n" in made[f"/loader/entries/{name}.conf"]


def _read(folder: Path, path: str) -> str:
    return run("debugfs", "-R", f"cat {path}", folder / "root.img")
