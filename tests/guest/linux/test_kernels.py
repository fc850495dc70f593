"""Kernels and their initramfs, found where distributions and boot loaders put them."""

from __future__ import annotations

from pathlib import Path

import pytest

from kensho.guest.files.tree import GuestFiles
from kensho.guest.linux.adapt.kernels import plan_kernels
from kensho.guest.linux.initramfs.cpio import write_archive
from kensho.guest.linux.initramfs.image import open_initramfs
from kensho.guest.linux.kernels import find_kernels
from tests.guest.images_of import ext, files_of
from tests.guest.linux.adapt.making import adapted, aims_for, plant
from tests.guest.linux.trees import FOLDER, INDEX, entry

V = "6.1.0-13-amd64"
TOKEN = "0123456789abcdef0123456789abcdef"


def found_in(tree: Path, *names: str, **texts: str) -> list[tuple[str, str, str]]:
    for name in (f"usr/lib/modules/{V}/modules.dep", *names):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(texts.get(name, name))
    for name, text in texts.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(text)
    files = GuestFiles(files_of(ext(tree.with_suffix(".img"), tree)))
    return [(one.version, one.image, one.initramfs) for one in find_kernels(files)]


@pytest.mark.parametrize(
    "initramfs",
    [f"initrd.img-{V}", f"initramfs-{V}.img", f"initrd-{V}", f"initrd-{V}.img", f"initramfs-{V}"],
)
def test_names_of_an_initramfs(tmp_path: Path, initramfs: str) -> None:
    names = (f"boot/vmlinuz-{V}", f"boot/initramfs-{V}kdump.img", f"boot/{initramfs}")
    assert found_in(tmp_path / "tree", *names) == [(V, f"/boot/vmlinuz-{V}", f"/boot/{initramfs}")]


def test_suses_kernel_for_debuggers_is_none_of_its_own(tmp_path: Path) -> None:
    names = (f"boot/vmlinuz-{V}", f"boot/vmlinux-{V}.gz", f"boot/initrd-{V}")
    (one,) = found_in(tmp_path / "tree", *names)
    assert one == (V, f"/boot/vmlinuz-{V}", f"/boot/initrd-{V}")


@pytest.mark.parametrize("token", [TOKEN, "debian", "opensuse-tumbleweed"])
def test_the_copy_that_systemd_boot_starts(tmp_path: Path, token: str) -> None:
    """kernel-install copies the kernel of /boot to the ESP: its initramfs is what is loaded."""
    folder = f"boot/efi/{token}/{V}"
    names = (f"boot/vmlinuz-{V}", f"boot/initrd.img-{V}", f"{folder}/linux", f"{folder}/ucode")
    conf = f"boot/efi/loader/entries/{token}-{V}.conf"
    text = f"title x\nlinux /{token}/{V}/linux\ninitrd /{token}/{V}/ucode\ninitrd /{token}/{V}/initrd-1a2b\n"
    made = found_in(tmp_path / "tree", *names, f"{folder}/initrd-1a2b", **{conf: text})
    assert set(made) == {
        (V, f"/boot/vmlinuz-{V}", f"/boot/initrd.img-{V}"),
        (V, f"/{folder}/linux", f"/{folder}/initrd-1a2b"),
    }


def test_entries_of_grub_add_nothing(tmp_path: Path) -> None:
    """As Fedora and Red Hat 8 have them: the same files, with variables of GRUB's behind."""
    conf = f"boot/loader/entries/{TOKEN}-{V}.conf"
    text = f"linux /vmlinuz-{V}\ninitrd /initramfs-{V}.img $tuned_initrd\noptions $kernelopts\n"
    names = (f"boot/vmlinuz-{V}", f"boot/initramfs-{V}.img")
    assert len(found_in(tmp_path / "tree", *names, **{conf: text})) == 1


def test_dracut_of_red_hat_6_is_known() -> None:
    names = ["init", "initqueue/x", "lib/dracut-lib.sh", "sbin/udevd"]
    entries = [entry("lib", mode=FOLDER), *(entry(name) for name in names)]
    image = open_initramfs(write_archive(entries))
    assert (image.maker, image.asks_hardware) == ("dracut", True)


def test_kernels_that_nothing_can_be_added_to_are_told(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    modules = {f"lib/modules/{V}/{name}": text for name, text in INDEX.items()}
    images = {f"boot/vmlinuz-{V}": "", "boot/vmlinuz-5.10.0-1-amd64": "",
              "boot/initrd.img-5.10.0-1-amd64": ""}  # fmt: skip
    draft = adapted(plant(tree, modules | images), plan_kernels, aims_for("vmware"))
    told = {finding.code: finding.message for finding in draft.findings}
    assert told["KF-840"].startswith("kernel 5.10.0-1-amd64 cannot be adapted: its modules")
    assert told["KF-841"].startswith(f"kernel {V} has no initramfs")
