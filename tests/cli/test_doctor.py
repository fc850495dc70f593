"""``kensho doctor`` knows every library that is installed along, and the programs that verbs run."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kensho.cli.doctor import LIBRARIES
from kensho.guest.edit.backends import BACKENDS

ROOT = Path(__file__).parents[2]
#: Without these nothing of kensho runs, doctor neither.
NEEDED = {"msgspec", "lxml", "cyclopts", "rich"}


def test_every_dependency_is_listed(as_json: Callable[..., Any]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["objects"]]
    names = {re.split(r"[>=<]", line)[0] for line in wanted}
    assert names - NEEDED == {distribution.lower() for _, distribution, *_ in LIBRARIES}
    found = {row["name"]: row for row in as_json("doctor")}
    assert all(found[module]["found"] for module, *_ in LIBRARIES)
    assert {"debugfs", "e2fsck"} <= found.keys()
    for backend in BACKENDS:
        row = found[f"{', '.join(sorted(backend.kinds))}: {backend.name}"]
        assert bool(row["found"]) != bool(row["remedy"])
        assert {program for program, _ in backend.tools} <= found.keys()


def test_what_a_proof_needs_is_listed(
    as_json: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kensho.proof.qemu.arguments._UEFI_IMAGES", ())
    found = {row["name"]: row for row in as_json("doctor")}
    assert {"qemu-system-x86_64", "setpriv"} <= found.keys()
    row = found["UEFI's firmware for QEMU"]
    assert not row["found"]
    assert "ovmf" in row["remedy"]
