"""Files under construction: one run each."""

import os
from pathlib import Path

import pytest

from kensho.model.errors import UsageError
from kensho.storage import PendingFile
from kensho.storage.atomic import partial_path, put_folder


def test_two_runs_do_not_write_one_pending_file(tmp_path):
    with PendingFile(tmp_path / "x") as first:
        first.sink.append(b"whole")
        with pytest.raises(UsageError, match="another run"):
            PendingFile(tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == b"whole"
    assert [file.name for file in tmp_path.iterdir()] == ["x"]


def test_what_a_killed_run_left_is_no_obstacle(tmp_path):
    partial_path(tmp_path / "x").write_bytes(b"half a ")
    with PendingFile(tmp_path / "x") as pending:
        pending.sink.append(b"whole")
    assert (tmp_path / "x").read_bytes() == b"whole"


def test_a_folder_is_durable_before_it_has_its_name(tmp_path, monkeypatch):
    made, place = tmp_path / "made", tmp_path / "place"
    (made / "a/b").mkdir(parents=True)
    (made / "page").write_bytes(b"page")
    (made / "a/b/log").write_bytes(b"log")
    synced, there = [], []
    fsync = os.fsync

    def noted(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        there.append(place.exists())
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    put_folder(made, place)
    names = ("a/b/log", "a/b", "a", "page", "")
    assert {made / name for name in names} | {tmp_path} == set(synced)
    assert synced[-1] == tmp_path  # the name itself, when it has it
    assert [path for path, is_there in zip(synced, there, strict=True) if is_there] == [tmp_path]
    assert (place / "a/b/log").read_bytes() == b"log"
    (tmp_path / "other").mkdir()
    with pytest.raises(OSError, match="not empty"):
        put_folder(tmp_path / "other", place)
