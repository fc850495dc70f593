"""What cannot be adapted: an error or a finding with a remedy, and nothing half done."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from kensho.guest.linux.initramfs.codecs import pack
from kensho.guest.linux.initramfs.cpio import write_archive
from tests.cli.conftest import Kensho
from tests.cli.small_guest import VERSION, guest_tree
from tests.guest.images_of import MIB, ext, partitioned, put, run
from tests.guest.linux.trees import MODULES, debian_base, entry
from tests.guest.windows.adapt import machines
from tests.guest.windows.adapt.ntfs import mounted

Make = Callable[[Path], Path]


def root_of(folder: Path, *, size: int = 32 * MIB) -> Path:
    tree = guest_tree(folder / "tree", boot=False) / "root"
    return ext(folder / "guest.img", tree, "-t", "ext4", size=size)


def encrypted(folder: Path) -> Path:
    path = partitioned(folder / "guest.img", "label: gpt\nstart=2048, size=16384\n", 16 * MIB)
    header = b"LUKS\xba\xbe" + struct.pack(">HQ", 2, 16384)
    with path.open("r+b") as disk:
        disk.seek(MIB)
        disk.write(header.ljust(4096, b"\0"))
    return path


def without_kernel(folder: Path) -> Path:
    tree = guest_tree(folder / "tree", boot=False) / "root"
    shutil.rmtree(tree / "boot")
    shutil.rmtree(tree / MODULES)
    return ext(folder / "guest.img", tree, "-t", "ext4", size=32 * MIB)


def unknown_initramfs(folder: Path) -> Path:
    tree = guest_tree(folder / "tree", boot=False) / "root"
    (tree / f"boot/initrd.img-{VERSION}").write_bytes(b"what is this")
    return ext(folder / "guest.img", tree, "-t", "ext4", size=32 * MIB)


def read_only(folder: Path) -> Path:
    path = root_of(folder)
    run("tune2fs", "-O", "read-only", path)
    return path


def damaged(folder: Path) -> Path:
    """A file system with a name of no file."""
    path = root_of(folder)
    run("debugfs", "-w", "-R", f"clri /boot/vmlinuz-{VERSION}", path)
    return path


def full(folder: Path) -> Path:
    tree = guest_tree(folder / "tree", boot=False) / "root"
    for module in (tree / MODULES).glob("kernel/drivers/*/*.ko*"):
        module.write_bytes(random.Random(1).randbytes(100_000))
    path = ext(folder / "guest.img", tree, "-t", "ext4", size=32 * MIB)
    filling = folder / "filling"
    facts = dict(
        line.split(":", 1) for line in run("dumpe2fs", "-h", path).splitlines() if ":" in line
    )
    room = int(facts["Free blocks"]) * int(facts["Block size"])
    filling.write_bytes(b"x" * room)
    run("debugfs", "-w", "-R", f"write {filling} filling", path)
    return path


def hibernated(folder: Path) -> Path:
    made = machines.xp(folder)
    volume, offset = made.volumes[1]
    with mounted(volume) as place:
        (place / "hiberfil.sys").write_bytes(b"hibr" + bytes(5000))
    put(made.path, offset, volume)
    return made.path


def corrupt_hive(folder: Path) -> Path:
    made = machines.xp(folder)
    volume, offset = made.volumes[1]
    with mounted(volume) as place:
        hive = place / "WINDOWS/system32/config/system"
        whole = hive.read_bytes()
        hive.write_bytes(whole[:4096] + bytes(4096) + whole[8192:])
    put(made.path, offset, volume)
    return made.path


def bundled(folder: Path) -> Path:
    """A kernel in one file with its initramfs, and none beside it."""
    tree = guest_tree(folder / "tree", boot=False) / "root"
    for path in (tree / "boot").iterdir():
        path.unlink()
    (tree / "boot/EFI/Linux").mkdir(parents=True)
    (tree / "boot/EFI/Linux/fedora.efi").write_bytes(b"MZ")
    return ext(folder / "guest.img", tree, "-t", "ext4", size=32 * MIB)


def bitlocker(folder: Path) -> Path:
    made = machines.xp(folder)
    with made.path.open("r+b") as disk:
        disk.seek(made.volumes[1][1] + 3)
        disk.write(b"-FVE-FS-")
    return made.path


@pytest.mark.parametrize(
    ("make", "code", "said"),
    [
        (encrypted, 12, "LUKS"),
        (without_kernel, 12, "kernel"),
        (unknown_initramfs, 12, VERSION),
        (bundled, 12, "/boot/EFI/Linux/fedora.efi"),
        (read_only, 12, "read-only"),
        (damaged, 1, "fsck"),
        (full, 14, "room"),
        (hibernated, 12, "powercfg /h off"),
        (corrupt_hive, 12, "system32/config/system"),
        (bitlocker, 12, "BitLocker"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_nothing_is_left_half_done(
    tmp_path: Path, kensho: Kensho, make: Make, code: int, said: str
) -> None:
    (tmp_path / "in").mkdir()
    disk = make(tmp_path / "in")
    digest = hashlib.sha256(disk.read_bytes()).digest()
    out = tmp_path / "out"
    out.mkdir()
    got, _, err = kensho("adapt", disk, "--for", "vmware,kvm", "-o", out / "new.qcow2")
    assert (got, said in err) == (code, True), err
    assert "hint:" in err
    assert list(out.iterdir()) == []
    got, printed, err = kensho("convert", disk, "--to", "kvm", "--adapt", "-o", out, "--json")
    assert got in {10, code}, err
    assert json.loads(printed)["exit_code"] == got
    assert list(out.iterdir()) == []
    assert hashlib.sha256(disk.read_bytes()).digest() == digest


@pytest.mark.parametrize("initrd", [False, True])
def test_a_kernel_that_needs_no_initramfs(tmp_path: Path, kensho: Kensho, initrd: bool) -> None:
    """All that it starts from is built in; one whose initramfs is only not found is another matter."""
    tree = guest_tree(tmp_path / "tree", boot=False) / "root"
    (tree / f"boot/initrd.img-{VERSION}").unlink()
    (tree / MODULES / "modules.dep").write_text("")
    names = ("sd_mod", "virtio_blk", "virtio_pci", "ahci")
    (tree / MODULES / "modules.builtin").write_text(
        "".join(f"kernel/{name}.ko\n" for name in names)
    )
    (tree / "etc/fstab").write_text("/dev/sda / ext4 a 0 1\n")
    line = "initrd /boot/strange\n" if initrd else ""
    (tree / "boot/grub").mkdir()
    (tree / "boot/grub/grub.cfg").write_text(
        f"menuentry x {{\nlinux /boot/vmlinuz-{VERSION} root=PARTUUID=x\n{line}}}\n"
    )
    disk = ext(tmp_path / "guest.img", tree, "-t", "ext4", size=32 * MIB)
    code, out, err = kensho("adapt", disk, "--for", "kvm", "-o", tmp_path / "new.qcow2", "--json")
    if initrd:
        assert (code, "no initramfs that is found" in err) == (12, True), err
        return
    assert code == 0, err
    told = json.loads(out)
    assert "/etc/fstab" in [edit["path"] for edit in told["edits"]]
    (kernel,) = told["kernels"]
    assert kernel["missing"]
    assert not {"ahci", "virtio-blk"} & set(kernel["missing"])


def test_several_systems_on_a_disk(tmp_path: Path, kensho: Kensho) -> None:
    """Each is adapted; one that cannot be is named, and is left as it is."""
    tree = guest_tree(tmp_path / "tree", boot=False) / "root"
    path = tmp_path / "guest.img"
    script = "label: gpt\n2048,65536\n67584,65536\n133120,65536\n"
    partitioned(path, script, 100 * MIB)
    good = ext(tmp_path / "good.ext", tree, "-t", "ext4", size=32 * MIB)
    initramfs = tree / f"boot/initrd.img-{VERSION}"
    initramfs.write_bytes(pack(b"no archive", "gzip"))
    bad = ext(tmp_path / "bad.ext", tree, "-t", "ext4", size=32 * MIB)
    for number, volume in enumerate((good, bad, good)):
        put(path, MIB + number * 32 * MIB, volume)
    run("tune2fs", "-U", "random", "-f", good)
    put(path, MIB + 2 * 32 * MIB, good)
    overlay = tmp_path / "new.qcow2"
    code, out, err = kensho("adapt", path, "--for", "vmware", "-o", overlay, "--json")
    assert code == 0, err
    told = json.loads(out)
    assert {kernel["root"] for kernel in told["kernels"]} == {"disk1p1", "disk1p3"}
    changed = {edit["volume"] for edit in told["edits"] if "initrd" in edit["path"]}
    assert changed == {"disk1p1", "disk1p3"}
    assert ("KF-840", "disk1p2") in {(f["code"], f["subject"]) for f in told["findings"]}


@pytest.mark.parametrize("how", ["folder", "dangling", "loop"])
def test_a_list_of_drivers_that_cannot_be_written(tmp_path: Path, kensho: Kensho, how: str) -> None:
    """The initramfs gets its drivers, and it is said that the next one will not have them."""
    tree = guest_tree(tmp_path / "tree", boot=False) / "root"
    path = tree / "etc/initramfs-tools/modules"
    path.unlink()
    if how == "folder":
        path.mkdir()
    else:
        path.symlink_to({"dangling": "/no/where", "loop": "modules"}[how])
    disk = ext(tmp_path / "guest.img", tree, "-t", "ext4", size=32 * MIB)
    overlay = tmp_path / "new.qcow2"
    code, out, err = kensho("adapt", disk, "--for", "vmware", "-o", overlay, "--json")
    assert code == 0, err
    told = json.loads(out)
    assert [edit["path"] for edit in told["edits"]] == [f"/boot/initrd.img-{VERSION}"]
    (finding,) = (f for f in told["findings"] if f["code"] == "KF-842")
    assert "/etc/initramfs-tools/modules" in finding["message"]


def test_unpacked_one_after_the_other(tmp_path: Path, kensho: Kensho) -> None:
    """Of many kernels no more than one initramfs is in memory."""
    size = 24 * MIB
    image = pack(write_archive([*debian_base(), entry("zeros", bytes(size))]), "gzip")
    peaks = []
    for count in (1, 6):
        tree = guest_tree(tmp_path / f"tree{count}", boot=False) / "root"
        for number in range(count):
            version = VERSION.replace("-9-", f"-1{number}-")
            shutil.copytree(tree / MODULES, (tree / MODULES).with_name(version))
            (tree / f"boot/vmlinuz-{version}").write_bytes(b"kernel")
            (tree / f"boot/initrd.img-{version}").write_bytes(image)
        disk = ext(tmp_path / f"guest{count}.img", tree, "-t", "ext4", size=32 * MIB)
        tracemalloc.start()
        code, _, err = kensho("adapt", disk, "--for", "vmware", "--dry-run")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert code == 0, err
    assert peaks[1] < peaks[0] + size
