from __future__ import annotations

import io
import json
import os
import shutil
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest

from kensho.convert.plan import Plan, Request, make_plan
from kensho.convert.rootfs import verify_rootfs
from kensho.convert.run import run_plan
from kensho.convert.source import opened
from kensho.model.errors import PlanBlockedError, VerificationError
from kensho.model.finding import Severity
from tests import any_to_any as matrix
from tests.guest.images_of import MIB, ext, make_tree, run

CAPABILITY = bytes.fromhex("0100000200040000000000000000000000000000")  # cap_net_bind_service+ep


@pytest.fixture
def guest(tmp_path: Path) -> tuple[Path, Path]:
    """A Linux by its files, with what a layer has to keep or leave out; its disk and its tree."""
    tree = make_tree(tmp_path / "tree")
    for folder in ("etc", "bin", "sbin", "usr/lib/systemd", "boot", "dev", "proc"):
        (tree / folder).mkdir(parents=True, exist_ok=True)
    (tree / "etc/os-release").write_text('ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian 12"\n')
    (tree / "etc/fstab").write_text("/dev/vdz1 /data ext4 defaults 0 2\n")
    (tree / "bin/sh").write_bytes(b"\x7fELF\2\1\1" + bytes(9) + b"\2\0\x3e\0" + bytes(40))
    (tree / "usr/lib/systemd/systemd").write_bytes(b"init")
    (tree / "sbin/init").symlink_to("../usr/lib/systemd/systemd")
    (tree / "boot/vmlinuz").write_bytes(b"kernel")
    disk = ext(tmp_path / "web.img", tree, "-t", "ext4", size=32 * MIB)
    value = tmp_path / "capability"
    value.write_bytes(CAPABILITY)
    commands = [
        "cd /dev",
        "mknod null c 1 3",
        "set_inode_field /small uid 1000",
        "set_inode_field /small gid 70000",
        "set_inode_field /bin/sh mode 0104755",
        f"ea_set -f {value} /usr/lib/systemd/systemd security.capability",
        f"ea_set -f {value} /bin/sh security.selinux",
    ]
    run("debugfs", "-w", "-f", "-", disk, stdin="\n".join(commands) + "\n")
    return disk, tree


def plan_for(disk: Path, out: Path) -> Plan:
    return make_plan(Request(str(disk), "oci-rootfs"), out=out)


def convert(disk: Path, out: Path) -> Path:
    plan = plan_for(disk, out)
    assert run_plan(plan, out).check == "ok"
    return out / "web.oci.tar"


def members(path: Path) -> tuple[dict[str, tarfile.TarInfo], dict[str, bytes], dict]:
    with tarfile.open(path) as archive:
        blobs = {m.name: archive.extractfile(m).read() for m in archive.getmembers()}
    index = json.loads(blobs["index.json"])
    manifest = json.loads(blobs[_name(index["manifests"][0])])
    config = json.loads(blobs[_name(manifest["config"])])
    (layer,) = manifest["layers"]
    found, data = {}, {}
    with tarfile.open(
        fileobj=io.BytesIO(blobs[_name(layer)]), encoding="utf-8", errors="surrogateescape"
    ) as archive:
        for member in archive.getmembers():
            found[member.name] = member
            if member.isreg():
                data[member.name] = archive.extractfile(member).read()
    return found, data, config


def _name(descriptor: dict) -> str:
    return "blobs/" + descriptor["digest"].replace(":", "/")


def test_files_owners_modes_links_and_capabilities(
    guest: tuple[Path, Path], tmp_path: Path
) -> None:
    disk, tree = guest
    found, data, config = members(convert(disk, tmp_path / "out"))
    for path in tree.rglob("*"):
        name = str(path.relative_to(tree))
        if name.startswith("boot/"):
            assert name not in found
            continue
        member, facts = found[name], path.lstat()
        assert member.isdir() == stat.S_ISDIR(facts.st_mode), name
        assert member.issym() == path.is_symlink(), name
        if path.is_symlink():
            assert member.linkname == os.readlink(path)  # noqa: PTH115 - Path makes it shorter
        elif path.is_file() and not member.islnk():
            assert data[name] == path.read_bytes(), name
        if name not in {"small", "bin/sh", "dir/hard"}:
            assert member.mode == stat.S_IMODE(facts.st_mode), name
            assert int(member.mtime) == int(facts.st_mtime), name
    assert found["bin/sh"].mode == 0o4755
    hard, small = found["dir/hard"], found["small"]
    assert {(m.uid, m.gid) for m in (hard, small)} == {(1000, 70000)}
    assert (hard.islnk(), small.islnk()) in {(True, False), (False, True)}
    assert found["fifo"].isfifo()
    assert "dev/null" not in found
    assert found["dev"].isdir()
    capability = found["usr/lib/systemd/systemd"].pax_headers["SCHILY.xattr.security.capability"]
    assert capability.encode(errors="surrogateescape") == CAPABILITY
    assert not found["bin/sh"].pax_headers
    assert (config["architecture"], config["os"]) == ("amd64", "linux")
    assert config["config"]["Cmd"] == ["/sbin/init"]
    assert config["config"]["StopSignal"] == "SIGRTMIN+3"
    assert config["config"]["Labels"]["kensho.os.id"] == "debian"


