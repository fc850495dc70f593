"""The probe for KVM: it is what its source says, it ends where guests run, and it is believed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from kensho.proof.qemu import accelerator
from kensho.proof.qemu.accelerator import CODE, runs_on

SOURCE = Path(accelerator.__file__).with_name("probe.S")


def test_the_bytes_are_those_of_the_source(tmp_path: Path) -> None:
    if shutil.which("as") is None or shutil.which("objcopy") is None:
        pytest.skip("binutils are not installed")
    subprocess.run(["as", "--64", SOURCE, "-o", tmp_path / "probe.o"], check=True)
    image = tmp_path / "probe.bin"
    command = ["objcopy", "-O", "binary", "-j", ".text", tmp_path / "probe.o", image]
    subprocess.run(command, check=True)
    assert image.read_bytes() == CODE.ljust(510, b"\0") + b"\x55\xaa"


@pytest.mark.skipif(shutil.which("qemu-system-x86_64") is None, reason="QEMU is not installed")
def test_emulation_runs_it_and_no_time_is_not_enough() -> None:
    assert runs_on("tcg", 60)
    assert not runs_on("tcg", 0.01)
    assert not runs_on("no-such-accelerator", 5)
