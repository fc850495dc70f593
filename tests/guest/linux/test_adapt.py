"""Plans of edits for Linux guests, made from real file systems."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from kensho.guest.edit.draft import Draft
from kensho.guest.files.tree import GuestFiles
from kensho.guest.linux.adapt.drivers import enlarge, wanted_modules
from kensho.guest.linux.adapt.persist import persist
from kensho.guest.linux.initramfs.codecs import pack
from kensho.guest.linux.initramfs.cpio import write_archive
from kensho.guest.linux.initramfs.image import open_initramfs
from kensho.guest.linux.modules.index import read_index
from kensho.guest.linux.verdict import Kernel, judge_controller, modules_in
from kensho.model.machine import ControllerModel as C
from kensho.model.machine import NicModel
from tests.guest.images_of import ext, files_of
from tests.guest.linux.trees import INDEX, MODULES, debian_base, elf, entry

VERSION = MODULES.rpartition("/")[2]
FOLDER = f"/{MODULES}"
INITRD = f"/boot/initrd.img-{VERSION}"
WANTED = (C.PVSCSI, C.AHCI, C.NVME, C.LSILOGIC, C.VIRTIO_BLK)


@pytest.fixture
def guest(tmp_path: Path):
    """Return a function that makes a file system of a Debian with files on top."""

    def make(**files: str) -> GuestFiles:
        tree = tmp_path / f"tree{len(list(tmp_path.iterdir()))}"
        modules = tree / MODULES
        modules.mkdir(parents=True)
        (tree / "lib").symlink_to("usr/lib")
        index = read_index(INDEX)
        for path in index.files.values():
            (modules / path).parent.mkdir(parents=True, exist_ok=True)
            (modules / path).write_bytes(b"\x7fELF " + path.encode())
        for name, text in INDEX.items():
            (modules / name).write_text(text)
        (tree / "boot").mkdir()
        base = debian_base(*(f for f in index.files.values() if "virtio" in f))
        (tree / INITRD[1:]).write_bytes(pack(write_archive(base), "zstd"))
        for name, text in files.items():
            path = tree / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="latin-1")
        return GuestFiles(files_of(ext(tree.with_suffix(".img"), tree)))

    return make


def kernel_of(data: bytes) -> Kernel:
    return Kernel(VERSION, read_index(INDEX), modules_in(open_initramfs(data), VERSION))


def test_an_initramfs_gets_the_drivers_it_lacks(guest) -> None:
    files = guest()
    before = files.read(INITRD)
    image = open_initramfs(before)
    kernel = kernel_of(before)
    result = enlarge(files, kernel, FOLDER, INITRD, image, WANTED)
    assert result.edit is not None
    assert result.edit.content is not None
    assert result.missing == (C.LSILOGIC,)  # this kernel has no driver for it
    after = kernel_of(result.edit.content)
    verdicts = {m: judge_controller(after, m) for m in WANTED}
    assert {m for m, v in verdicts.items() if v and v.works} == set(WANTED) - {C.LSILOGIC}
    assert result.edit.content.startswith(before)
    new = open_initramfs(result.edit.content)
    listed = new.get("conf/modules")
    assert listed is not None
    assert bytes(listed.data) == b"virtio_blk\nahci\nvmw_pvscsi\n"
    module = new.get(f"lib/modules/{VERSION}/kernel/drivers/scsi/vmw_pvscsi.ko")
    assert module is not None
    assert bytes(module.data) == b"\x7fELF kernel/drivers/scsi/vmw_pvscsi.ko"
    # The second time nothing is left to add.
    again = enlarge(files, after, FOLDER, INITRD, new, WANTED)
    assert (again.edit, again.added) == (None, ())


def test_a_driver_brings_its_firmware(guest) -> None:
    asked = b"firmware=acme/first.bin\0firmware=acme/second.bin\0firmware=../../etc/shadow\0firmware=none\0"
    driver = f"{MODULES}/kernel/drivers/scsi/vmw_pvscsi.ko"
    files = guest(**{
        driver: elf(asked).decode("latin-1"),
        "usr/lib/firmware/acme/first.bin": "one",
        "usr/lib/firmware/acme/second.bin.zst": "two",
        "etc/shadow": "secret",
    })  # fmt: skip
    before = files.read(INITRD)
    result = enlarge(files, kernel_of(before), FOLDER, INITRD, open_initramfs(before), WANTED)
    assert result.edit is not None
    assert result.edit.content is not None
    new = open_initramfs(result.edit.content)
    found = {n: bytes(e.data) for n, e in new.files.items() if "firmware/" in n and not e.is_folder}
    assert found == {
        "usr/lib/firmware/acme/first.bin": b"one",
        "usr/lib/firmware/acme/second.bin.zst": b"two",
    }
    assert not any(b"secret" in bytes(entry.data) for entry in new.files.values())


def test_an_initramfs_that_loads_a_list_gets_nothing(guest) -> None:
    script = (
        b"#!/bin/nash\ninsmod /lib/scsi_mod.ko\ninsmod /lib/sd_mod.ko\ninsmod /lib/vmw_pvscsi.ko\n"
    )
    loaded = (entry(f"lib/{name}.ko") for name in ("scsi_mod", "sd_mod", "vmw_pvscsi"))
    data = write_archive([entry("init", script), *loaded])
    result = enlarge(guest(), kernel_of(data), FOLDER, INITRD, open_initramfs(data), WANTED)
    assert (result.edit, result.added) == (None, ())
    assert result.missing == (C.AHCI, C.LSILOGIC, C.VIRTIO_BLK)


def test_no_driver_of_an_adapter_is_in_the_initramfs() -> None:
    assert "vmxnet3" not in wanted_modules(read_index(INDEX), WANTED)


def test_an_initramfs_that_is_unlocked_from_afar_has_drivers_of_adapters(guest) -> None:
    virtio = (f for f in read_index(INDEX).files.values() if "virtio" in f)
    data = write_archive([*debian_base(*virtio), entry("usr/sbin/dropbear", b"ELF")])
    files, kernel, image = guest(), kernel_of(data), open_initramfs(data)
    result = enlarge(files, kernel, FOLDER, INITRD, image, WANTED, adapters=[NicModel.VMXNET3])
    assert "vmxnet3" in result.added
    (edit,) = persist(
        Draft(files, "root"), "dracut", [kernel.index], WANTED, [NicModel.VMXNET3]
    )  # fmt: skip
    assert b"vmxnet3" in (edit.content or b"")


def test_modules_that_need_each_other_for_ever() -> None:
    count = 5000
    dep = "".join(f"m{n}.ko: m{(n + 1) % count}.ko\n" for n in range(count))
    assert len(read_index({"modules.dep": dep}).closure(["m0"])) == count


@pytest.mark.parametrize(
    "maker", ["initramfs-tools", "dracut", "mkinitcpio", "mkinitfs", "mkinitrd"]
)
def test_the_makers_are_told_once(guest, maker: str) -> None:
    index = read_index(INDEX)
    before = {
        "etc/initramfs-tools/modules": "# own\nbtrfs",
        "etc/mkinitfs/mkinitfs.conf": 'features="ata base ext4"\n',
    }
    edits = persist(Draft(guest(**before), "root"), maker, [index], WANTED)
    assert edits
    after = before | {e.path[1:]: e.content.decode() for e in edits if e.content is not None}
    assert persist(Draft(guest(**after), "root"), maker, [index], WANTED) == ()
    joined = "".join(after.values())
    for module in ("vmw_pvscsi", "ahci", "virtio_blk"):
        assert module in joined
    assert "nvme" not in joined  # built in
    if maker == "initramfs-tools":
        assert after["etc/initramfs-tools/modules"].startswith("# own\nbtrfs\n")
    if maker == "mkinitfs":
        assert after["etc/mkinitfs/mkinitfs.conf"] == 'features="ata base ext4 kensho"\n'
        assert "kernel/drivers/ata/ahci.ko*\n" in after["etc/mkinitfs/features.d/kensho.modules"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('# own\nINITRD_MODULES="jbd virtio-blk"\nOTHER="x"\n', "jbd virtio-blk ahci"),
        ("INITRD_MODULES=''\n", "virtio_blk ahci"),
        ('OTHER="x"', "virtio_blk ahci"),
        ('INITRD_MODULES="a"\nINITRD_MODULES="b"\n', "b virtio_blk ahci"),
    ],
)
def test_suses_list_of_drivers(guest, text: str, expected: str, tmp_path: Path) -> None:
    """It is a shell's variable, and what the guest has in it stays: SLES 11."""
    files = guest(**{"etc/sysconfig/kernel": text})
    (edit,) = persist(Draft(files, "root"), "mkinitrd", [read_index(INDEX)], (C.VIRTIO_BLK, C.AHCI))
    (tmp_path / "kernel").write_bytes(edit.content or b"")
    said = subprocess.run(
        ["sh", "-c", '. "$0"; printf "%s|%s" "$INITRD_MODULES" "$OTHER"', tmp_path / "kernel"],
        capture_output=True, text=True, check=True,
    ).stdout.split("|")  # fmt: skip
    found = [word for word in said[0].split() if word not in {"virtio_pci", "sd_mod"}]
    assert found == expected.split()
    assert said[1] == ("x" if "OTHER" in text else "")


