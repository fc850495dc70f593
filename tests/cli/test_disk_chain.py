"""``kensho disk convert --chain keep``."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kensho.disks import create_disk
from kensho.disks.base import ChildWriter, ParentRef
from kensho.storage import FileSink, PendingFile
from tests.cli.conftest import Kensho
from tests.images import MIB, raw_disk

AsJson = Callable[..., Any]
SIZE = 8 * MIB
UNIT = 1 << 16

KEPT = [
    ("qcow2", None, "uncompressed", "uncompressed"),
    ("qcow2", "compressed", "compressed", "compressed"),
    ("vhd", None, "dynamic", "differencing"),
    ("vhd", "fixed", "fixed", "differencing"),
    ("vhdx", None, "dynamic", "differencing"),
    ("vhdx", "dynamic-4kn", "dynamic-4kn", "differencing-4kn"),
    ("vdi", None, "dynamic", "differencing"),
    ("vmdk", None, "monolithicSparse", "monolithicSparse"),
    ("vmdk", "vmfssparse", "vmfs", "vmfsSparse"),
    ("vmdk", "monolithicFlat", "monolithicFlat", "monolithicSparse"),
]


def child(path: Path, parent: str, pieces: dict[int, bytes], size: int = SIZE) -> Path:
    """Write a QCOW2 on top of ``parent``; a piece of no bytes hides what is there."""
    sink = FileSink(path)
    below = ParentRef(parent, "qcow2")
    writer = create_disk("qcow2", None, sink, size, identity=parent.encode(), parent=below)
    assert isinstance(writer, ChildWriter)
    writer.own((at, at + UNIT) for at in pieces)
    for at, piece in pieces.items():
        if piece:
            writer.commit(writer.encode(at, memoryview(piece.ljust(UNIT, b"\0"))))
    writer.finish()
    sink.close()
    return path


@pytest.fixture
def chain(kensho: Kensho, tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    raw = raw_disk(tmp_path / "base.raw", size=SIZE)
    assert kensho("disk", "convert", raw, folder / "base.qcow2")[0] == 0
    raw.unlink()
    child(folder / "middle.qcow2", "base.qcow2", {0: b"", MIB: b"middle", 3 * MIB: b"middle"})
    return child(folder / "top.qcow2", "middle.qcow2", {MIB: b"top", 5 * MIB: b"top"})


@pytest.mark.parametrize(("fmt", "sub", "base", "above"), KEPT)
def test_a_chain_is_kept(
    kensho: Kensho, as_json: AsJson, chain: Path, tmp_path: Path, fmt: str, sub: str | None,
    base: str, above: str,
) -> None:  # fmt: skip
    out = tmp_path / "out" / f"new.{fmt}"
    out.parent.mkdir()
    command = ["disk", "convert", chain, out, "--chain", "keep"]
    command += ["--subformat", sub] if sub else []
    planned = as_json(*command, "--dry-run")["chain"]
    assert list(out.parent.iterdir()) == []
    made = as_json(*command, "--verify", "--hash")
    assert made["verified"]
    about = as_json("disk", "info", out)
    if fmt != "qcow2":  # whose reader knows only versions
        assert about["subformat"] == above
        assert [layer["subformat"] for layer in about["chain"]] == [above, base]
    assert [Path(layer["path"]).name for layer in planned] == [
        out.name, *(layer["name"] for layer in about["chain"]),
    ]  # fmt: skip
    assert [layer["subformat"] for layer in planned] == [above, above, base]
    assert sorted(p.name for p in out.parent.iterdir()) == sorted(made["files"])
    assert made["file_size"] == sum(p.stat().st_size for p in out.parent.iterdir())
    assert made["root"] == as_json("disk", "convert", chain, tmp_path / "x.raw", "--hash")["root"]
    # each layer by itself reads as the one it was made from
    for ours, theirs in zip(about["chain"], ("middle.qcow2", "base.qcow2"), strict=True):
        assert kensho("disk", "compare", out.parent / ours["name"], chain.parent / theirs)[0] == 0
    if fmt in {"qcow2", "vmdk"} and shutil.which("qemu-img"):
        done = subprocess.run(["qemu-img", "compare", "-U", chain, out], capture_output=True)
        assert done.returncode == 0, done.stderr


def test_the_same_run_keeps_the_same_bytes(kensho: Kensho, chain: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        code, out, _ = kensho(
            "disk", "convert", chain, tmp_path / name / "x.vdi", "--chain", "keep"
        )
        assert code == 0
        assert "with {" in out
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_what_is_there_is_not_replaced_unasked(kensho: Kensho, chain: Path, tmp_path: Path) -> None:
    (tmp_path / "x-parent2.qcow2").write_bytes(b"mine")
    command = ("disk", "convert", chain, tmp_path / "x.qcow2", "--chain", "keep")
    for more in ((), ("--dry-run",)):
        code, _, err = kensho(*command, *more)
        assert code == 2
        assert "x-parent2.qcow2" in err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["source", "x-parent2.qcow2"]
    assert kensho(*command, "--overwrite")[0] == 0


def test_a_source_file_is_never_a_target(kensho: Kensho, chain: Path) -> None:
    before = {p.name: p.read_bytes() for p in chain.parent.iterdir()}
    (chain.parent / "x-parent1.qcow2").hardlink_to(chain.parent / "base.qcow2")
    code, _, err = kensho("disk", "convert", chain, chain.parent / "x.qcow2", "--chain", "keep",
                          "--overwrite")  # fmt: skip
    assert code == 2
    assert "same file" in err
    (chain.parent / "x-parent1.qcow2").unlink()
    assert {p.name: p.read_bytes() for p in chain.parent.iterdir()} == before


def test_what_cannot_be_kept_is_said(kensho: Kensho, chain: Path, tmp_path: Path) -> None:
    def refused(*arguments: object) -> str:
        code, _, err = kensho("disk", "convert", *arguments, "--chain", "keep")
        assert code == 2
        return err

    assert "raw knows no disks that are based on others" in refused(chain, tmp_path / "x.raw")
    assert "streamOptimized" in refused(
        chain, tmp_path / "x.vmdk", "--subformat", "streamOptimized"
    )
    refused(chain, tmp_path / "x.vhd", "--for", "azure")
    refused(chain, "-", "--to", "qcow2")
    refused(chain, tmp_path / "x.qcow2", "--update")
    taller = child(chain.parent / "tall.qcow2", "top.qcow2", {}, 2 * SIZE)
    assert "one size for a whole chain" in refused(taller, tmp_path / "x.vhd")
    assert [p.name for p in tmp_path.iterdir()] == ["source"]
    assert kensho("disk", "convert", taller, tmp_path / "x.vhdx", "--chain", "keep")[0] == 0


def test_a_disk_based_on_nothing_is_converted_as_ever(
    kensho: Kensho, disk: Path, tmp_path: Path
) -> None:
    assert kensho("disk", "convert", disk, tmp_path / "x.vmdk", "--chain", "keep")[0] == 0
    assert kensho("disk", "compare", disk, tmp_path / "x.vmdk")[0] == 0


def test_a_chain_that_does_not_verify_is_not_put_in_place(
    kensho: Kensho, chain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kensho.disks import chain_write

    monkeypatch.setattr(chain_write, "compare", lambda *_, **__: 4096)
    command = ("disk", "convert", chain, tmp_path / "x.qcow2", "--chain", "keep", "--verify")
    assert kensho(*command)[0] == 11
    assert [p.name for p in tmp_path.iterdir()] == ["source"]


@pytest.mark.parametrize(("fmt", "name"), [("qcow2", "a:x"), ("vhdx", "a\\b"), ("vmdk", "x\x01")])
def test_names_that_could_not_be_read_again(
    kensho: Kensho, chain: Path, tmp_path: Path, fmt: str, name: str
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    for options in (["--chain", "keep"], ["--subformat", "twoGbMaxExtentFlat"]):
        if fmt == "vmdk" or "keep" in options:
            code, _, err = kensho("disk", "convert", chain, out / f"{name}.{fmt}", *options)
            assert code == 2
            assert "cannot be called" in err
    assert list(out.iterdir()) == []


@pytest.mark.parametrize("options", [["--chain", "keep"], ["--subformat", "twoGbMaxExtentSparse"]])
def test_an_old_disk_is_not_seen_with_new_files(
    kensho: Kensho,
    chain: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
) -> None:
    """Killed between two names: what is there would read as a mixture of both."""
    out = tmp_path / "out.vmdk"
    assert kensho("disk", "convert", chain, out, *options)[0] == 0
    commit, done = PendingFile.commit, []

    def killed(pending: PendingFile) -> None:
        if done:
            raise KeyboardInterrupt
        commit(pending)
        done.append(pending)

    monkeypatch.setattr(PendingFile, "commit", killed)
    assert kensho("disk", "convert", chain, out, "--overwrite", *options)[0] == 130
    assert done
    assert not out.exists()
