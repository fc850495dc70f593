"""`kensho adapt`: a whole Linux guest, from its disk to an overlay that other tools read."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from kensho.disks import open_disk
from kensho.storage import FileSource
from tests.cli.conftest import Kensho
from tests.cli.small_guest import VERSION, guest_disk, guest_tree
from tests.guest.images_of import MIB, ext, tool
from tests.guest.linux.trees import MODULES


@pytest.fixture(params=[False, True], ids=["one volume", "its own /boot"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return guest_disk(tmp_path, boot=request.param)


#: Without a choice of the user's, a device is taken that the guest drives already.
CAREFUL = ("--devices", "compatible")


def verdicts(path: Path, kensho: Kensho) -> dict[str, bool]:
    _, out, _ = kensho("check", path, "--for", "vmware,kvm,aws", *CAREFUL, "--json")
    return {v["target"]: v["starts"] for v in json.loads(out)["verdicts"]}


def test_a_guest_starts_elsewhere_on_an_overlay(disk: Path, tmp_path: Path, kensho: Kensho) -> None:
    before = hashlib.sha256(disk.read_bytes()).digest()
    assert verdicts(disk, kensho) == {"vmware": False, "kvm": False, "aws": True}
    overlay = tmp_path / "adapted.qcow2"
    code, out, err = kensho("adapt", disk, "--for", "vmware,kvm", "-o", overlay, "--json")
    assert code == 0, err
    told = json.loads(out)
    assert told["output"] == str(overlay)
    assert {edit["path"].rpartition("/")[2] for edit in told["edits"]} == {
        f"initrd.img-{VERSION}", "modules",
    }  # fmt: skip
    assert "KF-841" in {finding["code"] for finding in told["findings"]}
    assert verdicts(overlay, kensho) == {"vmware": True, "kvm": True, "aws": True}
    assert hashlib.sha256(disk.read_bytes()).digest() == before
    # Without the overlay everything is as it was; a second time nothing is to be done.
    _, out, _ = kensho("adapt", overlay, "--for", "vmware,kvm", "--dry-run", "--json")
    assert json.loads(out)["edits"] == []
    assert sorted(p.name for p in tmp_path.iterdir() if p.name.startswith(".")) == []


def test_the_overlay_is_a_disk_to_qemu_and_its_volumes_are_clean(
    disk: Path, tmp_path: Path, kensho: Kensho
) -> None:
    overlay = tmp_path / "adapted.qcow2"
    code, out, err = kensho("adapt", disk, "-o", overlay)
    assert code == 0, err
    assert f"initrd.img-{VERSION}" in out
    subprocess.run([tool("qemu-img"), "check", "-q", overlay], check=True)
    raw = tmp_path / "whole.img"
    subprocess.run([tool("qemu-img"), "convert", "-O", "raw", overlay, raw], check=True)
    data = raw.read_bytes()
    for start, size in ((MIB, 8 * MIB), (9 * MIB, 32 * MIB)):
        volume = tmp_path / "volume.ext"
        volume.write_bytes(data[start : start + size])
        subprocess.run([tool("e2fsck"), "-fn", volume], check=True, capture_output=True)
    reader = open_disk(FileSource(raw))
    assert reader.virtual_size == 48 * MIB


def test_nothing_is_written_over_or_without_being_asked(
    disk: Path, tmp_path: Path, kensho: Kensho
) -> None:
    overlay = tmp_path / "adapted.qcow2"
    code, _, err = kensho("adapt", disk)
    assert code == 2
    assert "--dry-run" in err
    assert kensho("adapt", disk, "-o", overlay, "--dry-run")[0] == 0
    assert not overlay.exists()
    overlay.write_bytes(b"mine")
    assert kensho("adapt", disk, "-o", overlay)[0] == 2
    assert overlay.read_bytes() == b"mine"


def test_a_disk_without_a_linux(tmp_path: Path, kensho: Kensho) -> None:
    path = ext(tmp_path / "empty.img", None, size=8 * MIB)
    code, _, err = kensho("adapt", path, "--dry-run")
    assert code == 12
    assert "neither a Windows nor a Linux kernel" in err


def test_a_guest_none_of_whose_kernels_can_be_adapted(tmp_path: Path, kensho: Kensho) -> None:
    tree = guest_tree(tmp_path / "tree", boot=False)
    (tree / f"root/boot/initrd.img-{VERSION}").write_bytes(b"no initramfs")
    path = ext(tmp_path / "guest.img", tree / "root", "-t", "ext4", size=32 * MIB)
    code, out, err = kensho("adapt", path, "-o", tmp_path / "adapted.qcow2")
    assert code == 12
    assert VERSION in err
    assert "nothing has to change" not in out
    assert not (tmp_path / "adapted.qcow2").exists()


def test_a_kernel_without_an_initramfs_has_not_the_latest_ones(
    tmp_path: Path, kensho: Kensho
) -> None:
    root = guest_tree(tmp_path / "tree", boot=False) / "root"
    shutil.copytree(root / MODULES, root / MODULES.replace(VERSION, "4.0-old"))
    (root / "boot/vmlinuz-4.0-old").write_bytes(b"kernel")
    (root / "boot/initrd.img").symlink_to(f"initrd.img-{VERSION}")
    path = ext(tmp_path / "guest.img", root, "-t", "ext4", size=32 * MIB)
    code, out, err = kensho("adapt", path, "-o", tmp_path / "adapted.qcow2", "--json")
    assert code == 0, err
    assert [kernel["version"] for kernel in json.loads(out)["kernels"]] == [VERSION]


@pytest.mark.parametrize("verb", [("check",), ("adapt", "--dry-run")])
@pytest.mark.parametrize(("targets", "said"), [("oci-rootfs", "no machine"), (",", "no target")])
def test_targets_that_start_no_machine(
    disk: Path, kensho: Kensho, verb: tuple[str, ...], targets: str, said: str
) -> None:
    code, _, err = kensho(*verb, disk, "--for", targets)
    assert code == 2
    assert said in err
