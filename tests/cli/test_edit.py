"""``kensho edit``: written anew or in place, refused with a hint, signed packages."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.images import MIB, manifest, ovf, raw_disk, tar
from tests.packages.edit.conftest import HERE


@pytest.fixture
def ova(tmp_path) -> Path:
    disk = raw_disk(tmp_path / "a.img", size=MIB, pieces=3).read_bytes()
    files = {"web.ovf": ovf({"a.img": MIB}).encode(), "a.img": disk, "extra.txt": b"x"}
    mf = manifest(files)
    return tar(
        tmp_path / "web.ova",
        {"web.ovf": files["web.ovf"], "web.mf": mf, "a.img": disk, "extra.txt": b"x"},
    )


def members(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as archive:
        return {m.name: archive.extractfile(m).read() for m in archive.getmembers()}


def check_manifest(files: dict[str, bytes], name: str) -> None:
    lines = files[name].decode().splitlines()
    assert {line.partition("(")[2].partition(")")[0] for line in lines} == {
        n for n in files if not n.endswith((".mf", ".cert"))
    }
    for line in lines:
        algorithm, _, rest = line.partition("(")
        file, _, digest = rest.partition(")= ")
        assert hashlib.new(algorithm, files[file]).hexdigest() == digest


def test_in_place(ova, kensho):
    before = members(ova)
    code, _, err = kensho("edit", ova, "--set", "cpus=4", "--in-place")
    assert code == 0, err
    after = members(ova)
    check_manifest(after, "web.mf")
    assert list(after) == list(before)
    changed = [
        (a, b)
        for a, b in zip(before["web.ovf"].splitlines(), after["web.ovf"].splitlines(), strict=True)
        if a != b
    ]
    assert len(changed) == 2
    assert {n: before[n] for n in ("a.img", "extra.txt")} == {
        n: after[n] for n in ("a.img", "extra.txt")
    }


def test_neither_out_nor_in_place(ova, kensho):
    before = ova.read_bytes()
    code, _, err = kensho("edit", ova, "--set", "cpus=4")
    assert code == 2
    assert "--in-place" in err
    assert ova.read_bytes() == before


@pytest.mark.skipif(shutil.which("qemu-img") is None, reason="needs qemu-img")
def test_out(ova, kensho, tmp_path):
    before = ova.read_bytes()
    disk = tmp_path / "more.qcow2"
    subprocess.run(["qemu-img", "create", "-qf", "qcow2", disk, "4M"], check=True)
    out = tmp_path / "new.ova"
    assert kensho("edit", ova, "--add-disk", disk, "--sha", "512", "-o", out)[0] == 0
    files = members(out)
    assert list(files) == ["new.ovf", "new.mf", "a.img", "extra.txt", "more.vmdk"]
    check_manifest(files, "new.mf")
    assert f'ovf:size="{len(files["more.vmdk"])}"'.encode() in files["new.ovf"]
    assert ova.read_bytes() == before
    (tmp_path / "more.vmdk").write_bytes(files["more.vmdk"])
    info = subprocess.run(
        ["qemu-img", "info", "--output=json", tmp_path / "more.vmdk"],
        check=True,
        capture_output=True,
    )
    assert json.loads(info.stdout)["virtual-size"] == 4 * MIB
    assert not list(tmp_path.glob(".*"))


def test_out_is_not_overwritten(ova, kensho, tmp_path):
    out = tmp_path / "new.ova"
    out.write_bytes(b"mine")
    assert kensho("edit", ova, "--set", "cpus=4", "-o", out)[0] == 2
    assert out.read_bytes() == b"mine"
    assert kensho("edit", ova, "--set", "cpus=4", "-o", out, "--overwrite")[0] == 0


def test_a_wrong_digest_is_not_vouched_for(ova, kensho, tmp_path):
    data = bytearray(ova.read_bytes())
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        at = archive.getmember("a.img").offset_data
    data[at] ^= 1
    ova.write_bytes(data)
    assert kensho("edit", ova, "--set", "cpus=4", "--in-place")[0] == 0
    assert kensho("verify", ova)[0] == 11  # still known to be wrong
    code, _, err = kensho("edit", ova, "--set", "cpus=4", "--sha", "512", "-o", tmp_path / "b.ova")
    assert code == 11, err
    assert not (tmp_path / "b.ova").exists()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_a_signed_package(ova, kensho, tmp_path):
    key, cert = tmp_path / "k.pem", tmp_path / "c.pem"
    subprocess.run(
        f"openssl req -x509 -newkey rsa:2048 -nodes -keyout {key} -out {cert} -days 900 "
        "-subj /CN=test".split(),
        check=True,
        capture_output=True,
    )
    code, _, err = kensho("sign", ova, "--key", key, "--cert", cert)
    assert code == 0, err
    assert "web.cert" in members(ova)
    signed = ova.read_bytes()
    code, out, _ = kensho("edit", ova, "--set", "cpus=4", "--in-place", "--json")
    assert code == 0
    assert "KF-740" in {f["code"] for f in json.loads(out)["findings"]}
    assert "web.cert" not in members(ova)
    ova.write_bytes(signed)
    code, out, _ = kensho(
        "edit", ova, "--set", "cpus=4", "--in-place", "--key", key, "--cert", cert, "--json"
    )
    assert code == 0
    result = json.loads(out)
    assert result["signed"]
    assert not result["findings"]
    assert kensho("verify", ova, "--ca", cert)[0] == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--set", "cpu=4"], "did you mean 'cpus'?"),
        (["--set", "cpus=four"], "not a number"),
        (["--set", "memory=4096"], "4096MiB"),
        (["--set", "product.verson=1"], "did you mean 'version'?"),
        (["--network", "lam=x"], "did you mean 'lan'?"),
        (["--nic", "2,remove"], "there is: 1"),
        (["--nic", "1,netwrok=x"], "did you mean 'network'?"),
        (["--remove-network", "lan"], "--network lan=OTHER"),
        (["--remove-disk", "d00"], "did you mean 'd0'?"),
        (["--remove-controller", "scsi0"], "has drives attached"),
        (["--configuration", "x", "--set", "cpus=1"], "there is none"),
        (["--vm", "web02", "--set", "cpus=1"], "did you mean 'web01'?"),
        (["--add-disk", "gone.vmdk"], "No such file"),
        (["--add-disk", "size=1GiB,unit=0"], "unit 0 of the controller is taken"),
        (["--set", "secure-boot=yes", "--set", "firmware=bios"], ""),
        (["--set", "disk.d0.capacity=512KiB"], "it cannot become"),
        (["--startup", "web01"], "one machine has no start order"),
        (["--property", "a b=1"], "not a property key"),
        (["--property", "n=300+uint8"], "300"),
        ([], "nothing to change"),
    ],
)
def test_refused_with_a_hint(ova, kensho, arguments, words):
    before = ova.read_bytes()
    code, _, err = kensho("edit", ova, *arguments, "--in-place")
    if words:
        assert (code, words in err) == (2, True), err
        assert ova.read_bytes() == before


def test_a_script(kensho, as_json, tmp_path):
    (tmp_path / "web.ovf").write_bytes((HERE / "base1.ovf").read_bytes())
    (tmp_path / "terms.txt").write_text("Terms")
    (tmp_path / "edits.yaml").write_text(
        "set: {cpus: 4, memory: 8GiB, firmware: efi}\n"
        "nic: ['add,network=lan']\nproperty: [hostname=db]\neula: terms.txt\n"
    )
    by_script = as_json(
        "edit", tmp_path / "web.ovf", "--script", tmp_path / "edits.yaml", "--dry-run"
    )
    by_options = as_json(
        *("edit", tmp_path / "web.ovf", "--set", "cpus=4", "--set", "memory=8GiB"),
        *("--set", "firmware=efi", "--nic", "add,network=lan", "--property", "hostname=db"),
        *("--eula", tmp_path / "terms.txt", "--dry-run"),
    )
    assert by_script["diff"] == by_options["diff"]
    (tmp_path / "edits.yaml").write_text("cpus: 4\n")
    code, _, err = kensho(
        "edit", tmp_path / "web.ovf", "--script", tmp_path / "edits.yaml", "--in-place"
    )
    assert code == 1
    assert "unknown field `cpus`" in err


def test_a_folder_in_place_keeps_removed_files(tmp_path, as_json):
    (tmp_path / "web.ovf").write_bytes((HERE / "base1.ovf").read_bytes())
    (tmp_path / "readme.txt").write_text("x")
    result = as_json("edit", tmp_path, "--remove-file", "readme.txt", "--in-place")
    assert [f["code"] for f in result["findings"]] == ["KF-744"]
    assert (tmp_path / "readme.txt").exists()
    assert not (tmp_path / "web.mf").exists()


def test_injected_files_are_on_the_cd(ova, kensho, tmp_path):
    if shutil.which("isoinfo") is None:
        pytest.skip("needs isoinfo")
    (tmp_path / "boot.cfg").write_text("hostname r1\n")
    option = f"{tmp_path / 'boot.cfg'},name=iosxe_config.txt"
    assert kensho("edit", ova, "--inject", option, "--in-place")[0] == 0
    files = members(ova)
    check_manifest(files, "web.mf")
    (tmp_path / "c.iso").write_bytes(files["config.iso"])
    command = ["isoinfo", "-R", "-i", tmp_path / "c.iso", "-x", "/iosxe_config.txt"]
    assert subprocess.run(command, check=True, capture_output=True).stdout == b"hostname r1\n"


def test_in_place_needs_a_package_by_name(ova, kensho, tmp_path):
    other = ova.rename(tmp_path / "web.bin")
    before = other.read_bytes()
    code, _, err = kensho("edit", other, "--set", "cpus=4", "--in-place")
    assert (code, "-o" in err) == (2, True)
    assert other.read_bytes() == before


def test_into_a_pipe(ova):
    command = ["python", "-m", "kensho", "edit", ova, "--set", "cpus=4", "-o", "-"]
    command[0] = sys.executable
    made = subprocess.run(command, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(made)) as archive:
        names = archive.getnames()
    assert names == ["web.ovf", "web.mf", "a.img", "extra.txt"]


def test_a_link_is_followed(ova, kensho, tmp_path):
    link = tmp_path / "link.ova"
    link.symlink_to(ova)
    assert kensho("edit", link, "--set", "cpus=4", "--in-place")[0] == 0
    assert link.is_symlink()
    check_manifest(members(ova), "web.mf")
