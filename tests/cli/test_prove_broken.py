"""`kensho prove` where nothing can be started, or the guest or its image is broken: told, kept, cleaned up."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import kensho.cli.prove as prove_cli
from tests.cli.conftest import Kensho
from tests.cli.small_guest import guest_disk, guest_tree
from tests.guest.images_of import MIB, ext
from tests.guest.volumes.test_luks import encrypted

ON = "vmware-pvscsi,vmware-lsilogic"  # one that QEMU has, and one that is judged from files
Proven = Callable[..., tuple[int, dict[str, dict], dict]]


@pytest.fixture
def prove(kensho: Kensho, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Proven:
    """Return a function: exit code, trials by profile, the statement's predicate; nothing is left over."""

    monkeypatch.setattr("kensho.proof.prove.accelerator", lambda: "tcg")  # without a probe

    def run(disk: Path, *options: object, on: str = ON) -> tuple[int, dict[str, dict], dict]:
        proof = tmp_path / "proof"
        code, out, err = kensho("prove", disk, "--on", on, "-o", proof, "--json", *options)
        assert out, err
        trials = {trial["profile"]: trial for trial in json.loads(out)["trials"]}
        assert list(tmp_path.glob(".prove-*")) == []
        assert (proof / "index.html").read_text().count("</html>") == 1
        statement = json.loads((proof / "statement.json").read_text())
        assert statement["subject"]
        return code, trials, statement["predicate"]

    return run


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    return guest_disk(tmp_path, boot=False)


def not_started(trials: dict[str, dict], word: str) -> None:
    trial = trials["vmware-pvscsi"]
    assert (trial["started"], trial["outcome"]) == (False, "unknown"), trial
    assert trial["cause"]["code"] == "KF-994"
    assert word in trial["cause"]["what"]
    assert trial["cause"]["remedy"]
    assert trials["vmware-lsilogic"]["cause"]["code"] == "KF-960"  # is judged all the same


def test_no_qemu(
    prove: Proven, disk: Path, monkeypatch: pytest.MonkeyPatch, kensho: Kensho, tmp_path: Path
) -> None:
    monkeypatch.setattr("kensho.proof.qemu.arguments.QEMU", "qemu-system-of-nobody")
    code, trials, told = prove(disk)
    assert code == 15
    not_started(trials, "is not installed")
    assert any("could not be started here" in words for words in told["untested"])
    assert "not started" in (tmp_path / "proof/index.html").read_text()
    assert "could not be started here" in kensho("verify", tmp_path / "proof")[1]


