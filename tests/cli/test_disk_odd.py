"""What users give the disk verbs that is not quite right, and places disks are found in."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Kensho
from tests.images import MIB, raw_disk, tar

AsJson = Callable[..., Any]


def test_a_folder_that_is_not_there(kensho: Kensho, disk: Path, tmp_path: Path) -> None:
    for name in ("x.qcow2", "x.vmdk"):
        code, _, err = kensho("disk", "convert", disk, tmp_path / "none" / name)
        assert code == 2
        assert "there is no such folder" in err
    assert not (tmp_path / "none").exists()


def test_a_folder_that_takes_no_files(kensho: Kensho, disk: Path) -> None:
    code, _, err = kensho("disk", "convert", disk, "/proc/x.qcow2")
    assert code == 2
    assert "cannot be created" in err


def test_numbers_that_make_no_sense(kensho: Kensho, disk: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.raw"
    for number in ("0", "-3"):
        code, _, err = kensho("disk", "convert", disk, out, f"--threads={number}")
        assert (code, "at least one" in err) == (2, True)
    code, _, err = kensho("disk", "convert", disk, out, "--size", "9M")
    assert (code, "from a pipe" in err) == (2, True)
    assert not out.exists()
    assert kensho("disk", "convert", disk, out, "--size", "8M")[0] == 0


def test_a_disk_in_a_tar_gz_is_read_in_place(
    kensho: Kensho, as_json: AsJson, disk: Path, tmp_path: Path
) -> None:
    packed = tmp_path / "box.tar.gz"  # as Google Cloud's, but for the gibibyte they have at least
    with tarfile.open(packed, "w:gz", format=tarfile.GNU_FORMAT) as archive:
        archive.add(disk, "disk.raw")
    code, _, err = kensho("disk", "info", packed)
    assert (code, "box.tar.gz#disk.raw" in err) == (12, True)
    inside = f"{packed}#disk.raw"
    assert as_json("disk", "info", inside)["virtual_size"] == 8 * MIB
    assert kensho("disk", "compare", inside, disk)[0] == 0
    out = tmp_path / "x.qcow2"
    assert kensho("disk", "convert", inside, out, "--verify")[0] == 0
    qcow2 = tmp_path / "b.tgz"
    with tarfile.open(qcow2, "w:gz") as archive:
        archive.add(out, "deep/x.qcow2")
    assert kensho("disk", "compare", f"{qcow2}#deep/x.qcow2", disk)[0] == 0
    cut = tmp_path / "cut.tar.gz"
    cut.write_bytes(packed.read_bytes()[:-20])
    code, _, err = kensho("disk", "info", f"{cut}#disk.raw")
    assert (code, "KE-102" in err) == (1, True)
    code, _, err = kensho("disk", "info", f"{packed}#none")
    assert (code, "it has: disk.raw" in err) == (1, True)


def test_an_archive_that_changes_meanwhile_gives_no_result(
    kensho: Kensho, disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kensho.disks import transfer

    box = tar(tmp_path / "box.ova", {"disk.raw": disk.read_bytes()})
    real = transfer.copy_disk

    def touched(*arguments: Any, **options: Any) -> Any:
        result = real(*arguments, **options)
        with box.open("r+b") as file:
            file.seek(MIB)
            file.write(b"somebody was here")
        return result

    monkeypatch.setattr(transfer, "copy_disk", touched)
    code, _, err = kensho("disk", "convert", f"{box}#disk.raw", tmp_path / "x.qcow2")
    assert (code, "changed while it was read" in err) == (1, True)
    assert not (tmp_path / "x.qcow2").exists()


def test_a_source_that_changes_during_an_update_leaves_it_unfinished(
    kensho: Kensho, disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kensho.disks import update

    out = tmp_path / "x.qcow2"
    assert kensho("disk", "convert", disk, out, "--update")[0] == 0
    raw_disk(disk, seed=3)
    real = update.each_span

    def touched(*arguments: Any) -> Any:
        result = real(*arguments)
        with disk.open("r+b") as file:
            file.write(b"somebody was here")
        return result

    monkeypatch.setattr(update, "each_span", touched)
    code, _, err = kensho("disk", "convert", disk, out, "--update")
    assert (code, "the same command finishes it" in err) == (1, True)
    assert not out.exists()
    monkeypatch.setattr(update, "each_span", real)
    assert kensho("disk", "convert", disk, out, "--update", "--verify")[0] == 0
    assert kensho("disk", "compare", disk, out)[0] == 0


def test_what_is_odd_about_a_source_is_told(kensho: Kensho, disk: Path, tmp_path: Path) -> None:
    vhd = tmp_path / "x.vhd"
    assert kensho("disk", "convert", disk, vhd)[0] == 0
    with vhd.open("r+b") as file:
        file.truncate(vhd.stat().st_size - 512)  # the footer at the end
    for target, more in (
        ("a.qcow2", ("--update",)),
        ("a.qcow2", ("--update",)),
        ("b.raw", ()),
        ("-", ("--to", "raw")),
    ):
        out = tmp_path / target if target != "-" else target
        code, text, err = kensho("disk", "convert", vhd, out, *more, "--format", "vhd")
        assert (code, "KF-402" in err, "KF-402" in text) == (0, True, False)
        if target != "-":
            code, text, err = kensho(
                "disk", "convert", vhd, tmp_path / "c.raw", "--overwrite", "-q"
            )
            assert (code, err) == (0, "")
    code, text, _ = kensho("disk", "convert", vhd, tmp_path / "d.raw", "--events")
    assert (code, "KF-402" in text) == (0, True)
