"""The demo's proof on one profile: switched off as it was made, up when adapted, signed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import oracles
import proof
from kensho.proof.evidence.envelope import seal
from kensho.proof.evidence.statement import MEDIA_TYPE
from shell import StepFailedError


@pytest.mark.boot
def test_an_adapter_that_was_switched_off_is_told_and_comes_up(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert proof.prove_both("virtualbox-ide", out) == []
    trials = {name: proof.trials_of(out / name)["virtualbox-ide"] for name in proof.STATES}
    assert trials[proof.AS_MADE]["cause"]["code"] == "KF-973"
    (nic,) = trials[proof.ADAPTED]["inside"]["nics"]
    assert nic["name"] == "ens192"
    assert (out / proof.ADAPTED / "index.html").is_file()


def test_openssl_tells_a_signature_from_another(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = Ed25519PrivateKey.generate()
    public, envelope = tmp_path / "key.pub", tmp_path / "certificate.json"
    public.write_bytes(
        key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    envelope.write_bytes(seal(b'{"a":1}', MEDIA_TYPE, key))
    oracles.signed_by(envelope, public)
    told = json.loads(envelope.read_text())
    told["payloadType"] = "text/plain"
    envelope.write_text(json.dumps(told))
    with pytest.raises(StepFailedError):
        oracles.signed_by(envelope, public)
