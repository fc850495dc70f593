"""`kensho adapt`: machines of several disks, the record of what changed, undo and replay."""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kensho.convert.overlays import staged
from kensho.storage.atomic import partial_path
from tests.cli.conftest import Kensho
from tests.cli.small_guest import VERSION, guest_disk, guest_machine
from tests.guest.images_of import MIB, run, tool
from tests.images import ovf

AsJson = Callable[..., Any]
FOR = ("--for", "vmware,kvm")


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def root_of(path: Path, as_json: AsJson) -> str:
    """Have `kensho disk` compute the root of a disk's content."""
    copy = path.with_name(f"{path.name}.copy")
    told = as_json("disk", "convert", path, copy, "--to", "raw", "--hash")
    copy.unlink()
    return str(told["root"])


def same(a: Path, b: Path) -> bool:
    """Let QEMU compare two disks."""
    return subprocess.run([tool("qemu-img"), "compare", "-q", a, b]).returncode == 0


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    return guest_disk(tmp_path, boot=True)


def test_the_record_names_files_and_blocks(disk: Path, tmp_path: Path, as_json: AsJson) -> None:
    told = as_json("adapt", disk, *FOR, "-o", tmp_path / "new.qcow2")
    assert told["changes"] == str(tmp_path / "new.changes")
    assert (tmp_path / "new.changes").stat().st_mode & 0o777 == 0o600
    run("tar", "-xf", told["changes"], "-C", tmp_path)
    facts = json.loads((tmp_path / "changes.json").read_bytes())
    assert facts["targets"] == ["vmware", "kvm"]
    files = {file["path"]: file for file in facts["files"]}
    initrd = files[f"/initrd.img-{VERSION}"]
    assert initrd["volume"] == "disk1p1"
    # What the file was and became, as debugfs of e2fsprogs and sha256 see them.
    raw = tmp_path / "new.img"
    run("qemu-img", "convert", "-O", "raw", tmp_path / "new.qcow2", raw)
    for image, state in ((disk, initrd["before"]), (raw, initrd["after"])):
        volume, out = tmp_path / "volume", tmp_path / "initrd"
        volume.write_bytes(image.read_bytes()[MIB : 9 * MIB])
        run("debugfs", "-R", f"dump /initrd.img-{VERSION} {out}", volume)
        assert (out.stat().st_size, sha256(out)) == (state["size"], state["sha256"])
    (change,) = facts["disks"]
    data = {"before": disk.read_bytes(), "after": raw.read_bytes()}
    for side, whole in data.items():
        run("zstd", "-dqf", tmp_path / f"1.{side}.zst", "-o", tmp_path / side)
        packed = (tmp_path / side).read_bytes()
        assert packed == b"".join(whole[s : s + n] for s, n, *_ in change["runs"])
    touched = bytearray(data["before"])
    for start, length, *_ in change["runs"]:
        touched[start : start + length] = data["after"][start : start + length]
    assert touched == data["after"]
    assert change["root_before"] == root_of(disk, as_json)
    assert change["root_after"] == root_of(tmp_path / "new.qcow2", as_json)


def test_undo_and_replay_are_exact(disk: Path, tmp_path: Path, as_json: AsJson) -> None:
    new, changes = tmp_path / "new.qcow2", tmp_path / "new.changes"
    as_json("adapt", disk, *FOR, "-o", new)
    back = tmp_path / "back.qcow2"
    told = as_json("adapt", "--undo", changes, new, "-o", back)
    assert told["written"] == [str(back)]
    assert same(disk, back)
    assert root_of(back, as_json) == root_of(disk, as_json)
    # The same disk in another format is as good a place to make the changes again.
    other = tmp_path / "other.vmdk"
    run("qemu-img", "convert", "-O", "vmdk", disk, other)
    again = tmp_path / "again.qcow2"
    as_json("adapt", "--replay", changes, other, "-o", again)
    assert same(new, again)
    assert as_json("adapt", "--replay", changes, new, "-o", tmp_path / "no.qcow2")["written"] == []
    assert not (tmp_path / "no.qcow2").exists()


