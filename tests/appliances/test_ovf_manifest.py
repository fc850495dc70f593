from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from tests.appliances.ovf_samples import codes, envelope, package_folder

from kensho.appliances import Digest, open_package
from kensho.appliances.ovf.manifest import (
    MAX_MANIFEST,
    check_manifest,
    read_manifest,
    write_manifest,
)
from kensho.model.errors import LimitError, ManifestMismatchError

SHA1 = hashlib.sha1(b"x").hexdigest()
SHA256 = hashlib.sha256(b"x").hexdigest()


@pytest.mark.parametrize(
    "line",
    [
        f"SHA256(a.ovf)= {SHA256}",
        f"SHA256 (a.ovf) = {SHA256}",
        f"sha256(a.ovf)={SHA256.upper()}",
        f"SHA2-256(a.ovf)= {SHA256}",
        f"SHA-256(a.ovf)= {SHA256}",
        f"\ufeffSHA256(a.ovf)= {SHA256}\r",
    ],
)
def test_spellings_of_exporters(line: str) -> None:
    digests, findings = read_manifest(f"{line}\n".encode(), path="a.mf")
    assert digests == {"a.ovf": (Digest("sha256", SHA256),)}
    assert not findings


@pytest.mark.parametrize("name", ["md5", "sha1", "sha256", "sha384", "sha512"])
def test_algorithms(name: str) -> None:
    digest = hashlib.new(name, b"x").hexdigest()
    digests, findings = read_manifest(f"{name.upper()}(a b (1).vmdk)= {digest}".encode(), path="m")
    assert digests == {"a b (1).vmdk": (Digest(name, digest),)}
    assert not findings


def test_several_digests_of_one_file() -> None:
    text = f"SHA1(a)= {SHA1}\r\nSHA256(a)= {SHA256}\r\nSHA1(a)= {SHA1}\r\n"
    digests, _ = read_manifest(text.encode(), path="m")
    assert digests == {"a": (Digest("sha1", SHA1), Digest("sha256", SHA256))}


@pytest.mark.parametrize(
    "line", ["nonsense", "SHA256(a)= 12", "CRC32(a)= 12345678", f"SHA1(a)= {SHA256}", "\xff\xfe"]
)
def test_malformed_lines_are_findings(line: str) -> None:
    digests, findings = read_manifest(line.encode("latin-1"), path="m")
    assert not digests
    assert codes(findings) == {"KF-210"}


def test_padding_is_no_line() -> None:
    digests, findings = read_manifest(f"SHA1(a)= {SHA1}\n".encode() + b"\0" * 90, path="m")
    assert list(digests) == ["a"]
    assert not findings


def test_size_limit() -> None:
    with pytest.raises(LimitError):
        read_manifest(b" " * (MAX_MANIFEST + 1), path="m")


def test_writer_is_exact_and_read_back() -> None:
    data = write_manifest([("a.ovf", Digest("sha256", SHA256)), ("b", Digest("sha1", SHA1))])
    assert data == f"SHA256(a.ovf)= {SHA256}\nSHA1(b)= {SHA1}\n".encode()
    assert list(read_manifest(data, path="m")[0]) == ["a.ovf", "b"]


def _package(folder: Path, manifest: str, disk: bytes = b"x" * 100_000) -> Path:
    return package_folder(folder, envelope(), {"disk1.vmdk": disk, "test.mf": manifest.encode()})


def test_right_manifest(tmp_path: Path) -> None:
    disk = b"x" * 100_000
    descriptor = hashlib.sha256(envelope().encode()).hexdigest()
    text = f"SHA256(test.ovf)= {descriptor}\nSHA1(disk1.vmdk)= {hashlib.sha1(disk).hexdigest()}\n"
    seen: list[int] = []
    package = open_package(_package(tmp_path, text, disk))
    assert check_manifest(package, seen.append) == ()
    assert sum(seen) == len(disk) + len(envelope().encode())
    package.close()


def test_wrong_digest_names_both(tmp_path: Path) -> None:
    package = open_package(_package(tmp_path, f"SHA256(disk1.vmdk)= {SHA256}\n"))
    with pytest.raises(ManifestMismatchError) as caught:
        check_manifest(package)
    assert SHA256 in str(caught.value)
    assert hashlib.sha256(b"x" * 100_000).hexdigest() in str(caught.value)
    package.close()


def test_entries_that_cannot_be_checked(tmp_path: Path) -> None:
    text = f"SHA1(gone.vmdk)= {SHA1}\nSHA1(../../etc/passwd)= {SHA1}\n"
    package = open_package(_package(tmp_path, text))
    findings = check_manifest(package)
    assert [f.code for f in findings if f.code == "KF-211"] == ["KF-211", "KF-211"]
    assert "KF-212" in codes(findings)
    package.close()


def test_md5_alone_is_a_finding(tmp_path: Path) -> None:
    digest = hashlib.md5(b"x" * 100_000).hexdigest()
    package = open_package(_package(tmp_path, f"MD5(disk1.vmdk)= {digest}\n"))
    assert "KF-213" in codes(check_manifest(package))
    package.close()


def test_no_manifest(tmp_path: Path) -> None:
    package = open_package(package_folder(tmp_path, envelope()))
    assert package.manifest is None
    assert check_manifest(package) == ()
