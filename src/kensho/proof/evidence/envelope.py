"""Signed JSON: DSSE 1.0 (Dead Simple Signing Envelope), as in-toto's statements are signed.

Signatures are by Ed25519 (RFC 8032), RSA or ECDSA over SHA-256; the signer's X.509 certificates go
along where there are any. What is signed is the payload's bytes with its type before them (PAE), so that
any tool can check it: docs/proof.md has the lines for openssl.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from kensho.model.errors import CorruptError, LimitError, UsageError
from kensho.packages.signing import keys

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

_MOST = 96 << 20


class Signature(msgspec.Struct, frozen=True, omit_defaults=True):
    """One signature, in base64; ``keyid`` is SHA-256 of the public key's DER.

    ``certificates`` are the signer's in DER and base64, its own first: an addition to DSSE, which
    others pass over.
    """

    sig: str
    keyid: str = ""
    certificates: tuple[str, ...] = ()


class Envelope(msgspec.Struct, frozen=True, rename="camel"):
    """A payload in base64, its media type, and who signed it."""

    payload: str
    payload_type: str
    signatures: tuple[Signature, ...]

    @property
    def content(self) -> bytes:
        """The payload's bytes; CorruptError when it is not base64."""
        return _unpacked(self.payload, "payload")


def pae(payload_type: str, payload: bytes) -> bytes:
    """Return the bytes that are signed: DSSE's pre-authentication encoding."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def seal(
    payload: bytes,
    payload_type: str,
    key: keys.PrivateKey | Ed25519PrivateKey,
    certificates: Sequence[bytes] = (),
) -> bytes:
    """Return an envelope as JSON. UsageError when the first certificate is another key's."""
    from cryptography import x509

    public = key.public_key()
    if certificates:
        own = x509.load_der_x509_certificate(certificates[0]).public_key()
        if key_id(own) != key_id(public):
            raise UsageError("the certificate is not this key's", hint="its own comes first")
    message = pae(payload_type, payload)
    signature = Signature(
        base64.b64encode(_sign(key, message)).decode(),
        key_id(public),
        tuple(base64.b64encode(der).decode() for der in certificates),
    )
    return encoded(Envelope(base64.b64encode(payload).decode(), payload_type, (signature,)))


def encoded(envelope: Envelope) -> bytes:
    """Return an envelope as the file that is written, always the same bytes."""
    return msgspec.json.format(msgspec.json.encode(envelope), indent=1) + b"\n"


def read_envelope(data: bytes, *, path: str) -> Envelope:
    """Read an envelope. LimitError for more than 96 MiB, CorruptError for what is none."""
    if len(data) > _MOST:
        raise LimitError(f"{len(data)} bytes; at most {_MOST} are read", path=path)
    try:
        envelope = msgspec.json.decode(data, type=Envelope)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CorruptError(f"is no signed envelope: {error}", path=path) from None
    if not envelope.signatures:
        raise CorruptError("nobody signed this envelope", path=path)
    return envelope


def verifies(
    envelope: Envelope, signature: Signature, key: keys.PublicKey | Ed25519PublicKey
) -> bool:
    """Tell whether a signature of an envelope is the key's."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric import ed25519

    message = pae(envelope.payload_type, envelope.content)
    raw = _unpacked(signature.sig, "signature")
    if not isinstance(key, ed25519.Ed25519PublicKey):
        return keys.verifies(key, "sha256", raw, message)
    try:
        key.verify(raw, message)
    except InvalidSignature:
        return False
    return True


def key_id(key: object) -> str:
    """Return SHA-256 of a public key's SubjectPublicKeyInfo, hexadecimal."""
    import hashlib

    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined]
    return hashlib.sha256(der).hexdigest()


def certificate_ders(signature: Signature) -> tuple[bytes, ...]:
    """Return the signer's certificates in DER; CorruptError when they are not base64."""
    return tuple(_unpacked(text, "certificate") for text in signature.certificates)


def _sign(key: keys.PrivateKey | Ed25519PrivateKey, message: bytes) -> bytes:
    from cryptography.hazmat.primitives.asymmetric import ed25519

    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(message)
    return keys.sign(key, "sha256", message)


def _unpacked(text: str, what: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise CorruptError(f"the {what} of an envelope is not base64") from None
