"""CD-ROM images, read by programs that were there before us."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kensho.appliances.ovfenv.iso import write_iso
from kensho.model.errors import UsageError

FILES = [
    ("ovf-env.xml", b"<Environment/>"),
    ("meta-data", b"x" * 5000),
    ("meta-data.2", b"two"),
    ("user-data", b""),
    ("a-long-name-with-Capitals_and.more.dots", bytes(range(256)) * 17),
]


def _run(*line: object) -> bytes:
    return subprocess.run(list(map(str, line)), check=True, capture_output=True).stdout


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "e.iso"
    path.write_bytes(write_iso(FILES, "OVF ENV", 1_700_000_000))
    return path


@pytest.mark.skipif(shutil.which("isoinfo") is None, reason="isoinfo is not installed")
@pytest.mark.parametrize("names", ["-R", "-J"])
def test_isoinfo_reads_every_file(image: Path, names: str) -> None:
    assert b"Volume id: OVF ENV" in _run("isoinfo", "-d", "-i", image)
    listed = _run("isoinfo", names, "-f", "-i", image).decode().split()
    assert {n.removesuffix(";1") for n in listed} == {f"/{name}" for name, _ in FILES}
    suffix = ";1" if names == "-J" else ""
    for name, data in FILES:
        assert _run("isoinfo", names, "-i", image, "-x", f"/{name}{suffix}") == data


@pytest.mark.skipif(shutil.which("isoinfo") is None, reason="isoinfo is not installed")
def test_plain_iso_9660_names_are_level_1(image: Path) -> None:
    listed = _run("isoinfo", "-f", "-i", image).decode().split()
    assert len(set(listed)) == len(FILES)
    for name in listed:
        stem, _, suffix = name.removeprefix("/").removesuffix(";1").partition(".")
        assert len(stem) <= 8
        assert len(suffix) <= 3


@pytest.mark.skipif(shutil.which("bsdtar") is None, reason="bsdtar is not installed")
def test_bsdtar_reads_it(image: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    _run("bsdtar", "-xf", image, "-C", out)
    assert {p.name: p.read_bytes() for p in out.iterdir()} == dict(FILES)


@pytest.mark.skipif(shutil.which("xorriso") is None, reason="xorriso is not installed")
def test_xorriso_finds_nothing_wrong(image: Path) -> None:
    done = subprocess.run(
        ["xorriso", "-indev", image, "-lsl", "/", "--", "-check_media"],
        capture_output=True,
        text=True,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0
    assert "WARNING" not in said
    assert "SORRY" not in said
    assert "+ good" in said


@pytest.mark.skipif(shutil.which("blkid") is None, reason="blkid is not installed")
def test_the_label_is_what_guests_look_for(image: Path) -> None:
    assert b'LABEL="OVF ENV"' in _run("blkid", "-p", image)


def test_same_input_same_bytes() -> None:
    assert write_iso(FILES, "V", 5) == write_iso(FILES, "V", 5)
    assert write_iso(FILES, "V", 5) != write_iso(FILES, "V", 6)


@pytest.mark.parametrize(
    "files",
    [
        [("a/b", b"")],
        [("", b"")],
        [("a", b""), ("a", b"")],
        [(f"f{n}", b"") for n in range(17)],
        [("é", b"")],
    ],
)
def test_what_does_not_fit_is_refused(files: list[tuple[str, bytes]]) -> None:
    with pytest.raises(UsageError):
        write_iso(files, "V")


names = st.from_regex(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,59}", fullmatch=True)


@pytest.mark.skipif(shutil.which("bsdtar") is None, reason="bsdtar is not installed")
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(files=st.dictionaries(names, st.binary(max_size=5000), max_size=16))
def test_whatever_is_put_in_comes_out(
    files: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("iso")
    (folder / "e.iso").write_bytes(write_iso(list(files.items()), "V"))
    for name, data in files.items():
        assert _run("bsdtar", "-xOf", folder / "e.iso", "--", f"{name}") == data
