"""Programs that end with whoever started them, also with one that was killed before they began."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kensho.proof.qemu.arguments import dying_with_us

pytestmark = pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv")

STARTS = """
import subprocess, time
from kensho.proof.qemu.arguments import dying_with_us
child = subprocess.Popen([*dying_with_us(), "sh", "-c", "echo here; exec sleep 600"])
time.sleep(600)
"""


def test_what_runs_is_killed_with_its_starter() -> None:
    with subprocess.Popen([sys.executable, "-c", STARTS], stdout=subprocess.PIPE) as starter:
        assert starter.stdout is not None
        assert starter.stdout.readline()
        starter.kill()
        assert starter.stdout.read() == b""  # ends when nobody has it any more


def test_nothing_begins_for_a_starter_that_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = tmp_path / "a mark"
    assert subprocess.run([*dying_with_us(), "touch", mark]).returncode == 0
    assert mark.exists()
    mark.unlink()
    monkeypatch.setattr(os, "getpid", lambda: 1 << 30)
    line = dying_with_us()
    monkeypatch.undo()
    assert subprocess.run([*line, "touch", mark]).returncode != 0
    assert not mark.exists()
