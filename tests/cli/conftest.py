from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kensho.cli.exits import run
from tests.images import raw_disk

Kensho = Callable[..., tuple[int, str, str]]


@pytest.fixture
def kensho(capsysbinary: pytest.CaptureFixture[bytes]) -> Kensho:
    """Run the command line in this process: (exit code, standard output, standard error)."""

    def call(*arguments: object) -> tuple[int, str, str]:
        code = run([str(a) for a in arguments])
        out, err = capsysbinary.readouterr()
        return code, out.decode(), err.decode()

    return call


@pytest.fixture
def as_json(kensho: Kensho) -> Callable[..., Any]:
    """Run a command that must succeed, with --json, and return what it printed."""

    def call(*arguments: object) -> Any:
        code, out, err = kensho(*arguments, "--json")
        assert code == 0, err
        return json.loads(out)

    return call


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    return raw_disk(tmp_path / "web01.img")
