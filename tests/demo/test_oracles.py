"""The judges judged: each must pass what is right and fail what is not."""

from __future__ import annotations

import hashlib
import io
import subprocess
import tarfile
from pathlib import Path

import pytest

from oracles import Check, check_result
from views import member_view, source_views, view

MIB = 1 << 20
CONTENT = b"".join(bytes([n + 1]) * 4096 for n in range(200)).ljust(2 * MIB, b"\0") + b"end" * 1000
CONTENT = CONTENT.ljust(3 * MIB, b"\0")


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    path = tmp_path / "source.img"
    path.write_bytes(CONTENT)
    return path


def convert(source: Path, target: Path, form: str, *options: str) -> Path:
    subprocess.run(["qemu-img", "convert", "-O", form, *options, source, target], check=True)
    return target


def result(*names: str, disks: tuple[str, ...] = ("disk.vmdk",)) -> dict:
    return {
        "files": [{"name": name, "bytes": 1} for name in names],
        "disks": [{"image": "d1", "filename": name} for name in disks],
    }


def failed(checks: list[Check]) -> set[str]:
    return {check.name for check in checks if check.ok is False}


def passed(checks: list[Check]) -> set[str]:
    return {check.name for check in checks if check.ok is True}


def write_tar(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


# --- disk files ---


@pytest.mark.parametrize(("suffix", "form"), [("qcow2", "qcow2"), ("vhdx", "vhdx"), ("vdi", "vdi")])
def test_an_equal_disk(tmp_path, raw, suffix, form):
    disk = convert(raw, tmp_path / f"disk.{suffix}", form)
    checks = check_result(tmp_path, result(disk.name, disks=(disk.name,)), {"d1": view(raw)})
    assert passed(checks) == {"same content", "qemu-img check"}
    assert not failed(checks)


def test_another_disk(tmp_path, raw):
    disk = convert(raw, tmp_path / "disk.qcow2", "qcow2")
    raw.write_bytes(CONTENT.replace(b"end", b"END"))
    checks = check_result(tmp_path, result(disk.name, disks=(disk.name,)), {"d1": view(raw)})
    assert failed(checks) == {"same content"}


def test_a_missing_file(tmp_path, raw):
    checks = check_result(tmp_path, result("a.qcow2", disks=("a.qcow2",)), {"d1": view(raw)})
    assert failed(checks) == {"the file is there", "same content"}


def test_a_source_that_qemu_cannot_read_is_no_failure(tmp_path, raw):
    disk = convert(raw, tmp_path / "disk.qcow2", "qcow2")
    checks = check_result(tmp_path, result(disk.name, disks=(disk.name,)), {"d1": None})
    assert not failed(checks)
    assert [check.name for check in checks if check.ok is None] == ["same content"]


def test_domains_and_scripts(tmp_path, raw):
    disk = convert(raw, tmp_path / "disk.qcow2", "qcow2")
    (tmp_path / "good.sh").write_text("echo $((1 + 1))\n")
    (tmp_path / "bad.sh").write_text("if then\n")
    (tmp_path / "bad.xml").write_text("<domain type='kvm'><nonsense/></domain>")
    (tmp_path / "good.xml").write_text(
        "<domain type='kvm'><name>x</name><memory>1024</memory>"
        "<os><type arch='x86_64' machine='pc'>hvm</type></os></domain>"
    )
    names = (disk.name, "good.sh", "bad.sh", "good.xml", "bad.xml")
    checks = check_result(tmp_path, result(*names, disks=(disk.name,)), {"d1": view(raw)})
    assert [check.ok for check in checks if check.name == "bash"] == [True, False]
    assert [check.ok for check in checks if check.name == "virt-xml-validate"] == [True, False]


# --- OVA ---


@pytest.fixture
def members(tmp_path: Path, raw: Path) -> dict[str, bytes]:
    options = ("-o", "subformat=streamOptimized")
    vmdk = convert(raw, tmp_path / "x.vmdk", "vmdk", *options).read_bytes()
    ovf = b"<Envelope/>"
    lines = [
        f"SHA256({name})= {hashlib.sha256(data).hexdigest()}\n"
        for name, data in (("x.ovf", ovf), ("disk.vmdk", vmdk))
    ]
    return {"x.ovf": ovf, "x.mf": "".join(lines).encode(), "disk.vmdk": vmdk}


def judge_ova(tmp_path: Path, raw: Path, members: dict[str, bytes]) -> list[Check]:
    write_tar(tmp_path / "x.ova", members)
    return check_result(tmp_path, result("x.ova"), {"d1": view(raw)})


def test_a_good_ova(tmp_path, raw, members):
    checks = judge_ova(tmp_path, raw, members)
    assert not failed(checks)
    assert passed(checks) >= {"tar reads it", "member order", "manifest digests", "same content"}


def test_members_in_the_wrong_order(tmp_path, raw, members):
    swapped = {name: members[name] for name in ("x.ovf", "disk.vmdk", "x.mf")}
    assert failed(judge_ova(tmp_path, raw, swapped)) == {"member order"}


def test_a_wrong_digest(tmp_path, raw, members):
    changed = members | {"x.ovf": b"<envelope/>"}
    assert failed(judge_ova(tmp_path, raw, changed)) == {"manifest digests"}


def test_a_member_that_the_manifest_does_not_list(tmp_path, raw, members):
    assert failed(judge_ova(tmp_path, raw, members | {"y.txt": b""})) == {"manifest digests"}


def test_no_manifest(tmp_path, raw, members):
    del members["x.mf"]
    assert failed(judge_ova(tmp_path, raw, members)) == {"member order", "manifest digests"}


def test_another_disk_in_an_ova(tmp_path, raw, members):
    raw.write_bytes(CONTENT.replace(b"end", b"END"))
    assert failed(judge_ova(tmp_path, raw, members)) == {"same content"}


def test_no_archive_at_all(tmp_path, raw):
    (tmp_path / "x.ova").write_bytes(b"not a tar file" * 100)
    checks = check_result(tmp_path, result("x.ova"), {"d1": view(raw)})
    assert failed(checks) == {"tar reads it", "same content"}


# --- XVA ---


def xva(content: bytes) -> dict[str, bytes]:
    members = {"ova.xml": b"<value/>"}
    for number in range(len(content) // MIB):
        block = content[number * MIB : (number + 1) * MIB]
        if number == 0 or block.strip(b"\0"):
            members[f"Ref:7/{number:08d}"] = block
            members[f"Ref:7/{number:08d}.checksum"] = hashlib.sha1(block).hexdigest().encode()
    return members


def judge_xva(tmp_path: Path, raw: Path, members: dict[str, bytes]) -> list[Check]:
    write_tar(tmp_path / "x.xva", members)
    return check_result(tmp_path, result("x.xva", disks=("Ref:7",)), {"d1": view(raw)})


def test_a_good_xva(tmp_path, raw):
    members = xva(CONTENT)
    assert "Ref:7/00000001" not in members  # zeros are left out
    assert not failed(judge_xva(tmp_path, raw, members))
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_block_with_another_digest(tmp_path, raw):
    members = xva(CONTENT) | {"Ref:7/00000000.checksum": b"0" * 40}
    assert failed(judge_xva(tmp_path, raw, members)) == {"block digests"}


def test_a_block_that_is_missing(tmp_path, raw):
    members = xva(CONTENT)
    del members["Ref:7/00000002"]
    assert failed(judge_xva(tmp_path, raw, members)) == {"block digests", "same content"}


# --- views of the source ---


def test_views_of_a_package(tmp_path, raw, members):
    package = write_tar(tmp_path / "x.ova", members)
    plan = {
        "before": {
            "images": [{"id": "a", "file": "f"}, {"id": "blank"}, {"id": "z", "file": "gz"}],
            "files": [
                {"id": "f", "href": "disk.vmdk"},
                {"id": "gz", "href": "disk.vmdk", "compression": "gzip"},
            ],
        }
    }
    views = source_views(package, plan)
    assert views["blank"] is None
    assert views["z"] is None
    subprocess.run(["qemu-img", "compare", views["a"], view(raw)], check=True)
    assert member_view(package, "gone.vmdk") is None


def test_views_of_plain_files(tmp_path, raw):
    plan = {
        "before": {
            "images": [{"id": "a", "file": "f"}, {"id": "b", "file": "g"}],
            "files": [{"id": "f", "href": raw.name}, {"id": "g", "href": "gone.vmdk"}],
        }
    }
    assert source_views(raw, plan) == {"a": view(raw), "b": None}
    assert source_views(tmp_path, plan)["a"] == view(raw)
