"""Guests on volumes across disks, and on encrypted ones: adapted, converted, undone."""

from __future__ import annotations

import hashlib
import json
import random
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kensho.guest.edit.backends import BACKENDS, lacking
from tests.cli.conftest import Kensho
from tests.cli.small_guest import VERSION, guest_disk, guest_tree
from tests.guest.images_of import MIB, ext, run, tool
from tests.guest.linux.trees import MODULES
from tests.guest.lvm_disks import group_text, physical_volume
from tests.guest.volumes.test_luks import PASSPHRASE, encrypted
from tests.guest.windows.adapt import machines
from tests.guest.windows.drivers.made import package
from tests.images import ovf

AsJson = Callable[..., Any]
STRIPE = 64 << 10


def same(a: Path, b: Path) -> bool:
    """Let QEMU compare two disks."""
    return subprocess.run([tool("qemu-img"), "compare", "-q", a, b]).returncode == 0


def striped(folder: Path) -> tuple[Path, Path]:
    """Make two disks with a root of LVM in stripes over both."""
    tree = guest_tree(folder / "tree", boot=False) / "root"
    for module in (tree / MODULES).glob("kernel/drivers/*/*.ko*"):  # more than a stripe
        module.write_bytes(random.Random(1).randbytes(60_000))
    data = ext(folder / "root.ext", tree, "-t", "ext4", size=16 * MIB).read_bytes()
    text = group_text([["pv0"], ["pv1"]], [(0, 16, ["pv0", 0, "pv1", 0])], stripe=128)
    for number in (0, 1):
        pv = physical_volume(str(number) * 32, text, 10 * MIB)
        starts = range(number * STRIPE, len(data), 2 * STRIPE)
        pv[MIB : 9 * MIB] = b"".join(data[at : at + STRIPE] for at in starts)
        (folder / f"disk{number}.img").write_bytes(pv)
    return folder / "disk0.img", folder / "disk1.img"


def joined(disks: list[Path], folder: Path) -> Path:
    """Put the volume together from its two disks, as raw bytes."""
    parts = []
    for number, disk in enumerate(disks):
        raw = folder / f"part{number}"
        run("qemu-img", "convert", "-O", "raw", disk, raw)
        parts.append(raw.read_bytes()[MIB : 9 * MIB])
    rows = range(0, 8 * MIB, STRIPE)
    (folder / "joined").write_bytes(b"".join(p[at : at + STRIPE] for at in rows for p in parts))
    return folder / "joined"


def test_a_root_of_lvm_in_stripes_over_two_disks(tmp_path: Path, as_json: AsJson) -> None:
    disks = striped(tmp_path)
    told = as_json("adapt", *disks, "--for", "vmware", "-o", tmp_path)
    overlays = [Path(path) for path in told["outputs"]]
    assert len(overlays) == 2
    root = joined(overlays, tmp_path)
    run("e2fsck", "-fn", root)
    names = run("debugfs", "-R", "ls /etc/initramfs-tools", root)
    assert "modules" in names
    text = run("debugfs", "-R", "cat /etc/initramfs-tools/modules", root)
    assert "vmw_pvscsi" in text
    as_json("adapt", "--undo", told["changes"], *overlays, "-o", tmp_path / "back")
    for disk in disks:
        assert same(disk, tmp_path / "back" / f"{disk.stem}-adapted-adapted.qcow2")


def test_both_disks_go_through_a_conversion(tmp_path: Path, as_json: AsJson) -> None:
    disks = striped(tmp_path)
    source = tmp_path / "web01.ovf"
    source.write_text(ovf({disk.name: 10 * MIB for disk in disks}))
    told = as_json("convert", source, "--to", "kvm", "--adapt", "-o", tmp_path / "out")
    assert told["check"] == "ok"
    root = joined([tmp_path / "out" / d["filename"] for d in told["disks"]], tmp_path)
    run("e2fsck", "-fn", root)
    initrd = tmp_path / "initrd"
    run("debugfs", "-R", f"dump /boot/initrd.img-{VERSION} {initrd}", root)
    (step,) = (s for s in told["plan"]["adaptation"]["steps"] if "initrd" in s["path"])
    assert hashlib.sha256(initrd.read_bytes()).hexdigest() == step["sha256"]


