"""The way back and copies, by the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Kensho
from tests.convert.test_returning import VMX, disk


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "web.vmx").write_text(VMX)
    disk(folder / "a.vmdk")
    disk(folder / "b.vmdk")
    return folder / "web.vmx"


def test_inspect_says_that_a_note_is_there(
    source: Path, tmp_path: Path, kensho: Kensho, as_json: Callable[..., Any]
) -> None:
    out = tmp_path / "out"
    assert kensho("convert", source, "--to", "kvm", "-o", out, "-q")[0] == 0
    assert "a note says where it came from: vmx vmware" in kensho("inspect", out)[1]
    assert as_json("inspect", out)["appliance"]["origin"]["kind"] == "vmx"


def test_no_origin_and_a_new_identity(source: Path, tmp_path: Path, kensho: Kensho) -> None:
    out = tmp_path / "out"
    options = ("--no-origin", "--identity", "new")
    assert kensho("convert", source, "--to", "kvm", "-o", out, "-q", *options)[0] == 0
    assert not list(out.glob("*.kensho.json"))
    text = (out / "Web-Server-01.xml").read_text()
    assert "00:50:56:01:02:03" not in text
    assert "564d1234" not in text