@pytest.mark.parametrize("format_", ["raw", "qcow2"])
def test_undo_in_place(disk: Path, tmp_path: Path, as_json: AsJson, format_: str) -> None:
    new, changes = tmp_path / "new.qcow2", tmp_path / "new.changes"
    as_json("adapt", disk, *FOR, "-o", new)
    flat = tmp_path / f"flat.{format_}"
    as_json("disk", "convert", new, flat, "--to", format_)
    assert as_json("adapt", "--undo", changes, flat, "--in-place")["written"] == [str(flat)]
    assert same(disk, flat)
    assert as_json("adapt", "--undo", changes, flat, "--in-place")["written"] == []
    assert as_json("adapt", "--replay", changes, flat, "--in-place")["written"] == [str(flat)]
    assert same(new, flat)


def test_undo_goes_on_after_a_kill(
    disk: Path, tmp_path: Path, kensho: Kensho, as_json: AsJson
) -> None:
    new, changes = tmp_path / "new.qcow2", tmp_path / "new.changes"
    as_json("adapt", disk, *FOR, "-o", new)
    facts = json.loads(run("tar", "-xOf", changes, "changes.json"))
    flat = tmp_path / "flat.img"
    run("qemu-img", "convert", "-O", "raw", new, flat)
    # As a kill leaves it: under the hidden name, some blocks back already, one of them in part.
    runs = facts["disks"][0]["runs"]
    assert len(runs) > 2
    before = disk.read_bytes()
    with flat.open("r+b") as file:
        for start, length, *_ in runs[:1]:
            file.seek(start)
            file.write(before[start : start + length])
        file.seek(runs[1][0])
        file.write(before[runs[1][0] :][:512])
    flat.rename(partial_path(flat))
    as_json("adapt", "--undo", changes, flat, "--in-place")
    assert same(disk, flat)
    assert not partial_path(flat).exists()


def test_undo_that_was_killed_before_the_last_rename_is_finished(
    disk: Path, tmp_path: Path, as_json: AsJson
) -> None:
    new, changes = tmp_path / "new.qcow2", tmp_path / "new.changes"
    as_json("adapt", disk, *FOR, "-o", new)
    flat = tmp_path / "flat.img"
    partial_path(flat).write_bytes(disk.read_bytes())
    told = as_json("adapt", "--undo", changes, flat, "--in-place")
    assert told["written"] == [str(flat)]
    assert same(disk, flat)
    assert not partial_path(flat).exists()


def test_a_guest_that_has_run_is_not_undone(disk: Path, tmp_path: Path, kensho: Kensho) -> None:
    new, changes = tmp_path / "new.qcow2", tmp_path / "new.changes"
    assert kensho("adapt", disk, *FOR, "-o", new)[0] == 0
    flat = tmp_path / "flat.img"
    run("qemu-img", "convert", "-O", "raw", new, flat)
    volume = tmp_path / "volume"
    volume.write_bytes(flat.read_bytes()[9 * MIB : 41 * MIB])
    (tmp_path / "mine").write_text("# mine now\n")
    path = "/etc/initramfs-tools/modules"
    run("debugfs", "-w", "-R", f"rm {path}", volume)
    run("debugfs", "-w", "-R", f"write {tmp_path}/mine {path}", volume)
    with flat.open("r+b") as file:
        file.seek(9 * MIB)
        file.write(volume.read_bytes())
    found = sha256(flat)
    for where in (("--in-place",), ("-o", tmp_path / "back.qcow2")):
        code, _, err = kensho("adapt", "--undo", changes, flat, *where)
        assert code == 11
        assert f"disk1p2:{path}" in err
    assert sha256(flat) == found
    assert not (tmp_path / "back.qcow2").exists()


