"""Who signed a statement, and which part of a signed statement is not what was signed.

The statement names the key and the certificates it is signed with by their SHA-256, and lies beside
the envelope as a file of its own; so of one changed byte it can be told where it is.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

from kensho.model.errors import CorruptError, KenshoError
from kensho.packages.signing import keys
from kensho.packages.signing.chain import (
    Chain,
    Dates,
    build_chain,
    judge_chain,
    judge_dates,
    load_certificate,
    purpose_fault,
)
from kensho.proof.evidence.envelope import (
    Envelope,
    Signature,
    certificate_ders,
    encoded,
    key_id,
    read_envelope,
    verifies,
)
from kensho.proof.evidence.portability import Portability, Signers, subjects_of
from kensho.proof.evidence.statement import MEDIA_TYPE, PREDICATE, TYPE, Statement

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    PublicKey: TypeAlias = keys.PublicKey | Ed25519PublicKey

SignatureState = Literal["valid", "invalid", "unknown", "absent"]


class SignedBy(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who signed: ``unknown`` where neither certificate nor key is at hand, ``absent`` when nobody did.

    ``wrong`` names the parts of the certificate file that are not as they were signed, ``purpose`` says
    why the certificate is not meant for signing, ``others`` counts signatures that are not looked at.
    """

    state: SignatureState
    keyid: str = ""
    chain: Chain | None = None
    dates: Dates | None = None
    trusted: bool = False
    wrong: tuple[str, ...] = ()
    purpose: str = ""
    others: int = 0


@dataclass(frozen=True, slots=True)
class Believed:
    """The statement to go by: ``beside`` tells whether the file beside the envelope is it."""

    evidence: Portability
    signed: SignedBy
    beside: Literal["ok", "mismatch", "absent", "not vouched for"]


def believe(
    sealed: bytes | None, beside: bytes | None, trusted: Sequence[x509.Certificate],
    public: PublicKey | None, at: dt.datetime, path: str,
) -> Believed:  # fmt: skip
    """Judge the signed statement and the one beside it; CorruptError when neither is one."""
    if sealed is None:
        assert beside is not None
        alone = evidence_of(beside, path)
        lost = ("it is not there, and the statement names the key that signed it",)
        signed = SignedBy("absent", wrong=lost if alone.signers is not None else ())
        return Believed(alone, signed, "not vouched for")
    try:
        envelope = read_envelope(sealed, path=path)
    except CorruptError as error:
        if beside is None:
            raise
        return _unsigned(beside, path, f"it is no signed envelope any more: {error.message}")
    payload = _payload(envelope)
    signature = _chosen(envelope, payload, public, path)
    certificates, broken = _certificates(signature, path)
    key = public or _key_of(certificates)
    good = payload is not None and key is not None and _verifies(envelope, signature, key)
    other = _sealing(beside, signature)
    mended = not good and other is not None and key is not None and _verifies(other, signature, key)
    content = beside if mended or payload is None else payload
    evidence, why = _first([content] if good else [content, beside], path)
    if evidence is None:
        raise CorruptError(f"is no statement of a proof: {why}", path=path)
    same = beside is None or beside == payload
    told, dates, purpose = None, None, ""
    if certificates:
        purpose = purpose_fault(certificates[0])
        links = build_chain(certificates[0], certificates[1:], trusted)
        told, dates = judge_chain(links, trusted), judge_dates(links, at)
    wrong = [
        *_changed_certificates(certificates, broken, evidence.signers),
        *_changed_keyid(signature, key, evidence.signers),
    ]
    if good and public is not None and certificates and not _is_of(certificates[0], public):
        wrong.append("its certificates: they are of another key than the one that signed")
    if key is not None and not good:
        wrong += _changed(
            envelope, signature, certificates, public, same=same, mended=mended, found=wrong
        )
    elif envelope.payload_type != MEDIA_TYPE:
        wrong.append("the payload's type")
    elif payload is None:
        wrong.append("the statement in it")
    elif not same and key is None:
        wrong.append("the statement in it, or the one beside it")
    if not wrong and sealed != _as_written(envelope):
        wrong.append("how it is spelled: the bytes are not those that kensho wrote")
    state: SignatureState = "unknown" if key is None else "valid" if good else "invalid"
    known = public is not None or (
        told is not None
        and told.state == "trusted"
        and dates is not None
        and dates.state == "valid"
    )
    signed = SignedBy(
        state, signature.keyid, told, dates, good and known and not wrong, tuple(wrong), purpose,
        len(envelope.signatures) - 1,
    )  # fmt: skip
    if beside is None:
        return Believed(evidence, signed, "absent")
    return Believed(evidence, signed, "ok" if same or mended else "mismatch")


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


