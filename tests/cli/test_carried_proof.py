"""A proof carried inside an OVA: put there, checked there, and what conversions and edits do with it."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import tarfile
from copy import deepcopy
from pathlib import Path

import pytest
from lxml import etree

from tests.cli.conftest import Kensho
from tests.cli.small_guest import guest_disk
from tests.proof.evidence.made_up import chain
from tests.proof.watch.test_boot import printing

ON = "hyperv-gen2,xenserver-pv"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """An OVA, its signed proof, and the OVA that carries it; none of the tests changes them."""
    folder = tmp_path_factory.mktemp("carried")
    disk = guest_disk(folder, boot=False)
    key, cert, root = chain(folder, ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"))
    made = {"disk": disk, "key": key, "cert": cert, "root": root, "proof": folder / "proof",
            "plain": folder / "out/guest.ova", "proven": folder / "proven.ova"}  # fmt: skip

    def run(*arguments: object, code: int = 0) -> None:
        done = subprocess.run([sys.executable, "-m", "kensho", *map(str, arguments)],
                              capture_output=True, text=True)  # fmt: skip
        assert done.returncode == code, done.stderr

    run("convert", disk, "--to", "ova", "-o", folder / "out", "-q")
    run("prove", made["plain"], "--on", ON, "-o", made["proof"], "--sign-key", key,
        "--sign-cert", cert, code=15)  # fmt: skip
    run("edit", made["plain"], "--proof", made["proof"], "-o", made["proven"], "--key", key,
        "--cert", cert, "-q")  # fmt: skip
    return made


def verified(kensho: Kensho, package: Path, *options: object) -> tuple[int, dict]:
    code, out, err = kensho("verify", package, *options, "--json")
    assert out, err
    return code, json.loads(out)


def wrong(told: dict) -> set[str]:
    (proof,) = told["proofs"]
    inside = {p["name"] for p in (*proof["files"], *proof["disks"]) if p["state"] == "mismatch"}
    return inside | {f["name"] for f in told["files"] if f["state"] == "mismatch"}


def test_it_is_one_file_that_the_manifest_has(made: dict[str, Path]) -> None:
    with tarfile.open(made["proven"]) as archive:
        names = archive.getnames()
        assert names[0] == "proven.ovf"
        assert names[-1] == "guest.proof.tar"  # behind the disks, as References has it
        manifest = archive.extractfile("proven.mf").read().decode()  # type: ignore[union-attr]
        assert "SHA256(guest.proof.tar)= " in manifest
        assert b'href="guest.proof.tar"' in archive.extractfile("proven.ovf").read()  # type: ignore[union-attr]
        with tarfile.open(fileobj=archive.extractfile("guest.proof.tar")) as inner:
            for member in inner:
                data = inner.extractfile(member).read()  # type: ignore[union-attr]
                assert data == (made["proof"] / member.name).read_bytes()
    files = {p.name for p in made["proof"].rglob("*") if p.is_file()}
    assert files == {"certificate.json", "statement.json", "index.html", "sbom.cdx.json"}


def test_elsewhere_without_the_folder_package_proof_and_disk_are_checked(
    made: dict[str, Path], tmp_path: Path, kensho: Kensho
) -> None:
    package = shutil.copy(made["proven"], tmp_path / "elsewhere.ova")
    code, told = verified(kensho, package, "--ca", made["root"])
    assert code == 0
    proof = told["proofs"][0]
    assert proof["signature"]["trusted"]
    assert {part["state"] for part in (*proof["files"], *proof["disks"])} == {"ok"}
    code, out, _ = kensho("verify", package, "--ca", made["root"])
    assert code == 0
    said = " ".join(out.split())
    assert "the disk that was proven, byte for byte" in said
    assert "not proven: told from the guest's files alone" in said
    assert verified(kensho, package)[0] == 0
    assert verified(kensho, package, "--trusted")[0] == 11
    assert "it carries a proof, guest.proof.tar" in kensho("inspect", package)[1]
    assert json.loads(kensho("inspect", package, "--json")[1])["proofs"] == ["guest.proof.tar"]


def test_the_statement_tells_how_the_package_was_made(made: dict[str, Path]) -> None:
    told = json.loads((made["proof"] / "statement.json").read_text())["predicate"]
    inputs = {part["name"]: part["sha256"] for part in told["inputs"]}
    assert set(inputs) == {
        "guest.ova",
        "guest.ova#guest.ovf",
        "guest.ova#guest.mf",
        "guest.ova#guest-disk1.vmdk",
    }
    digest = subprocess.run(["sha256sum", made["plain"]], capture_output=True, check=True).stdout
    assert inputs["guest.ova"] == digest.decode().split()[0]
    with tarfile.open(made["plain"]) as archive:
        for name in archive.getnames():
            data = archive.extractfile(name).read()  # type: ignore[union-attr]
            digest = subprocess.run(
                ["sha256sum"], input=data, capture_output=True, check=True
            ).stdout
            assert inputs[f"guest.ova#{name}"] == digest.decode().split()[0]
    assert told["conversion"]["target"] == "ova"
    assert told["conversion"]["check"] == "ok"
    assert str(made["plain"].parent) not in json.dumps(
        told
    )  # whose machine it was is nobody's business


def test_one_changed_byte_in_the_package_is_told_of(
    made: dict[str, Path], tmp_path: Path, kensho: Kensho
) -> None:
    package = tmp_path / "changed.ova"
    data = made["proven"].read_bytes()
    with tarfile.open(made["proven"]) as archive:
        disk = archive.getmember("guest-disk1.vmdk")
        outer = archive.getmember("guest.proof.tar")
        with tarfile.open(fileobj=archive.extractfile(outer)) as inner:
            parts = {m.name: (outer.offset_data + m.offset_data, m.size) for m in inner}
    parts["guest-disk1.vmdk"] = disk.offset_data, disk.size
    choose = random.Random(7)
    for name, (start, size) in parts.items():
        for _ in range(3):
            at = start + choose.randrange(size)
            package.write_bytes(
                data[:at] + bytes([data[at] ^ 1 << choose.randrange(8)]) + data[at + 1 :]
            )
            code, told = verified(kensho, package)
            assert code == 11, (name, at)
            there = wrong(told)
            if name == disk.name:
                assert disk.name in there
            else:  # the archive by the manifest, the file in it by the statement
                assert there == {"guest.proof.tar", name}, (name, at)


def test_an_archive_that_cannot_be_read_is_an_answer(
    made: dict[str, Path], tmp_path: Path, kensho: Kensho
) -> None:
    package = tmp_path / "broken.ova"
    data = bytearray(made["proven"].read_bytes())
    with tarfile.open(made["proven"]) as archive:
        data[archive.getmember("guest.proof.tar").offset_data + 150] ^= 1  # its own checksum
    package.write_bytes(data)
    code, told = verified(kensho, package)
    assert (code, wrong(told)) == (11, {"guest.proof.tar"})
    assert "nothing is proven" in told["proofs"][0]["said"][0]


def test_another_disk_under_the_same_name_is_not_the_one(
    made: dict[str, Path], tmp_path: Path, kensho: Kensho
) -> None:
    other = tmp_path / "other.img"
    other.write_bytes(made["disk"].read_bytes()[:-1] + b"x")
    package = tmp_path / "other.ova"
    ident = json.loads(kensho("inspect", made["proven"], "--json")[1])["appliance"]["images"][0][
        "id"
    ]
    code, _, err = kensho(
        "edit", made["proven"], "--replace-disk", f"{ident}={other}", "-o", package, "-q"
    )
    assert code == 0, err
    code, told = verified(kensho, package)
    assert code == 11
    assert told["digests"] == "match"  # the package is in order; it is no longer the proven machine
    assert wrong(told) == {"other.vmdk"}


def test_a_proof_of_other_disks_is_refused(
    made: dict[str, Path], tmp_path: Path, kensho: Kensho
) -> None:
    target = tmp_path / "x.ova"
    code, _, err = kensho("prove", made["plain"], "--on", ON, "--adapt", "-o", tmp_path / "adapted")
    assert code in {0, 15}, err
    code, _, err = kensho("edit", made["plain"], "--proof", tmp_path / "adapted", "-o", target)
    assert code == 11
    assert "kensho convert --adapt" in err
    small = tmp_path / "small.img"
    small.write_bytes(bytes(1 << 20) + b"1")
    kensho("convert", small, "--to", "ova", "-o", tmp_path / "out", "-q")
    code, _, err = kensho(
        "edit", tmp_path / "out/small.ova", "--proof", made["proof"], "-o", target
    )
    assert code == 11
    assert "of other disks" in err
    assert "was proven" in err
    changed = shutil.copytree(made["proof"], tmp_path / "changed")
    (changed / "sbom.cdx.json").write_text("{}")
    assert kensho("edit", made["plain"], "--proof", changed, "-o", target)[0] == 2
    assert kensho("edit", made["plain"], "--proof", tmp_path, "-o", target)[0] == 2
    assert kensho("edit", made["plain"], "--proof", made["plain"], "-o", target)[0] == 2
    code, _, err = kensho("edit", made["proven"], "--proof", made["proof"], "-o", target)
    assert code == 2
    assert "--remove-file guest.proof.tar" in err
    assert not target.exists()


def test_adapted_first_then_proven_then_carried(
    made: dict[str, Path], tmp_path: Path, kensho: Kensho
) -> None:
    code, _, err = kensho(
        "convert", made["disk"], "--to", "ova", "--adapt", "-o", tmp_path / "out", "-q"
    )
    assert code == 0, err
    package = tmp_path / "out/guest.ova"
    code, _, err = kensho("prove", package, "--on", "xenserver-pv", "-o", tmp_path / "proof")
    assert code in {0, 15}, err
    before = package.read_bytes()
    code, _, err = kensho("edit", package, "--proof", tmp_path / "proof", "--in-place", "-q")
    assert code == 0, err
    assert package.read_bytes() != before
    assert verified(kensho, package)[1]["proofs"][0]["disks"][0]["state"] == "ok"
    assert [p.name for p in (tmp_path / "out").glob(".*")] == []


def test_a_conversion_says_that_it_stays_and_it_can_be_put_back(
    made: dict[str, Path], tmp_path: Path, kensho: Kensho
) -> None:
    code, out, err = kensho(
        "convert", made["proven"], "--to", "vmware", "-o", tmp_path / "out", "--json"
    )
    assert code == 0, err
    (finding,) = (f for f in json.loads(out)["findings"] if f["code"] == "KF-986")
    assert "--proof" in finding["action"]
    result = next((tmp_path / "out").glob("*.ova"))
    assert verified(kensho, result)[1]["proofs"] == []
    again = tmp_path / "again.ova"
    code, _, err = kensho("edit", result, "--proof", made["proven"], "-o", again, "-q")
    assert code == 0, err
    code, told = verified(kensho, again)
    assert (code, told["proofs"][0]["disks"][0]["state"]) == (0, "ok")
    assert told["proofs"][0]["signature"]["state"] == "valid"


def test_a_key_may_be_given_instead_of_a_store(
    made: dict[str, Path], tmp_path: Path, kensho: Kensho
) -> None:
    public = tmp_path / "signer.pub"
    subprocess.run(["openssl", "pkey", "-in", made["key"], "-pubout", "-out", public], check=True)
    assert verified(kensho, made["proven"], "--public-key", public)[0] == 0
    assert kensho("verify", made["plain"], "--public-key", public)[0] == 2
    other = tmp_path / "other.key"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", other], check=True)
    subprocess.run(["openssl", "pkey", "-in", other, "-pubout", "-out", public], check=True)
    assert verified(kensho, made["proven"], "--public-key", public)[0] == 11


def test_a_folder_of_ovf_carries_one_too(
    made: dict[str, Path], tmp_path: Path, kensho: Kensho
) -> None:
    folder = tmp_path / "folder"
    assert kensho("edit", made["proven"], "--set", "cpus=2", "-o", folder, "-q")[0] == 0
    (descriptor,) = folder.glob("*.ovf")
    code, told = verified(kensho, descriptor)
    assert (code, told["proofs"][0]["disks"][0]["state"]) == (0, "ok")
    (folder / "guest.proof.tar").unlink()
    assert verified(kensho, descriptor)[0] == 11


def test_merged_packages_keep_their_proofs_and_parts_do_not(
    made: dict[str, Path], tmp_path: Path, kensho: Kensho
) -> None:
    other = guest_disk(tmp_path, boot=False)
    with other.open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"x")
    two = tmp_path / "two"
    assert kensho("convert", other, "--to", "ova", "-o", two, "-q")[0] == 0
    assert kensho("prove", two / "guest.ova", "--on", ON, "-o", tmp_path / "p")[0] == 15
    proven = tmp_path / "second.ova"
    assert kensho("edit", two / "guest.ova", "--proof", tmp_path / "p", "-o", proven, "-q")[0] == 0
    merged = tmp_path / "merged.ova"
    assert kensho("merge", made["proven"], proven, "-o", merged, "-q")[0] == 0
    code, told = verified(kensho, merged)
    assert (code, len(told["proofs"])) == (0, 2)
    for proof in told["proofs"]:
        assert sorted(part["state"] for part in proof["disks"]) == ["not vouched for", "ok"]
    code, out, err = kensho("split", merged, "-o", tmp_path / "parts", "--json")
    assert code == 0, err
    assert "KF-987" in out
    for part in (tmp_path / "parts").glob("*.ova"):
        assert verified(kensho, part)[1]["proofs"] == []


def test_in_a_pipe_it_is_said_that_it_is_not_looked_into(made: dict[str, Path]) -> None:
    with (
        made["proven"].open("rb") as file,
        subprocess.Popen(["cat"], stdin=file, stdout=subprocess.PIPE) as cat,
    ):
        done = subprocess.run([sys.executable, "-m", "kensho", "verify", "-", "--json"], stdin=cat.stdout,
                              capture_output=True)  # fmt: skip
    told = json.loads(done.stdout)
    assert (done.returncode, told["digests"], told["proofs"]) == (0, "match", [])
    assert "KF-988" in {finding["code"] for finding in told["findings"]}


def test_machines_that_share_a_disk_are_proven_with_it(
    made: dict[str, Path], tmp_path: Path, kensho: Kensho
) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    subprocess.run(["tar", "-C", folder, "-xf", made["plain"]], check=True)
    next(folder.glob("*.mf")).unlink()
    (descriptor,) = folder.glob("*.ovf")
    tree = etree.parse(descriptor)
    system = tree.find("{*}VirtualSystem")
    again = deepcopy(system)
    key = next(name for name in again.attrib if name.endswith("}id"))
    again.set(key, "second")
    whole = etree.Element(system.tag.replace("VirtualSystem", "VirtualSystemCollection"))
    whole.set(key, "both")
    etree.SubElement(whole, system.tag.replace("VirtualSystem", "Info")).text = "two"
    system.getparent().replace(system, whole)
    whole.extend([system, again])
    tree.write(descriptor)
    proof = tmp_path / "proof"
    code, _, err = kensho("prove", descriptor, "--on", "xenserver-pv", "-o", proof)
    assert code == 15, err
    target = tmp_path / "both.ova"
    code, _, err = kensho("edit", descriptor, "--proof", proof, "-o", target, "-q")
    assert code == 0, err
    code, told = verified(kensho, target)
    assert [part["state"] for part in told["proofs"][0]["disks"]] == ["ok", "ok"]
    assert code == 0


def test_a_proof_of_no_disk_is_not_carried(
    made: dict[str, Path], tmp_path: Path, kensho: Kensho
) -> None:
    proof = tmp_path / "proof"
    code, _, err = kensho("prove", made["plain"], "--on", ON, "-o", proof)
    assert code == 15, err
    told = json.loads((proof / "statement.json").read_text())
    told["predicate"]["disks"] = []
    inputs = told["predicate"]["inputs"]
    told["subject"] = [{"name": i["name"], "digest": {"sha256": i["sha256"]}} for i in inputs]
    (proof / "statement.json").write_text(json.dumps(told))
    code, _, err = kensho("edit", made["plain"], "--proof", proof, "-o", tmp_path / "x.ova")
    assert code == 11
    assert "of no disk" in err


def test_the_statement_has_what_a_plan_finds_for_each_platform(made: dict[str, Path]) -> None:
    told = json.loads((made["proof"] / "statement.json").read_text())["predicate"]
    plans = {plan["target"]: plan for plan in told["foreseen"]}
    assert set(plans) == {"hyperv", "xenserver"}
    for target, plan in plans.items():
        done = subprocess.run([sys.executable, "-m", "kensho", "plan", made["plain"], "--to", target,
                               "--json"], capture_output=True)  # fmt: skip
        codes = [finding["code"] for finding in json.loads(done.stdout)["findings"]]
        assert [finding["code"] for finding in plan["findings"]] == codes
    page = (made["proof"] / "index.html").read_text()
    assert "plan for hyperv" in page


@pytest.mark.boot
def test_what_was_seen_of_a_start_is_carried_and_each_byte_of_it_is_vouched_for(
    made: dict[str, Path], tmp_path: Path, kensho: Kensho
) -> None:
    disk = tmp_path / "tiny.img"
    disk.write_bytes(printing("tiny login: ").ljust(1 << 20, b"\0"))
    assert kensho("convert", disk, "--to", "ova", "-o", tmp_path / "out", "-q")[0] == 0
    plain, proof, package = tmp_path / "out/tiny.ova", tmp_path / "proof", tmp_path / "proven.ova"
    code, _, err = kensho(
        "prove", plain, "--on", "vmware-ide,kvm-virtio", "-o", proof, "--no-report",
        "--shutdown", "skip", "--sign-key", made["key"], "--sign-cert", made["cert"],
    )  # fmt: skip
    assert code == 0, err
    said = b"".join(path.read_bytes() for path in proof.rglob("*") if path.is_file())
    assert str(tmp_path).encode() not in said
    assert kensho("edit", plain, "--proof", proof, "-o", package, "-q")[0] == 0
    code, told = verified(kensho, package, "--ca", made["root"])
    assert (code, told["proofs"][0]["signature"]["trusted"]) == (
        11,
        True,
    )  # the package is unsigned
    assert verified(kensho, package)[0] == 0
    with tarfile.open(package) as archive:
        outer = archive.getmember("tiny.proof.tar")
        with tarfile.open(fileobj=archive.extractfile(outer)) as inner:
            parts = {m.name: (outer.offset_data + m.offset_data, m.size) for m in inner}
    assert {"vmware-ide/serial.log", "kvm-virtio/serial.log"} < set(parts)
    assert any(name.endswith(".png") for name in parts)
    data = package.read_bytes()
    choose = random.Random(8)
    for name, (start, size) in parts.items():
        at = start + choose.randrange(size)
        package.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        code, told = verified(kensho, package)
        assert (code, wrong(told)) == (11, {"tiny.proof.tar", name})
