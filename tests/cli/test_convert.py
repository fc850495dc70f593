from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kensho.convert.plan import Request, make_plan
from kensho.convert.run import Options, run_plan
from kensho.disks import open_disk
from kensho.disks.compare import compare
from kensho.model.errors import InterruptedRunError
from kensho.platforms import PLATFORMS
from kensho.storage.file import FileSource
from tests.cli.conftest import Kensho
from tests.images import MIB, ovf, raw_disk

AsJson = Callable[..., Any]
FORMS = [(p.name, f.name) for p in PLATFORMS for f in p.forms]


def visible(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if not p.name.startswith("."))


def two_disks(folder: Path, size: int = 8 * MIB) -> Path:
    folder.mkdir(exist_ok=True)
    raw_disk(folder / "a.img", seed=1, size=size)
    raw_disk(folder / "b.img", seed=2, size=size)
    source = folder / "web01.ovf"
    source.write_text(ovf({"a.img": size, "b.img": size}))
    return source


@pytest.mark.parametrize(("target", "form"), FORMS)
def test_every_target_from_an_ova(
    as_json: AsJson, disk: Path, tmp_path: Path, target: str, form: str
) -> None:
    as_json("convert", disk, "--to", "ova", "--name", "app", "-o", tmp_path / "ova")
    source = tmp_path / "ova" / "app.ova"
    out = tmp_path / "out"
    result = as_json("convert", source, "--to", target, "--form", form, "-o", out)
    assert result["check"] == "ok"
    assert result["target"] == target
    names = {f["name"] for f in result["files"]}
    assert {name.partition("/")[0] for name in names} <= set(visible(out))
    for file in result["files"]:
        assert (out / file["name"]).stat().st_size == file["bytes"]
    report = Path(result["report"]).read_text()
    assert report.startswith("<!doctype html>")
    assert "equals the source" in report
    assert not [p for p in out.iterdir() if p.name.startswith(".")]


@pytest.mark.parametrize("target", ["kvm", "proxmox", "hyperv"])
def test_disks_hold_what_the_source_held(
    as_json: AsJson, disk: Path, tmp_path: Path, target: str
) -> None:
    result = as_json("convert", disk, "--to", target, "-o", tmp_path / "out")
    made = tmp_path / "out" / result["disks"][0]["filename"]
    if shutil.which("qemu-img"):
        command = ["qemu-img", "compare", "-f", "raw", str(disk), str(made)]
        assert subprocess.run(command, capture_output=True).returncode == 0
    with FileSource(disk) as a, FileSource(made) as b:
        assert compare(open_disk(a, format="raw"), open_disk(b)) is None


def test_ova_lists_descriptor_manifest_disks_and_the_digests_agree(
    as_json: AsJson, tmp_path: Path
) -> None:
    source = two_disks(tmp_path / "src")
    as_json("convert", source, "--to", "ova", "-o", tmp_path)
    with tarfile.open(tmp_path / "web01.ova") as archive:
        names = archive.getnames()
        assert names == ["web01.ovf", "web01.mf", "web01-disk1.vmdk", "web01-disk2.vmdk"]
        listed = archive.extractfile("web01.mf")
        assert listed is not None
        lines = listed.read().decode().splitlines()
        for line, name in zip(lines, [names[0], *names[2:]], strict=True):
            member = archive.extractfile(name)
            assert member is not None
            assert line == f"SHA256({name})= {hashlib.sha256(member.read()).hexdigest()}"


def test_the_same_source_gives_the_same_bytes(as_json: AsJson, disk: Path, tmp_path: Path) -> None:
    for target, name in (("ova", "web01.ova"), ("hyperv", "web01-disk1.vhdx")):
        digests = set()
        for threads in (1, 3):
            out = tmp_path / f"{target}{threads}"
            as_json("convert", disk, "--to", target, "-o", out, "--threads", threads)
            digests.add(hashlib.sha256((out / name).read_bytes()).hexdigest())
        assert len(digests) == 1


