"""Machines converted from devices, and from facts beside copies."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hardware import SATA, Hardware

from kensho.appliances import open_package
from kensho.appliances.physical.open import open_local
from kensho.cli.exits import run as run_cli
from kensho.disks import open_disk
from kensho.model.errors import CorruptError, KenshoError
from kensho.model.machine import ControllerModel
from kensho.storage import FileSource

MIB = 1 << 20


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A loop device over a file with data in it; skipped where there are none."""
    file = tmp_path / "backing.img"
    file.write_bytes(os.urandom(MIB).ljust(8 * MIB, b"\0"))
    if shutil.which("losetup") is None:
        pytest.skip("no losetup")
    made = subprocess.run(["losetup", "--find", "--show", file], capture_output=True, text=True)
    if made.returncode != 0:
        pytest.skip("no loop devices here")
    device = made.stdout.strip()
    try:
        yield device, file
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)


def run(*arguments: str) -> int:
    return run_cli(list(arguments))


def content(path: Path) -> bytes:
    with FileSource(path) as source:
        reader = open_disk(source)
        data = bytearray(reader.virtual_size)
        reader.read_into(0, data)
        reader.close()
    return bytes(data)


def test_a_loop_device_becomes_a_machine(loop: tuple[str, Path], tmp_path: Path) -> None:
    device, file = loop
    before = file.read_bytes()
    out = tmp_path / "out"
    assert (
        run("convert", f"local:?disk={device}", "--to", "kvm", "--name", "p", "-o", str(out)) == 0
    )
    assert content(next(out.glob("*.qcow2"))) == before
    assert file.read_bytes() == before


def test_a_qcow2_mark_on_a_device_is_not_believed(loop: tuple[str, Path], tmp_path: Path) -> None:
    device, file = loop
    with file.open("r+b") as raw:
        raw.write(b"QFI\xfb\0\0\0\3")
    out = tmp_path / "out"
    assert (
        run("convert", f"local:?disk={device}", "--to", "kvm", "--name", "p", "-o", str(out)) == 0
    )
    assert content(next(out.glob("*.qcow2")))[:4] == b"QFI\xfb"


def test_a_device_named_itself(loop: tuple[str, Path], tmp_path: Path) -> None:
    package = open_package(loop[0])
    assert [f.code for f in package.findings] == ["KF-150"]
    assert package.appliance.images[0].capacity == 8 * MIB
    package.close()


def test_what_is_in_use_blocks_the_plan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = next((d for d in open_or_skip() if d.startswith("/dev/")), "")
    assert run("plan", "local:", "--to", "kvm", "--json") in {0, 10}
    plan = json.loads(capsys.readouterr().out)
    blocked = [f for f in plan["findings"] if f["code"] == "KF-520"]
    assert root
    assert [f["severity"] for f in blocked] == ["blocked"] * len(blocked)


def open_or_skip() -> list[str]:
    try:
        package = open_local("local:")
    except KenshoError as error:
        pytest.skip(str(error))
    names = [file.href for file in package.appliance.files]
    package.close()
    return names


@pytest.fixture
def facts(tmp_path: Path) -> Path:
    """The output of ``inspect local: --json`` on a machine with one SATA disk."""
    import msgspec

    hw = Hardware(tmp_path / "root").usual()
    hw.disk("sda", below=SATA, driver="ahci")
    hw.nic("eno1", "aa:bb:cc:00:00:01", "igb", "0000:03:00.0")
    package = open_local("local:", hw.root)
    shown = {"kind": "local", "path": "local:", "appliance": package.appliance}
    path = tmp_path / "copies" / "web01.json"
    path.parent.mkdir()
    path.write_bytes(msgspec.json.format(msgspec.json.encode(shown)))
    return path


@pytest.mark.parametrize("name", ["sda.img", "web01-sda.raw", "web01.dd", "sda"])
def test_a_copy_beside_the_facts(facts: Path, name: str) -> None:
    (facts.parent / name).write_bytes(b"\1" * MIB)
    package = open_package(facts)
    machine = package.appliance.machines[0]
    assert (package.kind, machine.cpu.count, machine.name) == ("facts", 4, "web01")
    assert machine.controllers[0].model is ControllerModel.AHCI
    assert package.open_file("file1").size == MIB
    assert any(f.code == "KF-533" and name in f.message for f in package.findings)
    package.close()


def test_facts_convert(facts: Path, tmp_path: Path) -> None:
    disk = facts.parent / "sda.img"
    disk.write_bytes(os.urandom(MIB))
    assert run("convert", str(facts), "--to", "kvm", "-o", str(tmp_path / "o")) == 0
    assert content(next((tmp_path / "o").glob("*.qcow2"))) == disk.read_bytes()


def test_facts_without_a_copy(facts: Path) -> None:
    package = open_package(facts)
    assert {"KF-533", "KF-201"} <= {f.code for f in package.findings}
    package.close()


def test_facts_never_lead_out_of_their_folder(facts: Path) -> None:
    data = json.loads(facts.read_text())
    for name in ("../x.img", "/etc/passwd", "http://127.0.0.1:9/x"):
        data["appliance"]["files"][0]["href"] = name
        facts.write_text(json.dumps(data))
        package = open_package(facts)
        with pytest.raises(KenshoError):
            package.open_file("file1")
        package.close()


@pytest.mark.parametrize(
    "change",
    [
        lambda a: a["machines"].clear(),
        lambda a: a["machines"][0].update(cpu={"count": 0}),
        lambda a: a["machines"][0].update(controllers=[]),
        lambda a: a["images"].append(a["images"][0]),
        lambda a: a.pop("name"),
    ],
)
def test_facts_that_contradict_themselves(facts: Path, change: object) -> None:
    data = json.loads(facts.read_text())
    change(data["appliance"])  # type: ignore[operator]
    facts.write_text(json.dumps(data))
    with pytest.raises(CorruptError):
        open_package(facts)


def test_damaged_facts(facts: Path) -> None:
    whole = facts.read_bytes()
    for cut in range(20, len(whole) - 3, 97):
        facts.write_bytes(whole[:cut])
        with pytest.raises(KenshoError):
            open_package(facts)
