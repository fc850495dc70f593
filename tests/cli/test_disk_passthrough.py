"""``disk convert --passthrough``: what it says, and what qemu-img reads."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Kensho

AsJson = Callable[..., Any]


@pytest.mark.parametrize("how", ["checked", "blind"])
def test_passthrough(kensho: Kensho, as_json: AsJson, disk: Path, tmp_path: Path, how: str) -> None:
    vmdk, qcow2 = tmp_path / "disk.vmdk", tmp_path / "disk.qcow2"
    as_json("disk", "convert", disk, vmdk)
    made = as_json("disk", "convert", vmdk, qcow2, "--passthrough", how, "--verify")
    assert (made["subformat"], made["verified"]) == ("compressed", True)
    if shutil.which("qemu-img"):
        compare = ["qemu-img", "compare", "-f", "raw", "-F", "qcow2", disk, qcow2]
        subprocess.run(compare, check=True, capture_output=True)


def test_nothing_to_pass_through(kensho: Kensho, disk: Path, tmp_path: Path) -> None:
    for target in ("a.qcow2", "a.vhdx", "a.vmdk"):
        code, _, err = kensho("disk", "convert", disk, tmp_path / target, "--passthrough", "blind")
        assert (code, "passthrough" in err) == (2, True)
    assert list(tmp_path.glob("a.*")) == []
    code, _, _ = kensho(
        "disk", "convert", disk, tmp_path / "a.qcow2", "--passthrough", "blind", "--update"
    )
    assert code == 2
