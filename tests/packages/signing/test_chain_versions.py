"""A certificate of a version that there is not is damaged, not a crash."""

from __future__ import annotations

import datetime as dt

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding

from kensho.model.errors import CorruptError
from kensho.packages.signing.chain import load_certificate


def test_version_five() -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x")])
    now = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now.replace(year=2027))
    der = builder.sign(key, None).public_bytes(Encoding.DER)
    version = bytes.fromhex("a003020102")
    assert version in der
    load_certificate(der, path="x")
    with pytest.raises(CorruptError):
        load_certificate(der.replace(version, bytes.fromhex("a003020104")), path="x")
