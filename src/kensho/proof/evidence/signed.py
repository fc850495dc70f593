"""Who signed a statement of a proof, and whether to go by it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import msgspec

from kensho.model.errors import CorruptError
from kensho.packages.signing.chain import (
    Chain,
    Dates,
    build_chain,
    judge_chain,
    judge_dates,
    purpose_fault,
)
from kensho.proof.evidence.envelope import read_envelope
from kensho.proof.evidence.opened import Opened, evidence_of, open_envelope, stated
from kensho.proof.evidence.portability import Portability
from kensho.proof.evidence.tampered import changed_parts

if TYPE_CHECKING:
    from cryptography import x509

    from kensho.proof.evidence.opened import PublicKey

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
        why = f"it is no signed envelope any more: {error.message}"
        signed = SignedBy("invalid", wrong=(why,))
        return Believed(evidence_of(beside, path), signed, "not vouched for")
    opened = open_envelope(envelope, beside, public, path)
    evidence = stated(opened, path)
    wrong = changed_parts(opened, evidence.signers, sealed)
    signed = _signed_by(opened, wrong, trusted, at)
    if beside is None:
        return Believed(evidence, signed, "absent")
    return Believed(evidence, signed, "ok" if opened.same or opened.mended else "mismatch")


def _signed_by(
    opened: Opened, wrong: tuple[str, ...], trusted: Sequence[x509.Certificate], at: dt.datetime
) -> SignedBy:
    chain, dates, purpose, known = None, None, "", opened.given is not None
    if opened.certificates:
        purpose = purpose_fault(opened.certificates[0])
        links = build_chain(opened.certificates[0], opened.certificates[1:], trusted)
        chain, dates = judge_chain(links, trusted), judge_dates(links, at)
        known = known or (chain.state == "trusted" and dates.state == "valid")
    state: SignatureState = (
        "unknown" if opened.key is None else "valid" if opened.good else "invalid"
    )
    return SignedBy(
        state, opened.signature.keyid, chain, dates, opened.good and known and not wrong, wrong,
        purpose, len(opened.envelope.signatures) - 1,
    )  # fmt: skip