def test_dry_run_shows_the_plan_and_writes_nothing(
    kensho: Kensho, disk: Path, tmp_path: Path
) -> None:
    code, out, _ = kensho("convert", disk, "--to", "kvm", "-o", tmp_path / "out", "--dry-run")
    assert code == 0
    assert "Devices" in out
    assert not (tmp_path / "out").exists()


def test_a_kept_plan_runs_later(
    kensho: Kensho, as_json: AsJson, disk: Path, tmp_path: Path
) -> None:
    kept = tmp_path / "web01.plan"
    assert kensho("plan", disk, "--to", "kvm", "-o", kept)[0] == 0
    assert as_json("convert", kept, "-o", tmp_path / "out")["check"] == "ok"


def test_a_plan_takes_the_place_of_no_other_file(kensho: Kensho, disk: Path) -> None:
    content = disk.read_bytes()
    code, _, err = kensho("plan", disk, "--to", "kvm", "-o", disk)
    assert (code, "is no plan" in err) == (2, True)
    assert disk.read_bytes() == content
    kept = disk.with_suffix(".plan")
    for _ in range(2):
        assert kensho("plan", disk, "--to", "kvm", "-o", kept)[0] == 0


def test_a_plan_of_a_source_that_changed_is_refused(
    kensho: Kensho, disk: Path, tmp_path: Path
) -> None:
    kept = tmp_path / "web01.plan"
    kensho("plan", disk, "--to", "kvm", "-o", kept)
    os.utime(disk, ns=(1, 1))
    code, _, err = kensho("convert", kept, "-o", tmp_path / "out")
    assert code == 1
    assert "changed since the plan" in err
    assert not (tmp_path / "out").exists()


def test_an_existing_result_is_kept_unless_told(kensho: Kensho, disk: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert kensho("convert", disk, "--to", "kvm", "-o", out)[0] == 0
    code, _, err = kensho("convert", disk, "--to", "kvm", "-o", out)
    assert code == 2
    assert "--overwrite" in err
    assert kensho("convert", disk, "--to", "kvm", "-o", out, "--overwrite")[0] == 0


def test_two_machines_for_a_one_machine_target(kensho: Kensho, tmp_path: Path) -> None:
    folder = tmp_path / "src"
    folder.mkdir()
    raw_disk(folder / "a.img")
    text = ovf({"a.img": 8 * MIB})
    start = text.index("  <VirtualSystem ")
    system = text[start : text.index("</Envelope>")]
    other = system.replace("web01", "db01")
    both = f'<VirtualSystemCollection ovf:id="all"><Info/>{system}{other}</VirtualSystemCollection>'
    (folder / "all.ovf").write_text(text[:start] + both + "</Envelope>")
    code, _, err = kensho("convert", folder / "all.ovf", "--to", "kvm", "-o", tmp_path / "out")
    assert code == 10
    assert "--machine" in err
    assert not (tmp_path / "out").exists()
    code, _, err = kensho(
        "convert", folder / "all.ovf", "--to", "kvm", "--machine", "db01", "-o", tmp_path / "out"
    )
    assert code == 0, err
    assert "db01.xml" in visible(tmp_path / "out")


def test_events_are_lines_of_json_that_end_with_the_result(
    kensho: Kensho, disk: Path, tmp_path: Path
) -> None:
    code, out, _ = kensho("convert", disk, "--to", "kvm", "-o", tmp_path, "--events")
    assert code == 0
    events = [json.loads(line) for line in out.splitlines()]
    kinds = [e["event"] for e in events]
    assert kinds[-1] == "result"
    assert {"step", "progress"} <= set(kinds)
    last = [e["progress"] for e in events if e["event"] == "progress" and
            e["progress"]["phase"] == "copy"][-1]  # fmt: skip
    assert last["done"] == last["total"]


def test_strict_turns_warnings_into_exit_code_3(kensho: Kensho, tmp_path: Path) -> None:
    source = two_disks(tmp_path / "src")
    assert kensho("convert", source, "--to", "kvm", "-o", tmp_path, "--strict")[0] == 3


def test_errors_are_json_too(kensho: Kensho, tmp_path: Path) -> None:
    code, out, err = kensho("inspect", tmp_path / "missing.ova", "--json")
    assert code == 2
    error = json.loads(out)
    assert error["exit_code"] == 2
    assert error["path"].endswith("missing.ova")
    assert "hint:" in err


def test_an_interrupted_run_shows_nothing_and_the_next_one_resumes(tmp_path: Path) -> None:
    source = two_disks(tmp_path / "src")
    request = Request(source=str(source), target="kvm")
    out = tmp_path / "out"
    copied: list[str] = []

    def listener(event: object) -> None:
        subject = getattr(event, "subject", "")
        if getattr(event, "phase", "") == "copy":
            copied.append(subject)

    with pytest.raises(InterruptedRunError):
        run_plan(
            make_plan(request),
            out,
            listener=listener,
            cancelled=lambda: copied[-1] == "web01-disk2.qcow2",
        )
    assert visible(out) == []
    copied.clear()
    messages: list[str] = []

    def second(event: object) -> None:
        listener(event)
        messages.append(getattr(event, "text", ""))

    result = run_plan(make_plan(request), out, listener=second)
    assert copied == ["web01-disk2.qcow2"]
    assert any("resuming" in m and "web01-disk1.qcow2" in m for m in messages)
    whole = run_plan(make_plan(request), tmp_path / "whole")
    for disk in result.disks:
        assert (out / disk.filename).read_bytes() == (
            tmp_path / "whole" / disk.filename
        ).read_bytes()
    assert whole.check == result.check == "ok"


def test_an_interrupted_container_leaves_nothing_at_all(tmp_path: Path) -> None:
    source = two_disks(tmp_path / "src")
    plan = make_plan(Request(source=str(source), target="ova"))
    with pytest.raises(InterruptedRunError):
        run_plan(plan, tmp_path / "out", cancelled=lambda: True)
    assert not (tmp_path / "out").exists()


def test_a_failed_verification_publishes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = two_disks(tmp_path / "src")
    plan = make_plan(Request(source=str(source), target="kvm"))
    monkeypatch.setattr("kensho.convert.verify.compare", lambda *_, **__: 512)
    with pytest.raises(Exception, match="differs"):
        run_plan(plan, tmp_path / "out", options=Options())
    assert not (tmp_path / "out").exists() or visible(tmp_path / "out") == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 75)])
