"""A signed envelope opened: which of its signatures counts, whose it is, and what statement it vouches for."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from kensho.model.errors import CorruptError, KenshoError
from kensho.packages.signing import keys
from kensho.packages.signing.chain import load_certificate
from kensho.proof.evidence.envelope import Envelope, Signature, certificate_ders, key_id, verifies
from kensho.proof.evidence.portability import Portability, subjects_of
from kensho.proof.evidence.statement import MEDIA_TYPE, PREDICATE, TYPE, Statement

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    PublicKey: TypeAlias = keys.PublicKey | Ed25519PublicKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """An envelope, and the statement ``beside`` it, None where there is none.

    ``payload`` is None where it cannot be read; ``certificates`` are those of the ``signature``, none where
    the first cannot be read, ``broken`` why, by number. ``key`` is the ``given`` one, else the signer's.
    ``good`` tells that the signature is of the payload, ``mended`` that it is of the statement beside.
    """

    envelope: Envelope
    beside: bytes | None
    payload: bytes | None
    signature: Signature
    certificates: tuple[x509.Certificate, ...]
    broken: dict[int, str]
    given: PublicKey | None
    key: PublicKey | None
    good: bool
    mended: bool

    @property
    def same(self) -> bool:
        """Whether what is beside it, if anything, is the payload."""
        return self.beside is None or self.beside == self.payload

    def is_by(self, key: PublicKey | None) -> bool:
        """Tell whether the signature is of the payload and by this key."""
        return self.payload is not None and _is_by(key, self.envelope, self.signature)


def open_envelope(
    envelope: Envelope, beside: bytes | None, given: PublicKey | None, path: str
) -> Opened:
    """Find the signature to judge, its certificates and its key, and check it."""
    payload = _payload(envelope)
    signature = _chosen(envelope, payload, given, path)
    certificates, broken = _certificates(signature, path)
    key = given or key_of(certificates)
    good = payload is not None and _is_by(key, envelope, signature)
    other = _sealing(beside, signature)
    return Opened(
        envelope=envelope, beside=beside, payload=payload, signature=signature,
        certificates=certificates, broken=broken, given=given, key=key, good=good,
        mended=not good and other is not None and _is_by(key, other, signature),
    )  # fmt: skip


def stated(opened: Opened, path: str) -> Portability:
    """Return what the statement to go by claims; CorruptError when there is none."""
    first = opened.beside if opened.mended or opened.payload is None else opened.payload
    evidence, why = _first([first] if opened.good else [first, opened.beside], path)
    if evidence is None:
        raise CorruptError(f"is no statement of a proof: {why}", path=path)
    return evidence


def evidence_of(content: bytes, path: str) -> Portability:
    """Return what a statement claims; CorruptError for what is no statement of kensho's."""
    try:
        statement = msgspec.json.decode(content, type=Statement)
        if statement.predicate_type != PREDICATE:
            raise CorruptError(f"states {statement.predicate_type[:200]!r}", path=path)
        evidence = msgspec.convert(statement.predicate, Portability)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CorruptError(f"is no statement of a proof: {error}", path=path) from None
    if statement.type != TYPE or statement.subject != subjects_of(evidence):
        # other tools go by the subjects: both have to be the same
        raise CorruptError("is not of the disks that it tells of", path=path, field="subject")
    return evidence


def _chosen(
    envelope: Envelope, payload: bytes | None, public: PublicKey | None, path: str
) -> Signature:
    """Return the signature to judge: the given key's, else that of the key that the statement names."""
    if len(envelope.signatures) > 1:
        signers = None
        if public is None:
            evidence, _ = _first([payload], path)
            signers = evidence.signers if evidence is not None else None
        wanted = key_id(public) if public is not None else signers.keyid if signers else ""
        for signature in envelope.signatures:
            if signature.keyid == wanted:
                return signature
    return envelope.signatures[0]


def _payload(envelope: Envelope) -> bytes | None:
    try:
        return envelope.content
    except CorruptError:
        return None


def _sealing(content: bytes | None, signature: Signature) -> Envelope | None:
    """Return the envelope that there would be over other content."""
    if content is None:
        return None
    return Envelope(base64.b64encode(content).decode(), MEDIA_TYPE, (signature,))


def _first(contents: Sequence[bytes | None], path: str) -> tuple[Portability | None, str]:
    why = "there is none"
    for content in contents:
        if content is not None:
            try:
                return evidence_of(content, path), ""
            except CorruptError as error:
                why = error.message
    return None, why


def _certificates(
    signature: Signature, path: str
) -> tuple[tuple[x509.Certificate, ...], dict[int, str]]:
    """Return the certificates that can be read, and by number why others cannot."""
    try:
        ders = certificate_ders(signature)
    except CorruptError as error:
        return (), {1: error.message}
    found, broken = [], {}
    for number, der in enumerate(ders, 1):
        try:
            found.append(load_certificate(der, path=path))
        except CorruptError as error:
            broken[number] = error.message
    return (() if 1 in broken else tuple(found)), broken


def key_of(certificates: Sequence[x509.Certificate]) -> PublicKey | None:
    """Return the key of the signer's certificate; None without one, or when it cannot be read."""
    from cryptography.hazmat.primitives.asymmetric import ed25519

    if not certificates:
        return None
    try:
        key = certificates[0].public_key()
        return key if isinstance(key, ed25519.Ed25519PublicKey) else keys.public_key(key, path="")
    except Exception:  # noqa: BLE001 - strange keys raise many kinds
        return None


def _is_by(key: PublicKey | None, envelope: Envelope, signature: Signature) -> bool:
    try:
        return key is not None and verifies(envelope, signature, key)
    except KenshoError:
        return False
