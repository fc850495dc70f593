"""`kensho prove` of devices that are judged without a start, and `kensho verify` of what it leaves."""

from __future__ import annotations

import base64
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kensho.proof.qemu.rooms import room
from kensho.proof.resume import unfinished
from tests.cli.conftest import Kensho
from tests.cli.small_guest import guest_disk
from tests.proof.watch.test_boot import left_behind, printing

ON = "hyperv-gen2,vmware-lsilogic,xenserver-pv"


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    return guest_disk(tmp_path, boot=False)


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "key.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", path], check=True)
    public = ["openssl", "pkey", "-in", path, "-pubout", "-out", path.with_suffix(".pub")]
    subprocess.run(public, check=True)
    return path


@pytest.fixture
def proof(disk: Path, key: Path, tmp_path: Path, kensho: Kensho) -> Path:
    folder = tmp_path / "proof"
    code, _, err = kensho("prove", disk, "--on", ON, "-o", folder, "--sign-key", key)
    assert code == 15, err  # a guest for virtio alone
    return folder


def verified(kensho: Kensho, folder: Path, *options: object) -> tuple[int, dict]:
    code, out, err = kensho("verify", folder, *options, "--json")
    assert out, err
    return code, json.loads(out)["evidence"]


def states(told: dict) -> dict[str, str]:
    return {Path(part["name"]).name: part["state"] for part in (*told["files"], *told["disks"])}


def test_every_profile_says_why(disk: Path, tmp_path: Path, kensho: Kensho) -> None:
    code, out, err = kensho("prove", disk, "--on", ON, "-o", tmp_path / "p", "--json")
    assert code == 15, err
    trials = {trial["profile"]: trial for trial in json.loads(out)["trials"]}
    assert set(trials) == set(ON.split(","))
    for trial in trials.values():
        assert (trial["started"], trial["outcome"]) == (False, "fail")
        assert trial["cause"]["code"] == "KF-960"
    (what, remedy) = (trials["vmware-lsilogic"]["cause"][key] for key in ("what", "remedy"))
    assert (
        "no driver for lsilogic; and the kernel has no driver for its adapter (e1000)" in what
    )  # not: pci:v00001000d00000030…
    assert "as far as the kernel has them" in remedy
    page = (tmp_path / "p/index.html").read_text()
    assert "QEMU has no LSI 53C1030" in page
    assert not list(tmp_path.glob(".prove-*"))


def test_as_it_would_be_adapted_and_the_disk_is_left(
    disk: Path, tmp_path: Path, kensho: Kensho
) -> None:
    before = disk.read_bytes()
    on = "vmware-lsilogic,hyperv-gen2"
    _, out, err = kensho("prove", disk, "--on", on, "--adapt", "-o", tmp_path / "p", "--json")
    assert json.loads(out)["trials"], err
    statement = json.loads((tmp_path / "p/statement.json").read_text())
    changed = statement["predicate"]
    assert {c["path"].rpartition("/")[2] for c in changed["changes"]} >= {"modules"}
    (told,) = changed["disks"]
    assert told["root_before"] != told["root_after"]
    assert statement["subject"][0]["digest"] == {"kenshoRoot": told["root_after"]}
    assert disk.read_bytes() == before


def test_what_was_signed_is_verified_by_openssl_and_by_kensho(
    proof: Path, key: Path, disk: Path, kensho: Kensho
) -> None:
    sealed = json.loads((proof / "certificate.json").read_text())
    payload = base64.b64decode(sealed["payload"])
    kind = sealed["payloadType"]
    message = proof.parent / "message"
    message.write_bytes(f"DSSEv1 {len(kind)} {kind} {len(payload)} ".encode() + payload)
    signature = proof.parent / "signature"
    signature.write_bytes(base64.b64decode(sealed["signatures"][0]["sig"]))
    subprocess.run(
        ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", key.with_suffix(".pub"), "-rawin",
         "-in", message, "-sigfile", signature],
        check=True, capture_output=True,
    )  # fmt: skip
    code, told = verified(kensho, proof, "--disk", disk, "--public-key", key.with_suffix(".pub"))
    assert (code, told["signature"]["state"]) == (0, "valid")
    assert set(states(told).values()) == {"ok"}
    # elsewhere, without image and key: nothing contradicts it, and its signer is not known
    moved = proof.parent / "elsewhere"
    shutil.copytree(proof, moved)
    code, told = verified(kensho, moved)
    assert (code, told["signature"]["state"]) == (0, "unknown")
    assert states(told)["guest.img"] == "absent"
    assert kensho("verify", moved, "--trusted")[0] == 11