def test_signals_end_a_run_with_their_code_and_leave_nothing_finished(
    tmp_path: Path, number: int, code: int
) -> None:
    source = tmp_path / "big.img"
    with source.open("wb") as file:
        for _ in range(192):
            file.write(os.urandom(MIB))
    out = tmp_path / "out"
    process = subprocess.Popen(
        [
            # A job in the background of a shell has Ctrl-C ignored, and would hand that on.
            *("env", "--default-signal=INT"),
            sys.executable,
            "-m",
            "kensho",
            "convert",
            source,
            "--to",
            "ova",
            "-o",
            out,
            "--compression",
            "small",
            "--events",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    for line in process.stdout:
        event = json.loads(line)
        if event["event"] == "progress" and event["progress"]["phase"] == "copy":
            process.send_signal(number)
            break
    _, err = process.communicate(timeout=300)
    assert process.returncode == code, err.decode()
    assert b"nothing that looks finished" in err
    assert not out.exists() or visible(out) == []


def test_a_document_in_the_way_is_not_replaced(kensho: Kensho, disk: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "web01.xml").write_text("mine")
    code, _, err = kensho("convert", disk, "--to", "kvm", "-o", out)
    assert code == 2
    assert "web01.xml" in err
    assert "copy:" not in err  # seen before any disk was copied
    assert (out / "web01.xml").read_text() == "mine"
    assert visible(out) == ["web01.xml"]


def test_a_new_name_names_files_and_machine(as_json: AsJson, disk: Path, tmp_path: Path) -> None:
    result = as_json("convert", disk, "--to", "kvm", "--name", "shop front", "-o", tmp_path)
    assert "shop-front.xml" in {f["name"] for f in result["files"]}
    assert "<name>shop front</name>" in (tmp_path / "shop-front.xml").read_text()


def test_the_guest_can_be_told(as_json: AsJson, disk: Path, tmp_path: Path) -> None:
    plan = as_json("plan", disk, "--to", "kvm", "--guest", "debian12")
    assert plan["after"]["machines"][0]["guest"]["id"] == "debian12"
    assert {r["target"] for r in plan["devices"] if r["kind"] == "disk"} == {"virtio-scsi 0:0"}


@pytest.mark.parametrize("link", [False, True])
def test_a_source_is_never_replaced(kensho: Kensho, disk: Path, tmp_path: Path, link: bool) -> None:
    assert kensho("convert", disk, "--to", "ova", "--name", "app", "-o", tmp_path)[0] == 0
    source = tmp_path / "app.ova"
    before = source.read_bytes()
    named = tmp_path / "link.ova" if link else source
    if link:
        named.symlink_to(source)
    command = ("convert", named, "--to", "ova", "--name", "app", "-o", tmp_path, "--overwrite")
    code, _, err = kensho(*command)
    assert code == 2
    assert "would replace its own source" in err
    assert source.read_bytes() == before
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def test_a_backing_file_is_never_replaced(kensho: Kensho, tmp_path: Path) -> None:
    if not shutil.which("qemu-img"):
        pytest.skip("qemu-img makes the overlay")
    raw_disk(tmp_path / "top-disk1.qcow2", size=MIB)
    before = (tmp_path / "top-disk1.qcow2").read_bytes()
    overlay = tmp_path / "top.qcow2"
    command = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", "top-disk1.qcow2"]
    subprocess.run([*command, str(overlay)], check=True)
    assert kensho("convert", overlay, "--to", "kvm", "-o", tmp_path, "--overwrite")[0] == 2
    assert (tmp_path / "top-disk1.qcow2").read_bytes() == before


def test_a_disk_that_was_damaged_since_is_not_kept_for_ever(
    kensho: Kensho, disk: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    plan = make_plan(Request(str(disk), "kvm"))

    def stop(event: object) -> None:
        if getattr(getattr(event, "progress", None), "phase", "") == "verify":
            raise InterruptedRunError("stopped")

    with pytest.raises(InterruptedRunError):
        run_plan(plan, out, listener=stop)
    (kept,) = out.glob(".*/*.qcow2")
    with kept.open("r+b") as file:
        file.seek(kept.stat().st_size // 2)
        file.write(b"\xaa" * 65536)
    assert kensho("convert", disk, "--to", "kvm", "-o", out)[0] == 11
    assert kensho("convert", disk, "--to", "kvm", "-o", out)[0] == 0


@pytest.mark.parametrize(
    ("where", "name"),
    [
        (w, n)
        for w in ("name", "disk")
        for n in ("../../x", "/tmp/x", "a/b", "", "..", "a\0b", "lock")
    ],
)
def test_hostile_names_in_a_plan_are_refused(
    kensho: Kensho, disk: Path, tmp_path: Path, where: str, name: str
) -> None:
    kept = tmp_path / "a.plan"
    assert kensho("plan", disk, "--to", "kvm", "-o", kept)[0] == 0
    plan = json.loads(kept.read_bytes())
    if where == "name":
        plan["name"] = name
    else:
        plan["disks"][0]["filename"] = name
    kept.write_text(json.dumps(plan))
    there = set(tmp_path.rglob("*"))
    code, _, err = kensho("convert", kept, "-o", tmp_path / "deep" / "out")
    assert code == 1, err
    assert "KE-201" in err
    assert set(tmp_path.rglob("*")) == there


def test_places_that_cannot_be_written_to(kensho: Kensho, disk: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        code, _, err = kensho("convert", disk, "--to", "kvm", "-o", out)
        assert (code, "KE-003" in err) == (2, True), err
        code, _, err = kensho("plan", disk, "--to", "kvm", "-o", tmp_path if out.exists() else out)
        assert (code, "KE-003" in err) == (2, True), err


def test_a_name_that_is_not_utf8_or_too_long(kensho: Kensho, disk: Path, tmp_path: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/a\xff.img"))
    odd.hardlink_to(disk)
    (tmp_path / "odd").mkdir()
    odd.rename(tmp_path / "odd" / odd.name)
    for source in (tmp_path / "odd" / odd.name, tmp_path / "odd", tmp_path / ("x" * 5000)):
        for verb in (("inspect",), ("convert", "--to", "kvm", "-o", tmp_path / "out")):
            code, _, err = kensho(verb[0], source, *verb[1:])
            assert (code, "KE-00" in err) == (2, True), err
    assert kensho("convert", disk, "--to", "kvm", "-o", f"{odd}-out")[0] == 2
    assert kensho("convert", disk, "--to", "kvm", "--name", "\udcff")[0] == 2


def test_a_usage_error_is_json_when_asked_for(kensho: Kensho, disk: Path) -> None:
    code, out, _ = kensho("convert", disk, "--to", "kvm", "--bogus", "--json")
    assert (code, json.loads(out)["code"]) == (2, "KE-002")
    assert kensho("convert", disk, "--to", "kvm", "--threads", "0")[0] == 2


def test_a_conversion_that_a_closed_pipe_stopped_is_no_success(disk: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "kensho.cli", "convert", str(disk), "--to", "kvm", "--events"]
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [*command, "-o", str(tmp_path / "out")], stdout=write, stderr=subprocess.PIPE
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")
    assert not (tmp_path / "out").exists()


def test_a_table_whose_reader_has_gone_ends_as_documented() -> None:
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "kensho.cli", "platforms"]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


def test_output_that_cannot_say_every_character(disk: Path, tmp_path: Path) -> None:
    source = tmp_path / "naïve 猫.img"
    source.hardlink_to(disk)
    command = [sys.executable, "-m", "kensho.cli", "plan", str(source), "--to", "kvm"]
    done = subprocess.run(
        command, capture_output=True, env={**os.environ, "PYTHONIOENCODING": "ascii"}
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_ctrl_c_after_the_end_is_too_late(
    kensho: Kensho, disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(result: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("kensho.cli.convert._show", interrupted)
    code, _, err = kensho("convert", disk, "--to", "kvm", "-o", tmp_path / "out")
    assert code == 0
    assert "nothing that looks finished" not in err


def test_a_link_in_place_of_the_hidden_folder_is_not_cleared(
    kensho: Kensho, disk: Path, tmp_path: Path
) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "precious").touch()
    (tmp_path / ".web01-kvm-libvirt.kensho-partial").symlink_to(theirs)
    code, _, err = kensho("convert", disk, "--to", "kvm", "-o", tmp_path)
    assert (code, "KE-003" in err) == (2, True), err
    assert (theirs / "precious").exists()


def test_a_folder_that_was_there_stays_when_a_run_fails(
    as_json: AsJson, kensho: Kensho, disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("kensho.convert.run._run_folder", interrupted)
    for there in (True, False):
        out = tmp_path / f"out{there}"
        if there:
            out.mkdir()
        code, printed, _ = kensho("convert", disk, "--to", "kvm", "-o", out, "--json")
        assert (code, json.loads(printed)["exit_code"]) == (130, 130)
        assert out.exists() == there


def test_words_out_of_a_disk_are_no_markup(kensho: Kensho, tmp_path: Path) -> None:
    raw_disk(tmp_path / "f.raw", size=MIB)
    (tmp_path / "a.vmdk").write_text(
        "# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\n"
        'createType="[/odd]"\nRW 2048 FLAT "f.raw" 0\n'
    )
    code, out, _ = kensho("plan", tmp_path / "a.vmdk", "--to", "kvm")
    assert (code, "[/odd]" in out) == (0, True)


def test_a_blocked_dry_run_prints_one_object(kensho: Kensho, tmp_path: Path) -> None:
    source = tmp_path / "a.ovf"
    source.write_text(ovf({"missing.img": MIB}))
    code, out, _ = kensho("convert", source, "--to", "kvm", "--dry-run", "--json")
    assert code == 10
    assert json.loads(out)["kensho_plan"] == 1
