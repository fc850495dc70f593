"""Folders of whoever makes a proof are not in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from kensho.model.errors import LocatorError
from kensho.model.finding import Finding, Severity
from kensho.proof.causes.static import Foretold
from kensho.proof.private import folders_here, redacted, without_folders
from kensho.proof.profiles import PROFILES
from kensho.proof.trial import judge_unstarted


def test_a_start_that_could_not_be_made_tells_no_folder() -> None:
    profile = next(row for row in PROFILES if not row.static)
    for error in (
        LocatorError("cannot be read", path="/home/alice/vms/.prove-x/disk.sock"),
        OSError(28, "No space left on device", "/home/alice/vms/.prove-x/serial.log"),
    ):
        trial = judge_unstarted(profile, Foretold(), error)
        assert "alice" not in str(trial)
        assert "disk.sock" in trial.reason or "serial.log" in trial.reason


def test_addresses_and_what_is_no_path_stay() -> None:
    words = "see https://a.example/b/c and 3/4 of /usr/bin/qemu: Failed, file=/home/bob/x y.img"
    assert (
        without_folders(words) == "see https://a.example/b/c and 3/4 of qemu: Failed, file=x y.img"
    )


def test_of_findings_only_the_folders_here_are_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    folders = folders_here(["vms/a.ova", "https://a.example/x/y.ova"])
    said = f"{tmp_path}/vms/a.ova, {tmp_path}/home/drivers.iso and vms/a.ova: /etc/fstab names /dev/sda1"
    found = redacted(Finding("KF-001", Severity.NOTE, said, action=str(tmp_path)), folders)
    assert found.message == "a.ova, drivers.iso and a.ova: /etc/fstab names /dev/sda1"
    assert found.action == ""