def test_a_change_elsewhere_on_the_disk_is_seen_by_its_root(
    disk: Path, tmp_path: Path, kensho: Kensho
) -> None:
    new, changes = tmp_path / "new.qcow2", tmp_path / "new.changes"
    assert kensho("adapt", disk, *FOR, "-o", new)[0] == 0
    flat = tmp_path / "flat.img"
    run("qemu-img", "convert", "-O", "raw", new, flat)
    with flat.open("r+b") as file:
        file.seek(45 * MIB)
        file.write(b"elsewhere")
    code, _, err = kensho("adapt", "--undo", changes, flat, "--in-place")
    assert code == 11
    assert "something else" in err


def test_a_record_deeper_than_anybody_writes_is_refused(tmp_path: Path, kensho: Kensho) -> None:
    facts = b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    with tarfile.open(tmp_path / "deep.changes", "w") as archive:
        info = tarfile.TarInfo("changes.json")
        info.size = len(facts)
        archive.addfile(info, io.BytesIO(facts))
    code, _, err = kensho(
        "adapt", "--undo", tmp_path / "deep.changes", tmp_path / "none", "-o", tmp_path / "back"
    )
    assert code == 1
    assert "no record of an adaptation" in err


def test_a_damaged_record_is_refused(disk: Path, tmp_path: Path, kensho: Kensho) -> None:
    new, changes = tmp_path / "new.qcow2", tmp_path / "new.changes"
    assert kensho("adapt", disk, *FOR, "-o", new)[0] == 0
    data = changes.read_bytes()
    (tmp_path / "cut.changes").write_bytes(data[: len(data) // 2])
    at = data.index(b"1.before.zst") + 1000
    (tmp_path / "bent.changes").write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    (tmp_path / "none.changes").write_bytes(b"\0" * 2048)
    for name in ("cut", "bent", "none"):
        back = tmp_path / "back.qcow2"
        code, _, err = kensho("adapt", "--undo", tmp_path / f"{name}.changes", new, "-o", back)
        assert code == 1, err
        assert not back.exists()
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def test_all_disks_of_a_machine_are_adapted_together(
    tmp_path: Path, kensho: Kensho, as_json: AsJson
) -> None:
    source = guest_machine(tmp_path / "in")
    held = {p.name: sha256(p) for p in (tmp_path / "in").glob("*.img")}
    out = tmp_path / "in"
    code, _, err = kensho("adapt", source, *FOR, "-o", out / "one.qcow2")
    assert code == 2, err
    assert "2 disks change" in err
    told = as_json("adapt", source, *FOR, "-o", out)
    assert told["changes"] == str(out / "adapted.changes")
    pair = [out / "boot-adapted.qcow2", out / "root-adapted.qcow2"]
    assert told["outputs"] == [str(path) for path in pair]
    for path in pair:
        run("qemu-img", "check", "-q", path)
        raw = tmp_path / "volume"
        run("qemu-img", "convert", "-O", "raw", path, raw)
        run("e2fsck", "-fn", raw)
    assert {p.name: sha256(p) for p in out.glob("*.img")} == held
    assert kensho("adapt", source, *FOR, "-o", out)[0] == 2  # results are there already
    # A second time, of the overlays as the two disks of one machine, nothing is to be done.
    assert as_json("adapt", *pair, *FOR, "-o", tmp_path / "twice")["edits"] == []
    assert not (tmp_path / "twice").exists()
    as_json("adapt", "--undo", out / "adapted.changes", *pair, "-o", tmp_path / "back")
    for name in ("boot", "root"):
        back = tmp_path / f"back/{name}-adapted-adapted.qcow2"
        assert same(out / f"{name}.img", back)
    assert not [p for p in (*tmp_path.iterdir(), *out.iterdir()) if p.name.startswith(".")]


def test_overlays_elsewhere_are_for_others(tmp_path: Path, as_json: AsJson) -> None:
    source = guest_machine(tmp_path / "in")
    told = as_json("adapt", source, *FOR, "-o", tmp_path / "out", "--no-roots")
    assert {f["code"] for f in told["findings"]} >= {"KF-921"}
    run("qemu-img", "check", "-q", tmp_path / "out/boot-adapted.qcow2")


def test_disks_within_an_archive_and_those_no_overlay_can_be_over(
    tmp_path: Path, kensho: Kensho, as_json: AsJson
) -> None:
    source = guest_machine(tmp_path / "in")
    for target, suffix in (("ova", "ova"), ("xenserver", "xva")):
        as_json("convert", source, "--to", target, "-o", tmp_path / target)
        (package,) = (tmp_path / target).glob(f"*.{suffix}")
        out = tmp_path / f"{target}-out"
        code, _, err = kensho("adapt", package, *FOR, "-o", out)
        if target == "ova":
            assert code == 0, err
            for overlay in out.glob("*.qcow2"):
                run("qemu-img", "check", "-q", overlay)
            continue
        assert code == 12
        assert "convert --adapt" in err
        assert not out.exists()


def test_nobody_else_sees_what_is_in_work(tmp_path: Path) -> None:
    with staged(tmp_path / "new.qcow2") as folder:
        assert folder.stat().st_mode & 0o777 == 0o700


def test_the_diff_of_text_files(disk: Path, kensho: Kensho) -> None:
    code, out, _ = kensho("adapt", disk, *FOR, "--dry-run", "--diff")
    assert code == 0
    assert "--- a/etc/initramfs-tools/modules" in out
    assert "+# kensho: drivers" in out
    assert "e2fsprogs" in out


def test_a_result_that_is_there_stays(disk: Path, tmp_path: Path, kensho: Kensho) -> None:
    (tmp_path / "new.changes").write_text("mine")
    assert kensho("adapt", disk, *FOR, "-o", tmp_path / "new.qcow2")[0] == 2
    assert (tmp_path / "new.changes").read_text() == "mine"
    folder = tmp_path / "full"
    folder.mkdir()
    (folder / "guest-adapted.qcow2").write_text("mine")
    assert kensho("adapt", disk, *FOR, "-o", folder)[0] == 2
    assert [p.name for p in folder.iterdir()] == ["guest-adapted.qcow2"]
    assert kensho("adapt", disk, *FOR, "-o", tmp_path / "nowhere/new.qcow2")[0] == 2
    shutil.rmtree(folder)
    assert not (tmp_path / "new.qcow2").exists()


def test_what_a_killed_run_left_goes_and_one_at_work_is_left_alone(
    disk: Path, tmp_path: Path, kensho: Kensho
) -> None:
    new = tmp_path / "new.qcow2"
    left = partial_path(new)
    (left / "result").mkdir(parents=True)
    (left / "result/new.qcow2").write_bytes(b"half")
    with (left / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        code, _, err = kensho("adapt", disk, *FOR, "-o", new)
        assert code == 2
        assert "another run" in err
        assert (left / "result/new.qcow2").exists()
    assert kensho("adapt", disk, *FOR, "-o", new)[0] == 0
    assert not left.exists()
    run("qemu-img", "check", "-q", new)


def test_in_place_is_for_disks_that_are_named(tmp_path: Path, kensho: Kensho) -> None:
    disk = guest_disk(tmp_path, boot=False)
    new, changes = tmp_path / "new.qcow2", tmp_path / "new.changes"
    assert kensho("adapt", disk, *FOR, "-o", new)[0] == 0
    source = tmp_path / "web01.ovf"
    source.write_text(ovf({disk.name: 48 * MIB}))
    found = sha256(disk)
    for way, *words in (("--replay", source), ("--undo", new), ("--replay", disk, "--dry-run")):
        code, _, err = kensho("adapt", way, changes, *words, "--in-place")
        assert code == 2, err
    assert sha256(disk) == found
    assert disk.exists()
    assert new.exists()