@pytest.mark.parametrize(
    "what", ["sbom.cdx.json", "statement.json", "guest.img", "certificate.json"]
)
def test_one_flipped_byte_is_told_of_what(
    what: str, proof: Path, key: Path, disk: Path, kensho: Kensho
) -> None:
    path = disk if what == "guest.img" else proof / what
    data = bytearray(path.read_bytes())
    if what == "certificate.json":
        sealed = json.loads(data)
        payload = bytearray(base64.b64decode(sealed["payload"]))
        at = payload.index(b"hyperv-gen2")
        payload[at] ^= 1
        sealed["payload"] = base64.b64encode(payload).decode()
        data = bytearray(json.dumps(sealed).encode())
    else:
        data[len(data) // 2] ^= 1
    path.write_bytes(data)
    public = key.with_suffix(".pub")
    code, told = verified(kensho, proof, "--disk", disk, "--public-key", public)
    assert code == 11
    wrong = {name for name, state in states(told).items() if state == "mismatch"}
    if what == "certificate.json":
        assert told["signature"]["state"] == "invalid"
    else:
        assert told["signature"]["state"] == "valid"
        assert wrong == {what}


def test_names_lead_nowhere_else(proof: Path, key: Path, tmp_path: Path, kensho: Kensho) -> None:
    """A signed statement is somebody's: names in it must not reach files outside its folder."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    from kensho.proof.evidence.envelope import seal

    payload = json.loads((proof / "statement.json").read_text())
    payload["predicate"]["sbom"]["name"] = "../key.pem"
    private = load_pem_private_key(key.read_bytes(), None)
    sealed = seal(json.dumps(payload).encode(), "application/vnd.in-toto+json", private)
    (proof / "certificate.json").write_bytes(sealed)
    code, _, err = kensho("verify", proof)
    assert code == 1
    assert "outside its folder" in err


def test_a_disk_that_nothing_is_known_of_proves_nothing(tmp_path: Path, kensho: Kensho) -> None:
    (tmp_path / "blank.img").write_bytes(bytes(1 << 20))
    code, out, err = kensho(
        "prove", tmp_path / "blank.img", "--on", ON, "-o", tmp_path / "p", "--json"
    )
    told = json.loads(out)
    assert {trial["outcome"] for trial in told["trials"]} == {"unknown"}
    assert (code, told["proven"]) == (15, False), err


def test_a_statement_is_its_proof(proof: Path, kensho: Kensho) -> None:
    code, told = verified(kensho, proof / "statement.json")
    assert (code, told["signature"]["state"]) == (0, "unknown")


def test_a_file_of_a_proof_is_no_package(
    proof: Path, disk: Path, tmp_path: Path, kensho: Kensho, monkeypatch: pytest.MonkeyPatch
) -> None:
    (proof / "vmware-ide").mkdir()
    (proof / "vmware-ide/serial.log").touch()
    (tmp_path / "page.html").write_text("<html></html>")
    assert kensho("pack", disk, "-o", tmp_path / "a.ova")[0] == 0
    monkeypatch.chdir(tmp_path)
    for name in ("index.html", "sbom.cdx.json", "vmware-ide", "vmware-ide/serial.log"):
        for words in (["verify", f"proof/{name}"], ["edit", "a.ova", "--proof", f"proof/{name}"]):
            code, _, err = kensho(*words, *(["-o", "b.ova"] if "edit" in words else []))
            assert (code, "name the whole: proof\n" in err) == (2, True), err
    code, _, err = kensho("verify", "page.html")
    assert (code, "its root is <html>" in err) == (12, True), err


def test_a_proof_out_of_a_package_is_one(
    proof: Path, disk: Path, key: Path, tmp_path: Path, kensho: Kensho
) -> None:
    names = sorted(path.name for path in proof.iterdir())
    taken = tmp_path / "web01.proof.tar"
    subprocess.run(["tar", "-C", proof, "-cf", taken, *names], check=True)
    known = ("--public-key", key.with_suffix(".pub"), "--disk", disk)
    code, told = verified(kensho, taken, *known)
    assert (code, told["signature"]["state"]) == (0, "valid")
    assert set(states(told).values()) == {"ok"}
    data = bytearray(taken.read_bytes())
    data[data.index(b"<title>") + 8] ^= 1
    taken.write_bytes(data)
    code, told = verified(kensho, taken, *known)
    assert (code, states(told)["index.html"]) == (11, "mismatch")


def test_mistakes_are_said(disk: Path, tmp_path: Path, kensho: Kensho) -> None:
    assert kensho("prove", disk)[0] == 2
    assert kensho("prove", "-o", tmp_path / "x")[0] == 2
    assert kensho("prove", disk, "--on", "nonsense", "-o", tmp_path / "x")[0] == 2
    assert kensho("prove", disk, "--on", ON, "-o", tmp_path)[0] == 2
    for options in (
        ("--memory", "-5"), ("--timeout", "-1"), ("--timeout", "nan"), ("--timeout", "inf"),
        ("--probe-timeout", "-1"), ("--probe", "nonsense"), ("--on", "all,nonsense"),
    ):  # fmt: skip
        assert kensho("prove", disk, "-o", tmp_path / "x", *options)[0] == 2, options
    assert not (tmp_path / "x").exists()
    assert "--on list" in kensho("prove", disk, "--on", "nonsense", "-o", tmp_path / "x")[2]
    code, out, _ = kensho("prove", "--on", "list")
    assert code == 0
    assert "vmware-pvscsi" in out
    assert "static, judged from files: QEMU has no LSI 53C1030" in " ".join(out.split())


def test_a_program_is_told_all_of_it(disk: Path, tmp_path: Path, kensho: Kensho) -> None:
    proof = tmp_path / "p"
    code, out, err = kensho("prove", disk, "--on", ON, "-o", proof, "--json")
    told = json.loads(out)
    assert (code, told["proven"], told["output"]) == (15, False, str(proof)), err
    assert {trial["how"] for trial in told["trials"]} == {"static"}
    assert told["files"] == ["index.html", "sbom.cdx.json", "statement.json"]
    assert told["findings"] == []


def _children(parent: int) -> list[str]:
    tasks = Path(f"/proc/{parent}/task").glob("*/children")
    return [pid for task in tasks for pid in task.read_text().split()]


@pytest.mark.boot
@pytest.mark.parametrize(
    ("how", "code", "says", "reached"),
    [
        ("INT", 130, "", "firmware after"),
        ("INT", 130, "tiny login: ", "login after"),  # while its probes are not answered
        ("TERM", 75, "", "firmware after"),
        ("KILL", -9, "", "firmware after"),
    ],
)
def test_it_stops_at_once_and_leaves_nothing(
    tmp_path: Path, how: str, code: int, says: str, reached: str
) -> None:
    """A guest that never comes up, or answers nothing, and nobody who waits for it."""
    disk = tmp_path / "silent.img"
    disk.write_bytes(printing(says).ljust(1 << 20, b"\0"))
    # A job in the background of a shell has Ctrl-C ignored, and would hand that on.
    command = ["env", "--default-signal=INT,HUP", sys.executable, "-m", "kensho", "prove", disk]
    command += ["--on", "vmware-ide,kvm-virtio", "-o", tmp_path / "proof", "--timeout", "600"]
    command += ["--probe", "agent:true", "--probe", "tcp:22", "--probe-timeout", "600"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        while reached not in process.stderr.readline():
            assert process.poll() is None
        guests = _children(process.pid)
        assert guests
        process.send_signal(signal.Signals[f"SIG{how}"])
        said = process.communicate(timeout=300)[1]
    assert process.returncode == code, said
    assert left_behind(f"{tmp_path}/") == []
    end = time.monotonic() + 120
    while any(Path(f"/proc/{pid}").exists() for pid in guests) and time.monotonic() < end:
        time.sleep(0.05)
    assert [pid for pid in guests if Path(f"/proc/{pid}").exists()] == []
    if how == "KILL":  # nothing could clean up: the next run does
        with room(".prove-", tmp_path), room("kensho-boot-"), room("kensho-nbd-"):
            pass
        with unfinished(tmp_path / "proof", lambda _: None):
            pass
    assert [path.name for path in tmp_path.iterdir()] == ["silent.img"]


@pytest.mark.boot
def test_what_was_tried_before_it_was_stopped_is_taken_over(
    tmp_path: Path, key: Path, kensho: Kensho
) -> None:
    disk, proof = tmp_path / "guest.img", tmp_path / "proof"
    disk.write_bytes(printing("tiny login: ").ljust(1 << 20, b"\0"))
    words = [
        "prove",
        disk,
        "--on",
        "vmware-ide,kvm-virtio,xenserver-hvm",
        "-o",
        proof,
        "--sign-key",
        key,
    ]
    words += ["--no-report", "--shutdown", "skip", "--probe", "tcp:22", "--probe-timeout"]
    with subprocess.Popen(
        [sys.executable, "-m", "kensho", *words, "20"], stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        while "1 of 3" not in process.stderr.readline():
            assert process.poll() is None
        process.terminate()
        said = process.communicate(timeout=60)[1]
    assert (process.returncode, "kept for the same command" in said) == (75, True), said
    code, out, err = kensho(*words, "20", "--json")
    told = json.loads(out)
    assert (code, len(told["trials"])) == (15, 3), err
    assert {trial["outcome"] for trial in told["trials"]} == {"fail"}  # no service answers
    stated = json.loads((proof / "statement.json").read_text())["predicate"]
    earlier, *others = [one["profile"] for one in stated["earlier"]]
    assert len(others) < 2  # what was under way is started anew
    assert f"{earlier} (20" in (proof / "index.html").read_text()
    code, told = verified(kensho, proof, "--public-key", key.with_suffix(".pub"), "--disk", disk)
    assert (code, set(states(told).values())) == (0, {"ok"})
    assert any("tried by an earlier run" in words and earlier in words for words in told["said"])
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [disk.name, proof.name, key.name, key.with_suffix(".pub").name]
    )
