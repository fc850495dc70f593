"""What people get wrong when they type: names like options, places that cannot be used, empty files."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Kensho
from tests.images import manifest, ovf, raw_disk


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """Return an OVF with a manifest that its disk does not match: whoever reads that says so."""
    raw_disk(tmp_path / "a.img")
    source = tmp_path / "web01.ovf"
    source.write_text(ovf({"a.img": 8 << 20}))
    (tmp_path / "web01.mf").write_bytes(manifest({"a.img": b"other"}))
    return source


def test_a_name_like_an_option_stands_behind_two_dashes(
    disk: Path, kensho: Kensho, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(disk.parent)
    disk.rename("-a.img")
    code, _, err = kensho("disk", "convert", "--to", "qcow2", "--", "-a.img", "-b")
    assert code == 0, err
    assert (disk.parent / "-b").exists()
    code, _, err = kensho("inspect", "-a.img")
    assert code == 2
    assert "./-a.img" in err


def test_what_is_there_is_told_before_the_source_is_read(package: Path, kensho: Kensho) -> None:
    out = package.parent / "out"
    code, _, err = kensho("convert", package, "--to", "kvm", "-o", out, "--no-manifest")
    assert code == 0, err
    code, _, err = kensho("convert", package, "--to", "kvm", "-o", out)
    assert code == 2, err
    assert "there already" in err
    code, _, err = kensho("convert", package, "--to", "kvm", "-o", package)
    assert code == 2
    assert "cannot be written to: Not a directory" in err


@pytest.mark.parametrize("verb", ["pack", "edit"])
def test_no_disk_is_converted_for_a_package_that_is_there(
    verb: str, package: Path, kensho: Kensho
) -> None:
    disk, target = package.parent / "a.img", package.parent / "there.ova"
    target.write_bytes(b"mine")
    words = (package, "--add-disk", disk) if verb == "edit" else (disk,)
    code, _, err = kensho(verb, *words, "-o", target)
    assert code == 2
    assert "there is a file already" in err
    assert "convert:" not in err
    assert target.read_bytes() == b"mine"


@pytest.mark.parametrize(
    "verb", ["inspect", "validate", "verify", "eula", "edit --dry-run --set cpus=2"]
)
def test_an_empty_file_is_said_to_be_empty(verb: str, tmp_path: Path, kensho: Kensho) -> None:
    empty = tmp_path / "empty.ova"
    empty.touch()
    code, _, err = kensho(*verb.split(), empty)
    assert code == 1
    assert "the file is empty" in err


def test_a_place_that_takes_no_files_is_a_mistake_in_the_command(
    disk: Path, kensho: Kensho
) -> None:
    code, out, _ = kensho("pack", disk, "-o", "/proc/a.ova", "--json")
    assert code == 2
    assert json.loads(out)["code"] == "KE-003"


def test_no_processors_are_no_usual_number(disk: Path, kensho: Kensho) -> None:
    for number in (0, -1, 5000):
        code, _, err = kensho("pack", disk, f"--cpus={number}", "-o", disk.parent / "a.ova")
        assert code == 2
        assert f"--cpus {number}: from 1 to 4096" in err


def test_a_plan_that_is_not_there_is_missed(tmp_path: Path, kensho: Kensho) -> None:
    code, _, err = kensho("convert", tmp_path / "plan.json")
    assert code == 2
    assert "there is no such plan" in err


def test_a_guest_of_no_such_name_has_names_near_it(disk: Path, kensho: Kensho) -> None:
    code, _, err = kensho("plan", disk, "--to", "kvm", "--guest", "debian-12")
    assert code == 2
    assert "debian12" in err


def test_a_pipe_answers_what_the_descriptor_does(disk: Path) -> None:
    package = disk.parent / "web.ova"
    command = (sys.executable, "-m", "kensho")
    subprocess.run((*command, "pack", disk, "-o", package, "--quiet"), check=True)
    for words, code, said in (
        (("edit", "-", "--set", "cpus=4", "--dry-run"), 0, "+++ b/web.ovf"),
        (("eula", "-"), 0, "no licence agreements"),
        (("environment", "-"), 0, "<Environment"),
        (("split", "-", "-o", disk.parent / "parts"), 12, "a pipe is read once"),
        (("edit", "-", "--set", "cpus=4", "-o", disk.parent / "b.ova"), 12, "a pipe is read once"),
        (("merge", "-", package, "-o", disk.parent / "b.ova"), 12, "a pipe is read once"),
        (("diff", "-", package), 12, "a pipe is read once"),
    ):
        with (
            package.open("rb") as whole,
            subprocess.Popen(("cat",), stdin=whole, stdout=subprocess.PIPE) as pipe,
        ):
            done = subprocess.run(
                (*command, *words), stdin=pipe.stdout, capture_output=True, text=True, check=False
            )
        assert done.returncode == code, (words, done.stderr)
        assert said in done.stdout + done.stderr, words