def _unsigned(beside: bytes, path: str, why: str) -> Believed:
    return Believed(evidence_of(beside, path), SignedBy("invalid", wrong=(why,)), "not vouched for")


def _as_written(envelope: Envelope) -> bytes:
    """Return the file that kensho would have written, with base64 in its one spelling."""

    def again(text: str) -> str:
        try:
            return base64.b64encode(base64.b64decode(text)).decode()
        except ValueError:  # of a signature that is not looked at, or cannot be checked
            return ""

    signatures = tuple(
        Signature(again(s.sig), s.keyid, tuple(map(again, s.certificates)))
        for s in envelope.signatures
    )
    return encoded(Envelope(again(envelope.payload), envelope.payload_type, signatures))


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


def _key_of(certificates: Sequence[x509.Certificate]) -> PublicKey | None:
    """Return the key of the signer's certificate; None without one, or when it cannot be read."""
    from cryptography.hazmat.primitives.asymmetric import ed25519

    if not certificates:
        return None
    try:
        key = certificates[0].public_key()
        return key if isinstance(key, ed25519.Ed25519PublicKey) else keys.public_key(key, path="")
    except Exception:  # noqa: BLE001 - strange keys raise many kinds
        return None


def _is_of(certificate: x509.Certificate, key: PublicKey) -> bool:
    own = _key_of([certificate])
    return own is not None and key_id(own) == key_id(key)


def _verifies(envelope: Envelope, signature: Signature, key: PublicKey) -> bool:
    try:
        return verifies(envelope, signature, key)
    except KenshoError:
        return False


def _changed_certificates(
    found: Sequence[x509.Certificate], broken: dict[int, str], signers: Signers | None
) -> list[str]:
    if signers is None:
        return [f"certificate {number}: {why}" for number, why in broken.items()]
    digests = [hashlib.sha256(_der(certificate)).hexdigest() for certificate in found]
    wrong = []
    for number, known in enumerate(signers.certificates, 1):
        if known not in digests:
            wrong.append(f"certificate {number} of {len(signers.certificates)}")
    if not wrong and len(digests) > len(signers.certificates):
        wrong.append("certificates that were not there when it was signed")
    return wrong


def _der(certificate: x509.Certificate) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.DER)


def _changed_keyid(
    signature: Signature, key: PublicKey | None, signers: Signers | None
) -> list[str]:
    known = {key_id(key)} if key is not None else set()
    known |= {signers.keyid} if signers is not None else set()
    return ["the key's id"] if known and signature.keyid not in known else []


def _changed(
    envelope: Envelope, signature: Signature, certificates: Sequence[x509.Certificate],
    public: PublicKey | None, *, same: bool, mended: bool, found: Sequence[str],
) -> list[str]:  # fmt: skip
    """Say what of an envelope is why its signature does not fit."""
    if mended:
        return ["the payload's type" if same else "the statement in it"]
    own = _key_of(certificates)
    if public is not None and own is not None and _verifies(envelope, signature, own):
        return ["nothing: it was signed with another key than the one given"]
    if public is not None and key_id(public) != signature.keyid:
        return ["its signature, or it was signed with another key than the one given"]
    if found:
        return []
    return ["its signature" if same else "its signature, or the statement in it"]