def test_a_driver_that_only_an_older_kernel_has_is_kept_too(guest) -> None:
    texts = INDEX | {"modules.dep": "kernel/mptspi.ko:\n"}
    texts["modules.alias"] = "alias pci:v00001000d00000030sv*sd*bc*sc*i* mptspi\n"
    (edit,) = persist(
        Draft(guest(), "root"), "dracut", [read_index(INDEX), read_index(texts)], WANTED
    )
    assert edit.content is not None
    assert {"mptspi", "vmw_pvscsi"} <= set(edit.content.decode().split())


def test_what_dracut_and_mkinitcpio_source_is_a_shells(guest, tmp_path: Path) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not installed")
    index = read_index(INDEX)
    for maker, script in (
        ("dracut", 'echo "$add_drivers"'),
        ("mkinitcpio", 'echo "${MODULES[*]}"'),
    ):
        (edit,) = persist(Draft(guest(), "root"), maker, [index], WANTED)
        assert edit.content is not None
        path = tmp_path / maker
        path.write_bytes(edit.content)
        run = subprocess.run(
            [bash, "-euc", f'add_drivers=" old "; MODULES=(old); . "{path}"; {script}'],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert run.stdout.split() == [
            "old",
            "vmw_pvscsi",
            "sd_mod",
            "ahci",
            "virtio_pci",
            "virtio_blk",
        ]


def test_modules_that_the_maker_unpacked_are_still_found(guest) -> None:
    """initramfs-tools makes ``x.ko`` of ``x.ko.zst``: the root's index names what is not there."""
    files = guest()
    unpacked = "kernel/drivers/block/virtio_blk.ko"
    data = pack(write_archive(debian_base(unpacked)), "zstd")
    kernel = kernel_of(data)
    result = enlarge(files, kernel, FOLDER, INITRD, open_initramfs(data), [C.PVSCSI])
    assert result.edit is not None
    assert result.edit.content is not None
    new = open_initramfs(result.edit.content)
    index = read_index(INDEX)
    for name in modules_in(new, VERSION):
        assert new.get(f"lib/modules/{VERSION}/{index.files[name]}") is not None, name
    packed = new.files[f"{MODULES}/{unpacked}.zst"]
    assert packed.link == "virtio_blk.ko"


def test_mkinitcpio_is_told_where_every_version_reads_it(guest) -> None:
    """Drop-ins are read since 36 alone, and not by presets that name their own file."""
    before = {"etc/mkinitcpio.conf": "MODULES=(btrfs)\nHOOKS=(base udev block filesystems)"}
    edits = persist(Draft(guest(**before), "root"), "mkinitcpio", [read_index(INDEX)], [C.PVSCSI])
    (edit,) = edits
    assert edit.path == "/etc/mkinitcpio.conf"
    assert edit.content is not None
    text = edit.content.decode()
    assert text.startswith(before["etc/mkinitcpio.conf"] + "\n")
    assert "\nMODULES+=(vmw_pvscsi sd_mod)\n" in text