def test_an_encrypted_root_with_its_key(tmp_path: Path, as_json: AsJson, kensho: Kensho) -> None:
    tree = guest_tree(tmp_path / "tree", boot=False) / "root"
    plain = ext(tmp_path / "root.ext", tree, "-t", "ext4", size=16 * MIB)
    quick = ("--pbkdf-force-iterations", "1000", "--pbkdf", "pbkdf2")
    disk = encrypted(tmp_path / "guest.img", plain, *quick)
    key = ("--key", f"all={tmp_path / 'guest.key'}")
    assert kensho("plan", disk, "--to", "kvm", "--adapt")[0] == 10
    plan = tmp_path / "plan.json"
    as_json("plan", disk, "--to", "kvm", "--adapt", *key, "-o", plan)
    assert PASSPHRASE not in plan.read_bytes()
    out = tmp_path / "out"
    code, _, err = kensho("convert", plan, "-o", out)
    assert code != 0
    assert not [p for p in out.glob("**/*") if p.is_file()], err
    told = as_json("convert", plan, *key, "-o", out)
    (made,) = (out / d["filename"] for d in told["disks"])
    assert not same(disk, made)
    # What is written goes back encrypted: the result opens with the key, and needs nothing more.
    assert as_json("adapt", made, "--for", "kvm", "--dry-run", *key)["edits"] == []
    (record,) = out.glob("*.changes")
    as_json("adapt", "--undo", record, made, "-o", tmp_path / "back.qcow2")
    assert same(disk, tmp_path / "back.qcow2")
    facts = json.loads(run("tar", "-xOf", record, "changes.json"))
    assert {f["volume"] for f in facts["files"]} != {"disk1"}


def test_a_windows_on_its_way(tmp_path: Path, as_json: AsJson, kensho: Kensho) -> None:
    """A second generation machine of Hyper-V, whose Windows starts from its SCSI alone."""
    for backend in BACKENDS:
        if backend.kinds & {"ntfs", "vfat"} and lacking(backend):
            pytest.skip(lacking(backend))
    disk = machines.ten(tmp_path).path
    plan = as_json("plan", disk, "--to", "kvm")
    assert plan["after"]["machines"][0]["guest"]["id"] == "win2k22"
    assert "KF-925" in {f["code"] for f in plan["findings"]}
    drivers = ("--drivers", package(tmp_path / "virtio"))
    assert kensho("convert", disk, "--to", "kvm", *drivers, "-o", tmp_path / "out")[0] == 2
    told = as_json("convert", disk, "--to", "kvm", "--adapt", *drivers, "-o", tmp_path / "out")
    paths = {step["path"] for step in told["plan"]["adaptation"]["steps"]}
    assert "/Windows/System32/drivers/viostor.sys" in paths
    assert not {"KF-923", "KF-925"} & {f["code"] for f in told["findings"]}
    hive = next(s for s in told["plan"]["adaptation"]["steps"] if s["path"].endswith("SYSTEM"))
    assert any("storahci" in detail for detail in hive["details"])
    (made,) = (tmp_path / "out" / d["filename"] for d in told["disks"])
    assert kensho("check", tmp_path / "out" / f"{told['plan']['name']}.xml", "--for", "kvm")[0] == 0
    (record,) = (tmp_path / "out").glob("*.changes")
    as_json("adapt", "--undo", record, made, "-o", tmp_path / "back.qcow2")
    assert same(disk, tmp_path / "back.qcow2")


def test_a_disk_and_its_copy(tmp_path: Path, kensho: Kensho) -> None:
    """Each system has the /boot of its own disk, though both have one name; and that is said."""
    first = guest_disk(tmp_path, boot=True)
    second = tmp_path / "copy.img"
    second.write_bytes(first.read_bytes())
    code, out, err = kensho("adapt", first, second, "--for", "vmware", "--dry-run", "--json")
    assert code == 0, err
    told = json.loads(out)
    changed = {edit["volume"] for edit in told["edits"] if "initrd" in edit["path"]}
    assert changed == {"disk1p1", "disk2p1"}
    twins = [f["subject"] for f in told["findings"] if f["code"] == "KF-813"]
    assert twins == ["disk1p1", "disk1p2"]
    code, out, _ = kensho("inspect", "--deep", second, "--json")
    assert (code, "KF-813" in out) == (0, False)