def test_no_firmware(prove: Proven, disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kensho.proof.qemu.arguments._UEFI_IMAGES", ())
    code, trials, _ = prove(disk, "--timeout", 1, on="vmware-nvme-uefi")
    assert code == 15
    assert trials["vmware-nvme-uefi"]["outcome"] == "unknown"
    assert "UEFI" in trials["vmware-nvme-uefi"]["cause"]["what"]


def test_too_little_memory(prove: Proven, disk: Path) -> None:
    code, trials, _ = prove(disk, "--memory", 1 << 30, "--timeout", 1)
    assert code == 15
    not_started(trials, "are missing")
    assert "--memory" in str(trials["vmware-pvscsi"]["cause"])


@pytest.mark.parametrize(
    ("script", "word"),
    [
        ("echo 'cannot set up guest memory: Cannot allocate memory' >&2; exit 1", "Cannot allocate"),
        ("kill -9 $$", "signal 9"),
    ],
)  # fmt: skip
def test_qemu_that_ends(
    script: str, word: str, prove: Proven, disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    stand_in = tmp_path / "qemu"
    stand_in.write_text(f"#!/bin/sh\n{script}\n")
    stand_in.chmod(0o755)
    monkeypatch.setattr("kensho.proof.watch.boot.find_qemu", lambda: str(stand_in))
    code, trials, _ = prove(disk, "--timeout", 60, on="vmware-pvscsi")
    trial = trials["vmware-pvscsi"]
    assert code == 15
    assert word in trial["reason"]
    assert (trial["outcome"], trial["cause"]["code"]) == ("unknown", "KF-994")


@pytest.mark.skipif(shutil.which("qemu-img") is None, reason="needs qemu-img")
def test_an_image_that_cannot_be_read_whole(
    prove: Proven, disk: Path, tmp_path: Path, kensho: Kensho
) -> None:
    """Its root is not stated, and that is said; the bytes of the file are what the statement is about."""
    bad = tmp_path / "bad.vmdk"
    options = ["-O", "vmdk", "-o", "subformat=streamOptimized", disk, bad]
    subprocess.run(["qemu-img", "convert", "-f", "raw", *options], check=True)
    data = bytearray(bad.read_bytes())
    data[len(data) // 2 : len(data) * 3 // 4] = b"\xff" * (len(data) * 3 // 4 - len(data) // 2)
    bad.write_bytes(data)
    code, _, told = prove(bad, on="vmware-lsilogic")
    (one,) = told["disks"]
    assert one["root_after"] == ""
    assert one["problem"]
    assert code in {0, 15}
    code, out, err = kensho("verify", tmp_path / "proof", "--json")
    assert (code, "could not be read" in out) == (0, True), err


def test_a_locked_guest_is_read_with_its_key(prove: Proven, tmp_path: Path) -> None:
    tree = guest_tree(tmp_path / "tree", boot=False) / "root"
    plain = ext(tmp_path / "root.ext", tree, "-t", "ext4", size=32 * MIB)
    quick = ("--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000")
    locked, secret = encrypted(tmp_path / "locked.img", plain, *quick), tmp_path / "locked.key"
    _, trials, _ = prove(locked, on="vmware-lsilogic")
    assert trials["vmware-lsilogic"]["outcome"] == "unknown"
    shutil.rmtree(tmp_path / "proof")
    code, trials, _ = prove(locked, "--key", f"all={secret}", on="vmware-lsilogic")
    assert (code, trials["vmware-lsilogic"]["cause"]["code"]) == (15, "KF-960")


def test_a_rehearsal_starts_nothing_and_says_what_hinders(
    disk: Path, tmp_path: Path, kensho: Kensho, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kensho.proof.rehearse.find_qemu", lambda: "")
    monkeypatch.setattr("kensho.proof.prove.find_qemu", lambda: pytest.fail("it starts something"))
    before = sorted(tmp_path.iterdir())
    options = ("--on", ON, "--dry-run", "--probe", "tcp:22")
    code, out, err = kensho("prove", disk, *options, "--memory", 256, "--json")
    assert code == 0, err
    told = json.loads(out)["dry_run"]
    assert [(row["profile"], row["how"]) for row in told["profiles"]] == [
        ("vmware-pvscsi", "start"), ("vmware-lsilogic", "static"),
    ]  # fmt: skip
    (one,) = told["machines"]
    assert (one["memory"], one["probes"]) == (256 * MIB, ["tcp:22"])
    assert (told["at_once"], told["hindrances"]) == (1, [])
    code, out, err = kensho("prove", disk, *options, "--memory", 1 << 30)
    assert code == 0, err
    assert "hindered" in out
    assert "are missing" in out
    assert sorted(tmp_path.iterdir()) == before


def test_how_far_it_is_and_how_long_it_takes(
    disk: Path, tmp_path: Path, kensho: Kensho, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kensho.proof.qemu.arguments.QEMU", "qemu-system-of-nobody")
    on = "vmware-pvscsi,vmware-ide,vmware-lsilogic"
    code, _, err = kensho("prove", disk, "--on", on, "-o", tmp_path / "proof")
    assert code == 15
    lines = [line for line in err.splitlines() if line.startswith("vmware-")]
    assert ["left)" in line for line in lines] == [True, False, False], err
    assert "(1 of 2, about " in lines[0]
    assert lines[1].endswith("(2 of 2)")


@pytest.mark.parametrize(
    "option",
    ["--memory=-1", "--timeout=-1", "--timeout=nan", "--timeout=inf", "--probe-timeout=-1"],
)
def test_numbers_that_make_no_sense(
    option: str, disk: Path, tmp_path: Path, kensho: Kensho
) -> None:
    code, _, err = kensho("prove", disk, "--on", ON, "-o", tmp_path / "proof", option)
    assert (code, option.partition("=")[0] in err) == (2, True), err


def test_who_makes_the_folder_meanwhile_keeps_it(
    disk: Path, tmp_path: Path, kensho: Kensho, monkeypatch: pytest.MonkeyPatch
) -> None:
    proof = tmp_path / "proof"
    write = prove_cli.write_evidence

    def late(*arguments: object) -> None:
        write(*arguments)  # type: ignore[arg-type]
        proof.mkdir()
        (proof / "theirs").touch()

    monkeypatch.setattr(prove_cli, "write_evidence", late)
    code, _, err = kensho("prove", disk, "--on", "vmware-lsilogic", "-o", proof)
    assert (code, "is there by now" in err) == (2, True), err
    assert [path.name for path in proof.iterdir()] == ["theirs"]
    assert list(tmp_path.glob(".prove-*")) == []


def test_a_full_place_is_named(disk: Path, tmp_path: Path) -> None:
    """The journal fits, and the bill of materials does not."""
    (tmp_path / "small").mkdir()
    space = ["unshare", "--user", "--map-root-user", "--mount"]
    if subprocess.run([*space, "true"], check=False).returncode:
        pytest.skip("no namespaces of mounts here")
    script = (
        'mount -t tmpfs -o size=12k none "$1" && shift && "$@"; code=$?; ls -A small; exit $code'
    )
    command = [sys.executable, "-m", "kensho", "prove", disk, "--on", "vmware-lsilogic"]
    run = subprocess.run(
        [*space, "sh", "-c", script, "sh", "small", *command, "-o", "small/proof"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 14, run.stderr
    assert "small/.proof.kensho-partial/evidence/" in run.stderr
    assert run.stdout == ""  # of it nothing is left
