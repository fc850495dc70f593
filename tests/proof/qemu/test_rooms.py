"""Folders for a run: short enough for sockets, gone afterwards, and swept when their run was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kensho.model.errors import LocatorError, ProofError
from kensho.proof.qemu import rooms
from kensho.proof.qemu.rooms import room

HOLD = """
import sys, time
from pathlib import Path
from kensho.proof.qemu.rooms import room
with room("held-", Path(sys.argv[1])) as folder:
    print(folder, flush=True)
    time.sleep(600)
"""


def test_it_is_private_and_gone_afterwards(tmp_path: Path) -> None:
    with room("x-", tmp_path) as folder:
        (folder / "deep/er").mkdir(parents=True)
        assert folder.stat().st_mode & 0o777 == 0o700
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(RuntimeError), room("x-", tmp_path):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_run_left_is_removed_and_what_a_living_one_has_is_not(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, tmp_path]
    (tmp_path / "held-by-somebody").mkdir()  # without an owner's mark: not ours to remove
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        held = Path(process.stdout.readline().strip())
        with room("held-", tmp_path):
            assert held.is_dir()
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert held.is_dir()
    with room("held-", tmp_path) as own:
        assert not held.exists()
        assert own.is_dir()
    assert [path.name for path in tmp_path.iterdir()] == ["held-by-somebody"]


def test_a_long_place_is_passed_over_for_sockets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("long" * 20)
    long.mkdir()
    monkeypatch.setenv("TMPDIR", str(long))
    with room("x-") as folder:
        assert len(os.fsencode(folder)) < 80
    monkeypatch.setenv("TMPDIR", str(tmp_path / "not-there"))
    with room("x-") as folder:
        assert folder.is_dir()


def test_no_place_at_all_is_said(tmp_path: Path) -> None:
    with pytest.raises(LocatorError, match="no folder can be made"), room("x-", tmp_path / "none"):
        pass


def test_a_full_place_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is to be free is more than any disk has."""
    monkeypatch.setattr(rooms, "_LEAST", 1 << 60)
    with pytest.raises(ProofError, match="no folder for files"), room("x-"):
        pass
