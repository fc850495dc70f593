"""``kensho encrypt`` and ``decrypt`` on the command line."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.cli.conftest import Kensho
from tests.cli.test_sign import command
from tests.images import ovf, tar
from tests.packages.encryption.test_encryption import DISK, ISO, WORD, descriptor, members, package
from tests.packages.signing.conftest import pki

__all__ = ["pki"]  # a fixture


@pytest.fixture
def word(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("secret") / "word"
    path.write_bytes(WORD + b"\n")
    return path


def test_with_a_passphrase(kensho: Kensho, tmp_path: Path, word: Path) -> None:
    source, out, back = (tmp_path / f"{name}.ova" for name in "abc")
    package(source)
    code, text, err = kensho("encrypt", source, "-o", out, "--passphrase-file", word, "--json")
    assert code == 0, err
    assert [f["size"] for f in json.loads(text)["files"]][1:] == [len(DISK) + 28, len(ISO) + 28]
    assert kensho("verify", out)[0] == 0
    code, text, _ = kensho("decrypt", out, "-o", back, "--dry-run", "--json")
    assert (code, json.loads(text)["files"]) == (0, ["disk.vmdk", "other.iso"])
    assert kensho("decrypt", out, "-o", back, "--passphrase-file", word)[0] == 0
    assert members(back)["disk.vmdk"] == DISK
    assert kensho("decrypt", out, "-o", back, "--passphrase-file", word)[0] == 2  # is there


def test_a_wrong_passphrase_is_exit_11_and_leaves_nothing(
    kensho: Kensho, tmp_path: Path, word: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, out = package(tmp_path / "a.ova"), tmp_path / "b.ova"
    assert kensho("encrypt", source, "-o", out, "--passphrase-file", word)[0] == 0
    monkeypatch.setenv("KENSHO_PASSPHRASE", "wrong")
    code, _, err = kensho("decrypt", out, "-o", tmp_path / "c.ova")
    assert code == 11
    assert "the key is wrong" in err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.ova", "b.ova"]
    monkeypatch.setenv("KENSHO_PASSPHRASE", WORD.decode())
    assert kensho("decrypt", out, "-o", tmp_path / "c.ova")[0] == 0


def test_with_a_key(kensho: Kensho, tmp_path: Path, pki: Path) -> None:
    source, out, back = (tmp_path / f"{name}.ova" for name in "abc")
    package(source)
    for name, code in (("ec", 12), ("rsa", 0)):
        found, _, err = kensho("encrypt", source, "-o", out, "--recipient", pki / f"{name}.pem",
                               "--files", "file2")  # fmt: skip
        assert found == code, err
    assert kensho("decrypt", out, "-o", back, "--key", pki / "alone.key")[0] == 11
    assert kensho("decrypt", out, "-o", back, "--key", pki / "ec.key")[0] == 12
    assert kensho("decrypt", out, "-o", back, "--key", pki / "rsa.key")[0] == 0
    assert members(out)["disk.vmdk"] == DISK
    assert members(back)["other.iso"] == ISO


def test_without_a_secret(kensho: Kensho, tmp_path: Path, word: Path, pki: Path) -> None:
    source, out = package(tmp_path / "a.ova"), tmp_path / "b.ova"
    assert kensho("encrypt", source, "-o", out)[0] == 2
    word.write_bytes(b"\n")
    assert kensho("encrypt", source, "-o", out, "--passphrase-file", word)[0] == 2
    both = ("--passphrase-file", word, "--recipient", pki / "rsa.pem")
    assert kensho("encrypt", source, "-o", out, *both)[0] == 2
    code, text, _ = kensho("encrypt", source, "-o", out, "--files", "file2", "--dry-run", "--json")
    assert (code, json.loads(text)["files"]) == (0, ["other.iso"])
    assert [p.name for p in tmp_path.iterdir()] == ["a.ova"]


def test_into_a_pipe_and_back_in_constant_memory(tmp_path: Path, word: Path) -> None:
    size = 96 << 20
    with (tmp_path / "disk.vmdk").open("wb") as file:
        file.write(DISK)
        file.truncate(size)
    (tmp_path / "other.iso").write_bytes(ISO)
    (tmp_path / "app.ovf").write_bytes(descriptor())
    out = tmp_path / "b.ova"
    with out.open("wb") as pipe:
        sealed = subprocess.run(
            command("encrypt", tmp_path / "app.ovf", "-o", "-", "--passphrase-file", word),
            stdout=pipe, stderr=subprocess.PIPE, check=True,
        )  # fmt: skip
    back = tmp_path / "back"
    opened = subprocess.run(
        command("decrypt", out, "-o", back, "--passphrase-file", word, "--json"),
        capture_output=True, check=True,
    )  # fmt: skip
    with tarfile.open(out) as tar:
        assert tar.getnames() == ["app.ovf", "disk.vmdk", "other.iso", "app.mf"]
        assert tar.getmember("disk.vmdk").size == size + 28
    assert subprocess.run(["cmp", tmp_path / "disk.vmdk", back / "disk.vmdk"]).returncode == 0
    for done in (sealed, opened):
        assert int(done.stderr) < 120_000  # KiB


def test_bytes_from_outside_the_archive_are_not_read(kensho: Kensho, tmp_path: Path) -> None:
    text = descriptor().replace(b"disk.vmdk", b"../disk.vmdk")
    with tarfile.open(tmp_path / "a.ova", "w") as tar:
        info = tarfile.TarInfo("app.ovf")
        info.size = len(text)
        tar.addfile(info, io.BytesIO(text))
    code, _, err = kensho("encrypt", tmp_path / "a.ova", "-o", tmp_path / "b.ova", "--dry-run")
    assert (code, "KE-201" in err) == (1, True)


def test_an_encrypted_disk_is_not_taken_for_a_raw_one(
    kensho: Kensho, tmp_path: Path, word: Path, disk: Path
) -> None:
    files = {"app.ovf": ovf({"web01.img": disk.stat().st_size}).encode()}
    source = tar(tmp_path / "a.ova", files | {"web01.img": disk.read_bytes()})
    sealed, back = tmp_path / "b.ova", tmp_path / "c.ova"
    assert kensho("encrypt", source, "-o", sealed, "--passphrase-file", word)[0] == 0
    code, _, err = kensho("convert", sealed, "--to", "kvm", "-o", tmp_path / "out")
    assert (code, "kensho decrypt" in err) == (10, True), err
    _, text, _ = kensho("inspect", sealed, "--json")
    assert "KF-718" in {f["code"] for f in json.loads(text)["findings"]}
    assert kensho("decrypt", sealed, "-o", back, "--passphrase-file", word)[0] == 0
    assert kensho("convert", back, "--to", "kvm", "-o", tmp_path / "out")[0] == 0
