"""`kensho convert --adapt`, and devices that the guest has drivers for."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from kensho.appliances.package import PlacedDisk
from kensho.convert.plan import Request, make_plan
from kensho.convert.workspace import workspace
from kensho.guest.linux.initramfs.codecs import pack
from kensho.guest.linux.initramfs.cpio import write_archive
from tests.cli.conftest import Kensho
from tests.cli.small_guest import VERSION, guest_disk, guest_machine, guest_tree
from tests.guest.images_of import MIB, ext, run, tool
from tests.guest.linux.trees import MODULES, debian_base
from tests.images import raw_disk

AsJson = Callable[..., Any]
AHCI = (
    *(f"kernel/drivers/scsi/{name}.ko" for name in ("scsi_mod", "sd_mod")),
    *(f"kernel/drivers/ata/{name}.ko.xz" for name in ("libata", "libahci", "ahci")),
)


def same(a: Path, b: Path) -> bool:
    """Let QEMU compare two disks."""
    return subprocess.run([tool("qemu-img"), "compare", "-q", a, b]).returncode == 0


def codes(told: Any) -> set[str]:
    return {finding["code"] for finding in told["findings"]}


def boot_controller(plan: Any) -> str:
    machine = plan["after"]["machines"][0]
    boot = next(d for d in machine["drives"] if d["type"] == "disk")
    return str(next(c["model"] for c in machine["controllers"] if c["id"] == boot["controller"]))


def starts(source: Path, target: str, kensho: Kensho) -> list[bool | None]:
    _, out, _ = kensho("check", source, "--for", target, "--json")
    return [v.get("starts") for v in json.loads(out)["verdicts"]]


@pytest.mark.parametrize(
    ("target", "form"), [("kvm", None), ("vmware", "vmx"), ("ova", None), ("xenserver", None)]
)
def test_a_result_starts_there_and_is_undone_to_the_source(
    tmp_path: Path, as_json: AsJson, kensho: Kensho, target: str, form: str | None
) -> None:
    source = guest_machine(tmp_path / "in")
    out = tmp_path / "out"
    forms = ("--form", form) if form else ()
    told = as_json("convert", source, "--to", target, *forms, "--adapt", "-o", out)
    assert told["check"] == "ok"
    names = [file["name"] for file in told["files"]]
    (record,) = [name for name in names if name.endswith(".changes")]
    steps = {step["path"] for step in told["plan"]["adaptation"]["steps"]}
    assert f"/initrd.img-{VERSION}" in steps
    report = Path(told["report"]).read_text()
    assert "Changes of the guests" in report
    if target == "kvm":
        assert starts(out / f"{told['plan']['name']}.xml", "kvm", kensho) == [True]
    if target in {"ova", "xenserver"}:
        return
    # The result's disks are the adapted ones, and the record brings the source's back from them.
    disks = [out / disk["filename"] for disk in told["disks"]]
    as_json("adapt", "--undo", out / record, *disks, "-o", out / "back")
    for disk, image in zip(disks, ("boot.img", "root.img"), strict=True):
        assert same(tmp_path / "in" / image, out / f"back/{disk.stem}-adapted.qcow2")
        assert not same(tmp_path / "in" / image, disk)
    facts = json.loads(run("tar", "-xOf", out / record, "changes.json"))
    assert [d["file"] for d in facts["disks"]] == [d.name for d in disks]
    assert [d["root_after"] for d in facts["disks"]] == [d["content_root"] for d in told["disks"]]


@pytest.mark.parametrize("chosen", [("--form", "vbox"), ("--form", "vbox", "--to-version", "6.1")])
def test_forms_and_versions_with_their_own_devices_are_adapted_for(
    tmp_path: Path, as_json: AsJson, chosen: tuple[str, ...]
) -> None:
    source = guest_machine(tmp_path / "in")
    plan = as_json("plan", source, "--to", "virtualbox", *chosen, "--adapt")
    assert plan["adaptation"]["steps"]
    # Without it, too, guests are looked into.
    assert "KF-925" in codes(as_json("plan", source, "--to", "virtualbox", *chosen))


def test_a_plan_is_run_later_and_says_what_changes(
    tmp_path: Path, as_json: AsJson, kensho: Kensho
) -> None:
    disk = guest_disk(tmp_path, boot=True)
    plan = tmp_path / "plan.json"
    wanted = ("--form", "vmx", "--adapt-for", "vmware,kvm")
    as_json("plan", disk, "--to", "vmware", *wanted, "-o", plan)
    facts = json.loads(plan.read_bytes())
    assert facts["adaptation"]["platforms"] == ["vmware", "kvm"]
    assert all("content" not in step for step in facts["adaptation"]["steps"])
    out = tmp_path / "out"
    told = as_json("convert", plan, "-o", out)
    (made,) = told["disks"]
    # The same as what `kensho adapt` makes of the same disk for the same targets.
    as_json("adapt", disk, "--for", "vmware,kvm", "-o", tmp_path / "new.qcow2")
    assert same(tmp_path / "new.qcow2", out / made["filename"])
    # A plan whose adaptation is another one is not run.
    bent = plan.read_text().replace(facts["adaptation"]["steps"][0]["sha256"], "0" * 64)
    plan.write_text(bent)
    code, _, err = kensho("convert", plan, "-o", tmp_path / "no")
    assert code == 1
    assert "another way" in err
    assert not [p for p in (tmp_path / "no").glob("**/*") if p.is_file()]


def test_adapting_what_is_adapted_changes_nothing(tmp_path: Path, as_json: AsJson) -> None:
    disk = guest_disk(tmp_path, boot=False)
    as_json("adapt", disk, "-o", tmp_path / "new.qcow2")
    told = as_json(
        "convert", tmp_path / "new.qcow2", "--to", "vmware", "--adapt", "-o", tmp_path / "out"
    )
    assert told["plan"]["adaptation"]["steps"] == []
    assert not list((tmp_path / "out").glob("*.changes"))


def test_what_cannot_be_adapted_blocks_the_plan(tmp_path: Path, kensho: Kensho) -> None:
    disk = raw_disk(tmp_path / "none.img")
    code, _, err = kensho("convert", disk, "--to", "kvm", "--adapt", "-o", tmp_path / "out")
    assert code == 10
    assert "KF-922" in err
    code, _, err = kensho("convert", disk, "--to", "oci-rootfs", "--adapt", "-o", tmp_path / "out")
    assert code == 2
    assert not (tmp_path / "out").exists()


def test_a_pipe_cannot_be_adapted(tmp_path: Path) -> None:
    source = guest_machine(tmp_path / "in")
    run(sys.executable, "-m", "kensho", "convert", source, "--to", "ova", "-o", tmp_path / "ova")
    with (tmp_path / "ova/web01.ova").open("rb") as file:
        feed = subprocess.Popen(["cat"], stdin=file, stdout=subprocess.PIPE)
        made = subprocess.run(
            [sys.executable, "-m", "kensho", "convert", "-", "--to", "kvm", "--adapt",
             "-o", tmp_path / "out"],
            stdin=feed.stdout, capture_output=True, text=True,
        )  # fmt: skip
        assert feed.stdout is not None
        feed.stdout.close()
        feed.wait()
    assert made.returncode == 2
    assert "without --adapt" in made.stderr


def test_a_kill_in_the_middle_is_gone_on_with(tmp_path: Path, as_json: AsJson) -> None:
    source = guest_machine(tmp_path / "in")
    # The disks that were complete are kept; what lies over them is made again, and is the same.
    for number in range(20):  # one that was done before the signal came is no case of this
        out = tmp_path / f"out{number}"
        command = [sys.executable, "-m", "kensho", "convert", source, "--to", "vmware", "--adapt",
                   "-o", out, "--events"]  # fmt: skip
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
            assert running.stdout is not None
            next(line for line in running.stdout if '"copy"' in line)
            running.send_signal(signal.SIGKILL)
        seen = out.exists() and any(not p.name.startswith(".") for p in out.iterdir())
        if running.returncode == -signal.SIGKILL and not seen:
            break
    assert not [p for p in out.iterdir() if not p.name.startswith(".")]
    told = as_json("convert", source, "--to", "vmware", "--adapt", "-o", out)
    assert told["check"] == "ok"
    assert [p.name for p in out.iterdir() if p.name.startswith(".")] == []


def test_the_guest_of_a_bare_image_is_known(tmp_path: Path, as_json: AsJson) -> None:
    disk = guest_disk(tmp_path, boot=False)
    plan = as_json("plan", disk, "--to", "kvm")
    assert plan["after"]["machines"][0]["guest"]["id"].startswith("debian12")
    assert "KF-926" in codes(plan)
    plan = as_json("plan", disk, "--to", "kvm", "--no-look")
    assert "KF-926" not in codes(plan)


def test_a_guest_without_a_driver_gets_a_device_it_drives(
    tmp_path: Path, as_json: AsJson, kensho: Kensho
) -> None:
    """It has virtio-blk in time, not virtio-scsi, which the table has for a Linux on KVM."""
    disk = guest_disk(tmp_path, boot=True)
    plan = as_json("plan", disk, "--to", "kvm")
    assert boot_controller(plan) == "virtio-blk"
    assert plan["after"]["machines"][0]["nics"][0]["model"] == "vmxnet3"
    assert {"KF-923", "KF-927"} <= codes(plan)
    moved = next(f for f in plan["findings"] if f["code"] == "KF-320")
    assert moved["action"].endswith("and has it")
    changed = next(f for f in plan["findings"] if f["code"] == "KF-330")
    assert "and has it" in changed["action"]
    assert starts(disk, "kvm", kensho) == [True]
    other = as_json("plan", disk, "--to", "vmware")
    assert "KF-923" in codes(other)
    assert boot_controller(other) == "nvme"  # built into the kernel
    mended = as_json("plan", disk, "--to", "vmware", "--adapt")
    assert not {"KF-923", "KF-924", "KF-925"} & codes(mended)
    assert boot_controller(mended) == "ahci"
    stuck = as_json("plan", disk, "--to", "hyperv")
    assert "KF-925" in codes(stuck)
    assert starts(disk, "hyperv", kensho) == [False]
    # Where the user chose, or the table would take a controller it cannot drive, it is said.
    said = as_json("plan", disk, "--to", "kvm", "--devices", "fallback")
    assert "KF-925" in codes(said)
    assert boot_controller(said) == "ide"


def test_an_older_kernel_that_lacks_a_driver_is_named(tmp_path: Path, as_json: AsJson) -> None:
    tree = guest_tree(tmp_path / "tree", boot=False) / "root"
    shutil.copytree(tree / MODULES, tree / MODULES.replace(VERSION, "5.9-old"), symlinks=True)
    shutil.copy(tree / f"boot/initrd.img-{VERSION}", tree / "boot/initrd.img-5.9-old")
    (tree / "boot/vmlinuz-5.9-old").write_bytes(b"kernel")
    data = pack(write_archive(debian_base(*AHCI)), "gzip")
    (tree / f"boot/initrd.img-{VERSION}").write_bytes(data)
    (tree / MODULES.replace(VERSION, "5.9-old") / "modules.builtin").write_text("")
    disk = ext(tmp_path / "guest.img", tree, "-t", "ext4", size=32 * MIB)
    plan = as_json("plan", disk, "--to", "vmware")
    (told,) = (f for f in plan["findings"] if f["code"] == "KF-924")
    assert "5.9-old" in told["message"]
    assert VERSION not in told["message"]
    assert boot_controller(plan) == "ahci"


def test_an_unfinished_run_with_other_bytes_is_not_gone_on_with(tmp_path: Path) -> None:
    """Mounted file systems do not get the same bytes twice."""
    plan = make_plan(Request(str(raw_disk(tmp_path / "a.img")), "kvm"))
    with suppress(KeyboardInterrupt), workspace(plan, tmp_path, overwrite=False, outputs=()) as one:
        first = one.bound_to("first")
        first.staged(plan.disks[0].filename).write_bytes(b"a disk")
        first.record((PlacedDisk("disk1", plan.disks[0].filename, "qcow2", "", 6, 6, 6),))
        raise KeyboardInterrupt
    with (
        suppress(KeyboardInterrupt),
        workspace(plan, tmp_path, overwrite=False, outputs=()) as again,
    ):
        assert again.bound_to("first").resumed
        raise KeyboardInterrupt
    with workspace(plan, tmp_path, overwrite=False, outputs=()) as other:
        assert other.resumed
        bound = other.bound_to("second")
        assert not bound.resumed
        assert not bound.staged(plan.disks[0].filename).exists()


def test_a_guest_that_does_not_start_at_home_is_told(tmp_path: Path, as_json: AsJson) -> None:
    """Its devices there are those that it had, whatever has become of it since."""
    source, home, away = guest_machine(tmp_path / "in"), tmp_path / "home", tmp_path / "away"
    native = ("--devices", "native", "--no-origin")
    as_json("convert", source, "--to", "kvm", *native, "-o", home)
    as_json("convert", home / "web01.xml", "--to", "vmware", "--form", "vmx", "-o", away)
    plan = as_json("plan", away / "web01.vmx", "--to", "kvm")
    assert boot_controller(plan) == "virtio-scsi"
    assert "KF-925" in codes(plan)
