"""Statements and envelopes as in-toto's and securesystemslib's own libraries read them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from google.protobuf.json_format import Parse
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey

from tests.proof.evidence.made_up import ROOT, openssl, proof

KINDS = {
    "ed25519": ("-algorithm", "ed25519"),
    "ec": ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"),
}


def test_a_statement_is_one_of_in_toto(tmp_path: Path) -> None:
    text = (proof(tmp_path / "proof") / "statement.json").read_text()
    statement = Statement.copy_from_pb(Parse(text, statement_pb2.Statement()))
    statement.validate()
    (subject,) = statement.pb.subject
    assert (subject.name, dict(subject.digest)) == ("web01-disk1.vmdk", {"kenshoRoot": ROOT})


@pytest.mark.parametrize("kind", KINDS)
def test_an_envelope_verifies_elsewhere(kind: str, tmp_path: Path) -> None:
    key, public = tmp_path / "key", tmp_path / "public"
    openssl("genpkey", *KINDS[kind], "-out", key)
    openssl("pkey", "-in", key, "-pubout", "-out", public)
    text = (proof(tmp_path / "proof", key) / "certificate.json").read_text()
    keyid = json.loads(text)["signatures"][0]["keyid"]
    theirs = SSlibKey.from_crypto(load_pem_public_key(public.read_bytes()), keyid=keyid)
    assert set(Envelope.from_dict(json.loads(text)).verify([theirs], 1)) == {keyid}
    told = json.loads(text)
    told["payload"] = told["payload"][:80] + "AAAA" + told["payload"][84:]
    with pytest.raises(VerificationError):
        Envelope.from_dict(told).verify([theirs], 1)
