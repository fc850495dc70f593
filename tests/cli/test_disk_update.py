"""``kensho disk convert --update`` as a user types it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Kensho
from tests.images import MIB, raw_disk

AsJson = Callable[..., Any]


def change(disk: Path, at: int, data: bytes) -> None:
    with disk.open("r+b") as file:
        file.seek(at)
        file.write(data)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("out.qcow2", ()),
        ("out.vhd", ("--subformat", "fixed")),
        ("out.vhd", ("--for", "azure")),
        ("out.raw", ()),
    ],
)
def test_the_same_command_again_writes_what_changed(
    as_json: AsJson, kensho: Kensho, disk: Path, tmp_path: Path, name: str, options: tuple[str, ...]
) -> None:
    command = ("disk", "convert", disk, tmp_path / name, "--update", *options)
    first = as_json(*command)
    assert "blocks_written" not in first
    assert as_json(*command)["blocks_written"] == 0
    change(disk, MIB + 5, b"changed")
    assert as_json(*command, "--verify")["blocks_written"] == 1
    change(disk, 3 * MIB, bytes(MIB))
    again = options if "--for" in options else ()  # format and subformat need not be said again
    code, out, err = kensho("disk", "convert", disk, tmp_path / name, "--update", *again)
    assert code == 0, err
    assert "written of" in out
    assert kensho("disk", "compare", disk, tmp_path / name, "-q")[0] == 0
    root = as_json("disk", "convert", disk, tmp_path / "anew.raw", "--hash")["root"]
    assert root in out


def test_what_cannot_be(kensho: Kensho, disk: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.vmdk"
    assert kensho("disk", "convert", disk, out, "--update")[0] == 12
    assert not out.exists()
    assert kensho("disk", "convert", disk, "-", "--to", "raw", "--update")[0] == 2
    out = tmp_path / "out.raw"
    assert kensho("disk", "convert", disk, out)[0] == 0
    code, _, err = kensho("disk", "convert", disk, out, "--update")
    assert code == 2
    assert "--overwrite --hash" in err
    assert kensho("disk", "convert", disk, out, "--overwrite", "--hash")[0] == 0
    for more in ("--overwrite", "--dry-run"):
        assert kensho("disk", "convert", disk, out, "--update", more)[0] == 2
    change(out, 7, b"somebody's")
    code, _, err = kensho("disk", "convert", disk, out, "--update")
    assert code == 1
    assert "changed since" in err


def test_events_and_an_interrupted_run(
    kensho: Kensho, disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kensho.disks import update
    from kensho.model.errors import NoSpaceError

    out = tmp_path / "out.raw"
    kensho("disk", "convert", disk, out, "--update")
    raw_disk(disk, seed=2)
    real = update._Update.publish

    def full(self: Any) -> None:
        raise NoSpaceError("no room")

    monkeypatch.setattr(update._Update, "publish", full)
    code, _, err = kensho("disk", "convert", disk, out, "--update")
    assert code == 14
    assert "the same command finishes it" in err
    assert not out.exists()
    monkeypatch.setattr(update._Update, "publish", real)
    code, text, _ = kensho("disk", "convert", disk, out, "--update", "--events")
    assert code == 0
    assert '"finished":true' in text.replace(" ", "")
    assert "interrupted" in text
    assert out.read_bytes() == disk.read_bytes()


def test_a_pipe_can_be_the_source(disk: Path, kensho: Kensho, tmp_path: Path) -> None:
    stream, out = tmp_path / "s.vmdk", tmp_path / "out.qcow2"
    for at in (None, MIB):
        if at is not None:
            change(disk, at, b"new")
        assert kensho("disk", "convert", disk, stream, "--overwrite")[0] == 0
        command = [sys.executable, "-m", "kensho", "disk", "convert", "-", out, "--update"]
        done = subprocess.run(
            [*map(str, command), "--verify"], input=stream.read_bytes(), capture_output=True
        )
        assert done.returncode == 0, done.stderr
        assert b"identical" in done.stdout
    assert b" written of" in done.stdout
    assert kensho("disk", "compare", disk, out)[0] == 0
    # damage that the file's time does not show is found, and said to be that
    before = out.stat()
    change(out, before.st_size // 2, b"rot")
    os.utime(out, ns=(before.st_atime_ns, before.st_mtime_ns))
    done = subprocess.run(
        [*map(str, command), "--verify"], input=stream.read_bytes(), capture_output=True
    )
    assert done.returncode == 11
    assert b"write it anew" in done.stderr
    assert out.exists()


def test_hashes_of_a_disk_that_is_no_more_are_no_update(
    as_json: AsJson, kensho: Kensho, disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk was removed, its hashes were not, and the next conversion was killed."""
    from kensho.disks import copy_kernel, resume, transfer

    monkeypatch.setattr(resume, "EVERY", 1 << 16)
    monkeypatch.setattr(copy_kernel, "WINDOW", 1 << 20)
    out = tmp_path / "out.qcow2"
    as_json("disk", "convert", disk, out, "--hash")
    out.unlink()
    real, calls = transfer.copy_disk, []

    def killed(*arguments: Any, **options: Any) -> Any:
        return real(*arguments, **options, cancelled=lambda: calls.append(1) or len(calls) > 9)

    monkeypatch.setattr(transfer, "copy_disk", killed)
    kensho("disk", "convert", disk, out, "--update")
    monkeypatch.setattr(transfer, "copy_disk", real)
    code, _, err = kensho("disk", "convert", disk, out, "--update")
    assert (code, "resuming" in err) == (0, True), err
    assert kensho("disk", "compare", disk, out, "-q")[0] == 0
