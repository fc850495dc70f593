"""Signatures of drivers, with osslsigncode as the second opinion; every change of a byte shows."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import given, settings
from hypothesis import strategies as st

from kensho.guest.windows.drivers.catalog import read_catalog
from kensho.guest.windows.drivers.der import read_der
from kensho.guest.windows.drivers.pe import read_pe
from kensho.guest.windows.drivers.signed_data import read_signed
from kensho.model.errors import CorruptError, KenshoError, UnsupportedError
from tests.guest.windows.drivers.made import (
    CTL,
    SHA1,
    authenticode,
    ctl,
    driver,
    inf,
    package,
    signed,
    signed_driver,
    signer,
    unsigned_cat,
)

#: A loader of Debian's with a signature by Microsoft.
SHIM = Path("/usr/lib/shim/shimx64.efi.signed")

needs_osslsigncode = pytest.mark.skipif(
    shutil.which("osslsigncode") is None, reason="needs osslsigncode"
)


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    key, certificate, root = signer()
    pem = serialization.Encoding.PEM
    (tmp_path / "key.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    (tmp_path / "cert.pem").write_bytes(certificate.public_bytes(pem))
    (tmp_path / "root.pem").write_bytes(root.public_bytes(pem))
    return tmp_path


def ossl(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["osslsigncode", *map(str, words)], capture_output=True, text=True)


@needs_osslsigncode
@pytest.mark.parametrize("architecture", ["amd64", "x86", "arm64"])
def test_digests_of_programs_are_those_of_osslsigncode(keys: Path, architecture: str) -> None:
    for name, data in {
        "whole.sys": driver(architecture),
        "odd.sys": driver(architecture) + b"abc",
    }.items():
        (keys / name).write_bytes(data)
        for algorithm in ("sha1", "sha256"):
            out = keys / f"{algorithm}-{name}"
            ossl("sign", "-h", algorithm, "-certs", keys / "cert.pem", "-key", keys / "key.pem",
                 "-in", keys / name, "-out", out)  # fmt: skip
            said = ossl("verify", "-CAfile", keys / "root.pem", "-in", out).stdout
            (line,) = [t for t in said.splitlines() if t.startswith("Calculated message digest")]
            theirs = line.rpartition(":")[2].strip().lower()
            made = read_pe(out.read_bytes(), name)
            assert made.machine == architecture
            assert made.digest(algorithm).hex() == theirs
            assert read_pe(data, name).digest(algorithm).hex() == theirs
            assert read_signed(made.signature, name).signer == "Test Drivers Inc."


@needs_osslsigncode
def test_what_is_made_here_is_taken_by_osslsigncode(keys: Path) -> None:
    package(keys / "p")
    checked = ("verify", "-CAfile", keys / "root.pem")
    assert ossl(*checked, "-in", keys / "p/viostor.sys").returncode == 0
    catalog = ("-catalog", keys / "p/viostor.cat")
    assert ossl(*checked, *catalog, "-in", keys / "p/viostor.sys").returncode == 0
    (keys / "p/viostor.sys").write_bytes(signed_driver(filling=b"other"))
    assert ossl(*checked, *catalog, "-in", keys / "p/viostor.sys").returncode != 0


@needs_osslsigncode
@pytest.mark.parametrize("name", ["sha1", "sha256"])
def test_a_catalogue_signed_by_osslsigncode(keys: Path, name: str) -> None:
    files = {"a.inf": inf(), "a.sys": driver()}
    (keys / "plain.cat").write_bytes(unsigned_cat(ctl(files, name)))
    ossl("sign", "-h", name, "-certs", keys / "cert.pem", "-key", keys / "key.pem",
         "-in", keys / "plain.cat", "-out", keys / "a.cat")  # fmt: skip
    found = read_catalog((keys / "a.cat").read_bytes(), "a.cat")
    assert found.signed.chain == ("Test Drivers Inc.",)
    assert not found.signed.rooted
    assert {found.lists(data, file) for file, data in files.items()} == {name}
    assert found.lists(driver(filling=b"other"), "a.sys") == ""
    with pytest.raises(UnsupportedError, match="0 signers"):
        read_catalog((keys / "plain.cat").read_bytes(), "plain.cat")


@pytest.mark.skipif(not SHIM.exists(), reason="needs Debian's shim-signed")
def test_a_program_that_microsoft_signed() -> None:
    program = read_pe(SHIM.read_bytes(), SHIM.name)
    found = read_signed(program.signature, SHIM.name)
    assert found.chain[0].startswith("Microsoft")
    assert not found.rooted
    assert found.content.part(1, 0x30).part(1, 0x04).content == program.digest("sha256")


def test_who_signed() -> None:
    found = read_signed(signed(CTL, ctl({})), "a.cat")
    assert found.chain == ("Test Drivers Inc.", "Test Root")
    assert found.rooted
    assert read_signed(signed(CTL, ctl({}, "sha1"), SHA1), "a.cat").digest == "sha1"


def test_a_change_of_any_byte_shows() -> None:
    """But of those that no signature covers: the version numbers, and how digests are announced."""
    data = inf()
    whole = signed(CTL, ctl({"a.inf": data}))
    listed = {hashlib.sha256(data).digest()}
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 0x01
        try:
            found = read_catalog(bytes(changed), "a.cat")
        except KenshoError:
            continue
        assert found.digests == listed
        assert found.signed.signer == "Test Drivers Inc."


def test_a_certificate_that_is_numbered_oddly_is_no_warning() -> None:
    whole = signed(CTL, ctl({}))
    serial = whole.index(b"\x02\x02\x03\xe9")
    changed = whole[: serial + 2] + b"\x83" + whole[serial + 3 :]
    with pytest.raises(CorruptError):
        read_signed(changed, "a.cat")


def test_a_change_of_any_byte_of_a_driver_shows() -> None:
    plain = signed_driver()
    catalog = read_catalog(signed(CTL, ctl({"a.sys": plain})), "a.cat")
    end = len(driver())
    skipped = {*range(64 + 24 + 64, 64 + 24 + 68), *range(64 + 24 + 144, 64 + 24 + 152)}
    for place in set(range(0, end, 7)) - skipped:
        changed = bytearray(plain)
        changed[place] ^= 0x01
        try:
            listed = catalog.lists(bytes(changed), "a.sys")
        except KenshoError:
            continue
        assert listed == ""


def test_a_signature_of_something_else() -> None:
    with pytest.raises(CorruptError, match="no catalogue"):
        read_catalog(signed("1.3.6.1.4.1.311.2.1.4", ctl({})), "a.cat")


def test_headers_that_are_none() -> None:
    for data in (b"MZ", b"MZ" + bytes(100), b"ELF", driver()[:100], driver()[:64] + b"XX"):
        with pytest.raises(CorruptError):
            read_pe(data, "a.sys")
    bad = bytearray(signed_driver())
    bad[64 + 24 + 112 + 36 : 64 + 24 + 112 + 40] = b"\xff\xff\xff\x7f"
    with pytest.raises(CorruptError, match="certificate table"):
        read_pe(bytes(bad), "a.sys")
    assert read_pe(driver(), "a.sys").digest("sha1") == authenticode(driver(), "sha1")


@settings(max_examples=200)
@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    for read in (read_catalog, read_pe, read_der, read_signed):
        try:
            read(data, "x")
        except KenshoError:
            continue
    for wrapped in (b"\x30\x82" + len(data).to_bytes(2, "big") + data,):
        with pytest.raises(KenshoError):
            read_signed(wrapped, "x")
