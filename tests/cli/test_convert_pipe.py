"""``cat app.ova | kensho convert -``: the command itself, with real pipes and processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest

from kensho.disks import create_disk
from kensho.storage import FileSink
from tests.cli.conftest import Kensho
from tests.cli.test_disk_memory import CHILD
from tests.images import MIB, manifest, ovf, raw_disk, tar

GIB = 1 << 30


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "kensho", *map(str, arguments)]


def run(data: bytes, *arguments: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(command(*arguments), input=data, capture_output=True, check=False)


@pytest.fixture
def ova(tmp_path: Path) -> Path:
    disk = raw_disk(tmp_path / "a.img").read_bytes()
    text = ovf({"a.img": len(disk)}).encode()
    own = {"web01.ovf": text, "a.img": disk}
    return tar(tmp_path / "web01.ova", {"web01.ovf": text, "web01.mf": manifest(own), **own})


def test_a_pipe_and_a_redirected_file(ova: Path, kensho: Kensho, tmp_path: Path) -> None:
    with subprocess.Popen(["cat", ova], stdout=subprocess.PIPE) as cat:
        arguments = command("convert", "-", "--to", "kvm", "-o", tmp_path / "pipe", "--json")
        done = subprocess.run(arguments, stdin=cat.stdout, capture_output=True, check=True)
    assert cat.returncode == 0
    with ova.open("rb") as file:
        again = subprocess.run(
            command("convert", "-", "--to", "kvm", "-o", tmp_path / "redirected", "--json"),
            stdin=file,
            capture_output=True,
            check=True,
        )
    code, out, _ = kensho("convert", ova, "--to", "kvm", "-o", tmp_path / "file", "--json")
    results = [json.loads(text) for text in (done.stdout, again.stdout, out)]
    assert code == 0
    assert len({r["disks"][0]["content_root"] for r in results}) == 1
    assert {r["check"] for r in results} == {"ok"}
    for name in ("web01.xml", "web01-disk1.qcow2"):
        first = (tmp_path / "file" / name).read_bytes()
        assert (tmp_path / "pipe" / name).read_bytes() == first
        assert (tmp_path / "redirected" / name).read_bytes() == first


def test_exit_codes(ova: Path, tmp_path: Path) -> None:
    good, out = ova.read_bytes(), tmp_path / "out"
    flipped = bytearray(good)
    flipped[len(good) // 2] ^= 1
    arguments = ("convert", "-", "--to", "kvm", "-o", out)
    assert run(bytes(flipped), *arguments).returncode == 11
    assert run(good[: len(good) // 2], *arguments).returncode == 1
    short = run(b"", *arguments)
    assert (short.returncode, b"nothing came" in short.stderr) == (1, True)
    assert run(b"QFI\xfb" + bytes(5000), *arguments).returncode == 12
    assert run(good.replace(b'"a.img"', b'"a.vhd"'), *arguments).returncode == 10
    assert not out.exists()


def test_a_plan_and_a_dry_run_read_no_disk(ova: Path, tmp_path: Path) -> None:
    """The pipe stays open and nothing more comes: whoever waited for a disk would hang."""
    front = ova.read_bytes()[: 64 << 10]
    plan = tmp_path / "web01.plan"
    for arguments in (
        ("plan", "-", "--to", "kvm", "-o", plan),
        ("convert", "-", "--to", "kvm", "-o", tmp_path / "out", "--dry-run"),
    ):
        with subprocess.Popen(
            command(*arguments), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
        ) as child:
            assert child.stdin is not None
            child.stdin.write(front)
            child.stdin.flush()
            assert child.wait(300) == 0
    assert not (tmp_path / "out").exists()
    kept = run(ova.read_bytes(), "convert", plan, "-o", tmp_path / "out", "--json")
    assert json.loads(kept.stdout)["check"] == "ok"


def test_after_a_kill_it_starts_anew(ova: Path, tmp_path: Path) -> None:
    data, out = ova.read_bytes(), tmp_path / "out"
    arguments = command("convert", "-", "--to", "kvm", "-o", out, "-q")
    with subprocess.Popen(arguments, stdin=subprocess.PIPE) as child:
        assert child.stdin is not None
        child.stdin.write(data[: len(data) // 2])
        child.stdin.flush()
        while not list(out.glob(".*/.web01-disk1*")):
            assert child.poll() is None
            time.sleep(0.01)
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    assert not [p for p in out.iterdir() if not p.name.startswith(".")]
    assert run(data, "convert", "-", "--to", "kvm", "-o", out, "--json").returncode == 0
    assert not [p for p in out.iterdir() if p.name.startswith(".")]


def test_memory_does_not_grow_with_the_disk(tmp_path: Path) -> None:
    stream = tmp_path / "a.vmdk"
    with FileSink(stream) as sink:
        writer = create_disk("vmdk", None, sink, GIB, identity=b"1")
        noise = os.urandom(MIB)
        for n in range(64):
            writer.commit(writer.encode(n * GIB // 64, memoryview(noise)[: 65536 * (1 + n % 4)]))
        writer.finish()
    (tmp_path / "web01.ovf").write_text(ovf({"a.vmdk": GIB}))
    with tarfile.open(tmp_path / "web01.ova", "w", format=tarfile.USTAR_FORMAT) as archive:
        for name in ("web01.ovf", "a.vmdk"):
            archive.add(tmp_path / name, name)
    out = tmp_path / "out"
    with subprocess.Popen(["cat", tmp_path / "web01.ova"], stdout=subprocess.PIPE) as cat:
        arguments = ["convert", "-", "--to", "kvm", "-o", str(out), "-q", "--threads", "2"]
        done = subprocess.run(
            [sys.executable, "-c", CHILD, *arguments],
            stdin=cat.stdout, capture_output=True, check=True,
        )  # fmt: skip
    assert int(done.stdout.split()[-1]) <= 96 * MIB
    assert (out / "web01-disk1.qcow2").stat().st_size > 8 * MIB
