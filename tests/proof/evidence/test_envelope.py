"""Signed envelopes, verified by openssl from nothing but the envelope's own fields."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from kensho.model.errors import CorruptError, UsageError
from kensho.proof.evidence.envelope import (
    certificate_ders,
    pae,
    read_envelope,
    seal,
    verifies,
)

KINDS = {
    "ed25519": ("-algorithm", "ed25519"),
    "ec": ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"),
    "rsa": ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"),
}
PAYLOAD = b'{"a": "\xc3\xa4"}'
TYPE = "application/vnd.in-toto+json"


def openssl(*arguments: object, fails: bool = False) -> bytes:
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True)
    assert (done.returncode != 0) == fails, done.stderr
    return done.stdout


@pytest.fixture(params=KINDS)
def key(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "key.pem"
    openssl("genpkey", *KINDS[request.param], "-out", path)
    openssl("pkey", "-in", path, "-pubout", "-out", tmp_path / "public.pem")
    return path


def checked_by_openssl(sealed: bytes, folder: Path, *, fails: bool = False) -> None:
    told = json.loads(sealed)
    payload = base64.b64decode(told["payload"])
    kind = told["payloadType"]
    message = f"DSSEv1 {len(kind)} {kind} {len(payload)} ".encode() + payload
    (folder / "message").write_bytes(message)
    (folder / "signature").write_bytes(base64.b64decode(told["signatures"][0]["sig"]))
    digest = (
        []
        if "ED25519" in openssl("pkey", "-in", folder / "key.pem", "-text").decode()
        else ["-digest", "sha256"]
    )
    openssl(
        "pkeyutl", "-verify", "-pubin", "-inkey", folder / "public.pem", "-rawin", *digest,
        "-in", folder / "message", "-sigfile", folder / "signature", fails=fails,
    )  # fmt: skip


def test_openssl_and_kensho_agree(key: Path, tmp_path: Path) -> None:
    private = load_pem_private_key(key.read_bytes(), None)
    sealed = seal(PAYLOAD, TYPE, private)
    checked_by_openssl(sealed, tmp_path)
    envelope = read_envelope(sealed, path="x")
    assert envelope.content == PAYLOAD
    assert verifies(envelope, envelope.signatures[0], private.public_key())
    other = json.loads(sealed)
    other["payload"] = base64.b64encode(PAYLOAD.replace(b"a", b"b")).decode()
    changed = json.dumps(other).encode()
    checked_by_openssl(changed, tmp_path, fails=True)
    envelope = read_envelope(changed, path="x")
    assert not verifies(envelope, envelope.signatures[0], private.public_key())


def test_the_certificate_goes_along_and_is_the_keys(key: Path, tmp_path: Path) -> None:
    private = load_pem_private_key(key.read_bytes(), None)
    der = tmp_path / "cert.der"
    openssl("req", "-x509", "-key", key, "-subj", "/CN=x", "-outform", "DER", "-out", der)
    (signature,) = read_envelope(
        seal(PAYLOAD, TYPE, private, [der.read_bytes()]), path="x"
    ).signatures
    assert certificate_ders(signature) == (der.read_bytes(),)
    openssl("genpkey", "-algorithm", "ed25519", "-out", tmp_path / "other.pem")
    other = load_pem_private_key((tmp_path / "other.pem").read_bytes(), None)
    with pytest.raises(UsageError):
        seal(PAYLOAD, TYPE, other, [der.read_bytes()])


def test_the_encoding_is_the_specifications_own_example() -> None:
    assert pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"\xff", b'{"payload":"","payloadType":"x","signatures":[]}']
)
def test_what_is_none_is_an_error(data: bytes) -> None:
    with pytest.raises(CorruptError):
        read_envelope(data, path="x")
