"""Which part of a signed envelope is not as it was signed.

The statement names the key and the certificates it is signed with by their SHA-256, and lies beside
the envelope as a file of its own; so of one changed byte it can be told where it is.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kensho.proof.evidence.envelope import Envelope, Signature, encoded, key_id
from kensho.proof.evidence.opened import Opened, key_of
from kensho.proof.evidence.portability import Signers
from kensho.proof.evidence.statement import MEDIA_TYPE

if TYPE_CHECKING:
    from cryptography import x509


def changed_parts(opened: Opened, signers: Signers | None, sealed: bytes) -> tuple[str, ...]:
    """Name them; ``signers`` are those that the statement names, ``sealed`` the bytes of the envelope."""
    wrong = [
        *_changed_certificates(opened.certificates, opened.broken, signers),
        *_changed_keyid(opened, signers),
    ]
    if opened.good and _has_others_certificates(opened):
        wrong.append("its certificates: they are of another key than the one that signed")
    if opened.key is not None and not opened.good:
        wrong += _why_not_good(opened, found=wrong)
    elif opened.envelope.payload_type != MEDIA_TYPE:
        wrong.append("the payload's type")
    elif opened.payload is None:
        wrong.append("the statement in it")
    elif not opened.same and opened.key is None:
        wrong.append("the statement in it, or the one beside it")
    if not wrong and sealed != _as_written(opened.envelope):
        wrong.append("how it is spelled: the bytes are not those that kensho wrote")
    return tuple(wrong)


def _has_others_certificates(opened: Opened) -> bool:
    if opened.given is None or not opened.certificates:
        return False
    own = key_of(opened.certificates[:1])
    return own is None or key_id(own) != key_id(opened.given)


def _changed_keyid(opened: Opened, signers: Signers | None) -> list[str]:
    known = {key_id(opened.key)} if opened.key is not None else set()
    known |= {signers.keyid} if signers is not None else set()
    return ["the key's id"] if known and opened.signature.keyid not in known else []


def _why_not_good(opened: Opened, found: Sequence[str]) -> list[str]:
    """Say what of it is why its signature does not fit, where ``found`` does not say it."""
    if opened.mended:
        return ["the payload's type" if opened.same else "the statement in it"]
    if opened.given is not None and opened.is_by(key_of(opened.certificates)):
        return ["nothing: it was signed with another key than the one given"]
    if opened.given is not None and key_id(opened.given) != opened.signature.keyid:
        return ["its signature, or it was signed with another key than the one given"]
    if found:
        return []
    return ["its signature" if opened.same else "its signature, or the statement in it"]


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