def test_same_guest_same_bytes(guest: tuple[Path, Path], tmp_path: Path) -> None:
    one, other = convert(guest[0], tmp_path / "a"), convert(guest[0], tmp_path / "b")
    assert one.read_bytes() == other.read_bytes()


def test_the_listing_is_that_of_debugfs(guest: tuple[Path, Path], tmp_path: Path) -> None:
    disk, _ = guest
    found, data, _ = members(convert(disk, tmp_path / "out"))
    dumped = tmp_path / "dumped"
    dumped.mkdir()
    run("debugfs", "-R", f"rdump / {dumped}", disk)
    names = {str(p.relative_to(dumped)) for p in dumped.rglob("*")}
    names = {n for n in names if not n.startswith(("boot/", "dev/", "lost+found/"))}
    # debugfs makes no FIFOs and no devices.
    assert names | {"fifo"} == set(found)
    for name, content in data.items():
        assert (dumped / name).read_bytes() == content, name


def test_what_is_lost_is_said(guest: tuple[Path, Path], tmp_path: Path) -> None:
    plan = plan_for(guest[0], tmp_path / "out")
    messages = [(f.code, f.message) for f in plan.findings]
    assert any(code == "KF-512" for code, _ in messages)
    assert any(code == "KF-514" and "/data" in text for code, text in messages)
    for words in ("below /boot", "below /dev", "attributes security.selinux"):
        assert any(code == "KF-515" and words in text for code, text in messages), words
    assert not [f for f in plan.findings if f.code in {"KF-320", "KF-330", "KF-361"}]


def test_what_is_said_of_devices_is_said_once(tmp_path: Path) -> None:
    plan = make_plan(Request(str(matrix.seed(tmp_path / "source", "uefi")), "oci-rootfs"))
    assert {f.code for f in plan.findings} <= {"KF-512", "KF-513", "KF-375"}


def test_a_disk_without_linux_is_refused(tmp_path: Path) -> None:
    disk = ext(tmp_path / "web.img", None, "-t", "ext4", size=8 * MIB)
    plan = plan_for(disk, tmp_path / "out")
    (finding,) = [f for f in plan.findings if f.code == "KF-513"]
    assert finding.severity is Severity.BLOCKED
    with pytest.raises(PlanBlockedError):
        run_plan(plan, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_windows_is_no_linux(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "Windows/System32/config").mkdir(parents=True)
    (tree / "Windows/System32/config/SOFTWARE").write_bytes(b"regf")
    plan = plan_for(ext(tmp_path / "web.img", tree, size=8 * MIB), tmp_path / "out")
    assert "KF-513" in {f.code for f in plan.findings}


def test_a_file_system_in_use_is_said(guest: tuple[Path, Path], tmp_path: Path) -> None:
    run("debugfs", "-w", "-R", "feature needs_recovery", guest[0])
    plan = plan_for(guest[0], tmp_path / "out")
    assert any(f.code == "KF-801" and "unmounted" in f.message for f in plan.findings)


def test_damage_after_writing_is_seen(guest: tuple[Path, Path], tmp_path: Path) -> None:
    path = convert(guest[0], tmp_path / "out")
    data = bytearray(path.read_bytes())
    at = data.index(b"Debian 12")
    data[at] ^= 1
    path.write_bytes(data)
    plan = plan_for(guest[0], tmp_path / "other")
    images = [step.image for step in plan.disks]
    with opened(str(guest[0])) as package, pytest.raises(VerificationError):
        verify_rootfs(package, path, images, lambda done, total: None)


@pytest.mark.skipif(shutil.which("skopeo") is None, reason="needs skopeo")
def test_skopeo_reads_it(guest: tuple[Path, Path], tmp_path: Path) -> None:
    path = convert(guest[0], tmp_path / "out")
    made = subprocess.run(
        ["skopeo", "inspect", "--config", f"oci-archive:{path}"], check=True, capture_output=True
    )
    assert json.loads(made.stdout)["config"]["Cmd"] == ["/sbin/init"]


@pytest.mark.skipif(shutil.which("umoci") is None, reason="needs umoci")
def test_umoci_unpacks_the_same_tree(guest: tuple[Path, Path], tmp_path: Path) -> None:
    disk, tree = guest
    path = convert(disk, tmp_path / "out")
    subprocess.run(["tar", "-xf", path, "--one-top-level=layout"], cwd=tmp_path, check=True)
    command = ["umoci", "unpack", "--rootless", "--image", "layout:latest", "bundle"]
    made = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    root = tmp_path / "bundle/rootfs"
    for file in tree.rglob("*"):
        name = file.relative_to(tree)
        if name.parts[0] == "boot" or not file.is_file() or file.is_symlink():
            continue
        assert (root / name).read_bytes() == file.read_bytes(), name
    assert (root / "small").stat().st_ino == (root / "dir/hard").stat().st_ino
