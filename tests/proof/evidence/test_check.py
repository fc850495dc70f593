"""Proofs that were changed afterwards: of each byte it is told which file it is in."""

from __future__ import annotations

import base64
import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from kensho.model.errors import KenshoError
from kensho.packages.signing.chain import read_certificates
from kensho.proof.evidence.carried import packed
from kensho.proof.evidence.check import EvidenceCheck, Looked, check_evidence
from kensho.proof.evidence.envelope import seal
from kensho.proof.evidence.place import CERTIFICATE, STATEMENT, opened_archive, opened_folder
from kensho.proof.evidence.signer import load_public_key, load_signer
from kensho.proof.evidence.statement import MEDIA_TYPE
from kensho.storage import MemorySource
from tests.proof.evidence.made_up import ROOT, chain, openssl, proof

NOW = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)  # after the certificates are made
ALL = (CERTIFICATE, STATEMENT, "index.html", "sbom.cdx.json", "vmware-ide/serial.log",
       "vmware-ide/screen0.png", "vmware-ide/screen1.png")  # fmt: skip


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A proof signed with a chain, and the root's certificate."""
    folder = tmp_path_factory.mktemp("signed")
    key, cert, root = chain(folder)
    return proof(folder / "proof", key, cert), root


def checked(
    folder: Path, root: Path | None = None, *disks: Looked, public: Path | None = None,
    at: dt.datetime = NOW,
) -> EvidenceCheck:  # fmt: skip
    store = read_certificates(root) if root is not None else ()
    key = load_public_key(public) if public is not None else None
    with opened_folder(folder) as place:
        return check_evidence(place, disks, store, key, at)


def wrong(check: EvidenceCheck) -> set[str]:
    return {part.name for part in (*check.files, *check.disks) if part.state == "mismatch"}


def test_what_nobody_touched_is_intact_and_trusted(signed: tuple[Path, Path]) -> None:
    folder, root = signed
    check = checked(folder, root, Looked("a/web01-disk1.qcow2", ROOT))
    assert check.intact
    assert check.signature.trusted
    assert {part.name for part in check.files} == set(ALL)
    assert {part.state for part in (*check.files, *check.disks)} == {"ok"}
    assert any("CN=Signer" in line for line in check.said)
    assert not checked(folder).signature.trusted
    told = checked(folder, root, at=NOW + dt.timedelta(days=31)).signature
    assert (told.state, told.trusted, told.dates.state) == ("valid", False, "expired")


@given(name=st.sampled_from(ALL), where=st.floats(0, 1), flip=st.integers(1, 255))
@settings(max_examples=120, deadline=None)
def test_one_changed_byte_is_told_of_which_file(
    signed: tuple[Path, Path], name: str, where: float, flip: int
) -> None:
    folder, root = signed
    path = folder / name
    data = path.read_bytes()
    at = min(int(where * len(data)), len(data) - 1)
    path.write_bytes(data[:at] + bytes([data[at] ^ flip]) + data[at + 1 :])
    try:
        check = checked(folder, root)
    finally:
        path.write_bytes(data)
    assert not check.intact, (name, at, flip)
    assert wrong(check) == {name}, (at, flip, check.signature.wrong)


def sealed(folder: Path, change: Callable[[dict], None]) -> None:
    told = json.loads((folder / CERTIFICATE).read_bytes())
    change(told)
    (folder / CERTIFICATE).write_text(json.dumps(told))


def flipped(text: str, at: int = 40) -> str:
    data = bytearray(base64.b64decode(text))
    data[at] ^= 1
    return base64.b64encode(data).decode()


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("the statement in it", lambda t: t.update(payload=flipped(t["payload"], 300))),
        ("its signature", lambda t: t["signatures"][0].update(sig=flipped(t["signatures"][0]["sig"]))),
        ("the key's id", lambda t: t["signatures"][0].update(keyid="0" * 64)),
        ("certificate 1 of 2", lambda t: t["signatures"][0]["certificates"].__setitem__(
            0, flipped(t["signatures"][0]["certificates"][0], -1))),
        ("certificate 2 of 2", lambda t: t["signatures"][0]["certificates"].pop()),
        ("the payload's type", lambda t: t.update(payloadType="text/plain")),
    ],
)  # fmt: skip
def test_of_a_certificate_the_part_is_named(
    part: str, change: Callable[[dict], None], tmp_path: Path
) -> None:
    key, cert, root = chain(tmp_path)
    folder = proof(tmp_path / "proof", key, cert)
    sealed(folder, change)
    check = checked(folder, root)
    assert part in check.signature.wrong
    assert not check.intact
    assert not check.signature.trusted
    assert wrong(check) == {CERTIFICATE}


def test_by_a_key_nothing_is_said_of_its_certificate(
    tmp_path: Path, signed: tuple[Path, Path]
) -> None:
    pem = signed[0].parent / "signer.pem"
    (tmp_path / "pub").write_bytes(openssl("x509", "-in", pem, "-noout", "-pubkey"))
    check = checked(signed[0], public=tmp_path / "pub")
    assert check.signature.trusted
    assert "signed with the key that was given" in check.said


def test_another_key_is_said_to_be_that(tmp_path: Path, signed: tuple[Path, Path]) -> None:
    openssl("genpkey", "-algorithm", "ed25519", "-out", tmp_path / "other")
    openssl("pkey", "-in", tmp_path / "other", "-pubout", "-out", tmp_path / "other.pub")
    check = checked(signed[0], public=tmp_path / "other.pub")
    assert check.signature.state == "invalid"
    assert "another key" in check.signature.wrong[-1]


def test_what_nobody_signed_is_checked_and_said_to_be_that(tmp_path: Path) -> None:
    folder = proof(tmp_path / "proof")
    check = checked(folder)
    assert (check.intact, check.signature.state) == (True, "absent")
    assert any("nobody signed" in line for line in check.said)
    (folder / "vmware-ide/serial.log").write_text("web02 login:")
    assert wrong(checked(folder)) == {"vmware-ide/serial.log"}


def test_files_that_nobody_vouches_for_are_named(tmp_path: Path, signed: tuple[Path, Path]) -> None:
    folder = proof(tmp_path / "proof")
    (folder / "vmware-ide/added.log").write_text("it worked on ESXi, too")
    (folder / "elsewhere").symlink_to(tmp_path)
    (folder / "vmware-ide/screen1.png").unlink()
    check = checked(folder)
    states = {part.name: part.state for part in check.files}
    assert states["vmware-ide/added.log"] == states["elsewhere"] == "not vouched for"
    assert states["vmware-ide/screen1.png"] == "absent"
    assert check.intact
    assert any(
        "nobody vouches for it: elsewhere, vmware-ide/added.log" in line for line in check.said
    )


def test_disks_of_others_are_told_apart(signed: tuple[Path, Path]) -> None:
    folder, _ = signed
    assert wrong(checked(folder, None, Looked("x/web01-disk1.vmdk", "00" * 32))) == {
        "x/web01-disk1.vmdk"
    }
    two = checked(folder, None, Looked("other.img", "00" * 32), Looked("mine.img", ROOT))
    assert {part.name: part.state for part in two.disks} == {
        "mine.img": "ok", "other.img": "not vouched for",
    }  # fmt: skip


def claims(folder: Path, **changes: object) -> Path:
    """Change what a proof claims, which nobody signed."""
    told = json.loads((folder / STATEMENT).read_bytes())
    told["predicate"].update(changes)
    (folder / STATEMENT).write_text(json.dumps(told))
    return folder


@pytest.mark.parametrize(
    "name", ["../key", "/etc/passwd", "a/../../b", "a\\b", "C:x", "", "\0", "a\x1b[2J", "./x"]
)
def test_names_lead_nowhere_else(name: str, tmp_path: Path) -> None:
    folder = proof(tmp_path / "proof")
    claims(folder, sbom={"name": name, "sha256": "0", "size": 1})
    with pytest.raises(KenshoError):
        checked(folder)


def test_links_lead_nowhere_else(tmp_path: Path) -> None:
    folder = proof(tmp_path / "proof")
    (tmp_path / "secret").write_text("secret")
    (folder / "vmware-ide/serial.log").unlink()
    (folder / "vmware-ide/serial.log").symlink_to(tmp_path / "secret")
    with pytest.raises(KenshoError):
        checked(folder)


@pytest.mark.parametrize(
    "data",
    [b"", b"{}", b"[]", b"\xff\xfe", b"[" * 100_000, b'{"a":' * 100_000, b"null",
     b'{"_type":"x","subject":[],"predicateType":"https://kensho.dev/portability/v1","predicate":{}}',
     b'{"_type":"x","subject":[],"predicateType":"y","predicate":{}}'],
)  # fmt: skip
def test_what_is_no_statement_is_an_error(data: bytes, tmp_path: Path) -> None:
    (tmp_path / STATEMENT).write_bytes(data)
    with pytest.raises(KenshoError):
        checked(tmp_path)
    (tmp_path / CERTIFICATE).write_bytes(data)
    with pytest.raises(KenshoError):
        checked(tmp_path)


def test_a_cut_certificate_is_told_of_and_the_rest_is_checked(
    tmp_path: Path, signed: tuple[Path, Path]
) -> None:
    folder = proof(tmp_path / "proof", *chain(tmp_path)[:2])
    whole = (folder / CERTIFICATE).read_bytes()
    for size in (0, 1, 100, len(whole) // 2, len(whole) - 3):
        (folder / CERTIFICATE).write_bytes(whole[:size])
        check = checked(folder)
        assert (check.signature.state, wrong(check)) == ("invalid", {CERTIFICATE})


def test_what_is_too_large_is_not_read(tmp_path: Path) -> None:
    folder = proof(tmp_path / "proof")
    with (folder / STATEMENT).open("r+b") as file:
        file.truncate(1 << 40)
    with pytest.raises(KenshoError):
        checked(folder)


def test_words_of_a_statement_do_nothing_to_a_terminal(tmp_path: Path) -> None:
    folder = proof(tmp_path / "proof")
    claims(folder, source="\x1b]0;owned\x07\x1b[2J" + "x" * 100_000, untested=["\u202egnorw"])
    said = checked(folder).said
    assert all(c.isprintable() for line in said for c in line)
    assert max(map(len, said)) < 1000


def signed_by_us(folder: Path, content: bytes, key: Path, cert: Path | None = None) -> None:
    (folder / CERTIFICATE).write_bytes(seal(content, MEDIA_TYPE, *load_signer(key, cert)))


def test_what_is_signed_is_what_is_told_and_nothing_beside_it(tmp_path: Path) -> None:
    key, cert, root = chain(tmp_path)
    folder = proof(tmp_path / "proof", key, cert)
    other = json.loads((folder / STATEMENT).read_bytes()) | {"predicateType": "https://slsa.dev/v1"}
    signed_by_us(
        folder, json.dumps(other).encode(), key, cert
    )  # the same signer, another statement
    with pytest.raises(KenshoError, match="no statement of a proof"):
        checked(folder, root)


def test_subjects_are_the_disks_that_are_told_of(tmp_path: Path) -> None:
    key, cert, _ = chain(tmp_path)
    folder = proof(tmp_path / "proof", key, cert)
    told = json.loads((folder / STATEMENT).read_bytes())
    told["subject"][0]["digest"]["kenshoRoot"] = "cd" * 32
    (folder / STATEMENT).write_text(json.dumps(told))
    signed_by_us(folder, (folder / STATEMENT).read_bytes(), key, cert)
    with pytest.raises(KenshoError, match="not of the disks"):
        checked(folder)


def test_the_signature_of_the_named_key_is_judged_among_several(tmp_path: Path) -> None:
    key, cert, root = chain(tmp_path)
    folder = proof(tmp_path / "proof", key, cert)
    other = {"sig": "x", "keyid": "é", "certificates": ["\u00e9"]}
    sealed(folder, lambda told: told["signatures"].insert(0, other))
    check = checked(folder, root)
    assert check.signature.state == "valid"
    assert "1 more signatures are in it, which were not looked at" in check.said
    sealed(folder, lambda told: told["signatures"].pop(0))
    sealed(folder, lambda told: told["signatures"].append(other))
    assert checked(folder, root).signature.state == "valid"


def test_a_signature_that_is_no_base64_is_told_of_without_a_certificate(tmp_path: Path) -> None:
    key, _, _ = chain(tmp_path)
    folder = proof(tmp_path / "proof", key)
    sealed(folder, lambda told: told["signatures"][0].update(sig="x"))
    check = checked(folder)
    assert not check.intact
    assert wrong(check) == {CERTIFICATE}


def test_by_a_key_no_other_certificate_speaks_for_it(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    _, others, root = chain(tmp_path / "other")
    key, _, _ = chain(tmp_path)
    folder = proof(tmp_path / "proof", key)
    ders = [
        base64.b64encode(c.public_bytes(Encoding.DER)).decode() for c in read_certificates(others)
    ]
    sealed(folder, lambda told: told["signatures"][0].update(certificates=ders))
    openssl("pkey", "-in", key, "-pubout", "-out", tmp_path / "pub")
    check = checked(folder, root, public=tmp_path / "pub")
    assert "another key" in " ".join(check.signature.wrong)
    assert not check.signature.trusted
    assert not any(
        "leads to a trusted one, " not in line and "trusted one" in line for line in check.said
    )


def test_of_a_signer_that_nobody_knows_the_name_is_said_to_be_a_claim(
    tmp_path: Path, signed: tuple[Path, Path]
) -> None:
    for at in (NOW, NOW + dt.timedelta(days=31)):  # expired, too
        (line,) = (line for line in checked(signed[0], at=at).said if "CN=Signer" in line)
        assert "calls himself" in line
    key, cert = tmp_path / "key", tmp_path / "cert"
    openssl("req", "-x509", "-newkey", "ed25519", "-nodes", "-keyout", key, "-out", cert,
            "-subj", "/CN=VMware", "-addext", "extendedKeyUsage=serverAuth")  # fmt: skip
    check = checked(proof(tmp_path / "proof", key, cert))
    assert check.signature.state == "valid"
    assert any("calls himself CN=VMware, as anybody can" in line for line in check.said)
    assert any("for TLS connections" in line for line in check.said)
    assert any("when the signer's certificate was not valid" in line for line in check.said)


def machines(folder: Path, *roots: str) -> Path:
    """Make a proof of machines with two disks each tell of these roots."""
    told = json.loads((folder / STATEMENT).read_bytes())
    disks = [
        {"machine": f"vm{n // 2}", "name": f"disk{n % 2}", "file": f"{n}.vmdk", "size": 1,
         "root_before": root * 32, "root_after": root * 32}
        for n, root in enumerate(roots)
    ]  # fmt: skip
    told["predicate"]["disks"] = disks
    told["subject"] = [
        {"name": d["file"], "digest": {"kenshoRoot": d["root_after"]}} for d in disks
    ]
    (folder / STATEMENT).write_text(json.dumps(told))
    return folder


@pytest.mark.parametrize(
    ("here", "good"),
    [
        ("aa bb|cc dd", True), ("cc dd|aa bb", True), ("aa bb ee|cc dd", True),
        ("aa dd|cc bb", False), ("bb aa|cc dd", False), ("ee aa bb|cc dd", False),
        ("aa bb|cc", False),
    ],
)  # fmt: skip
def test_disks_of_a_package_are_those_of_the_same_machines(
    here: str, good: bool, tmp_path: Path
) -> None:
    folder = machines(proof(tmp_path / "proof"), "aa", "bb", "cc", "dd")
    disks = [
        Looked(f"{root}.vmdk", root * 32, machine=str(number))
        for number, machine in enumerate(here.split("|"))
        for root in machine.split()
    ]
    with opened_folder(folder) as place:
        check = check_evidence(place, disks, (), None, NOW, whole=True)
    assert check.intact is good, check.disks


def test_a_signature_that_was_taken_away_is_missed(tmp_path: Path) -> None:
    folder = proof(tmp_path / "proof", *chain(tmp_path)[:2])
    (folder / CERTIFICATE).unlink()
    check = checked(folder)
    assert (check.intact, check.signature.state, wrong(check)) == (False, "absent", {CERTIFICATE})
    assert any("taken away" in line for line in check.said)
    assert not any("nobody signed" in line for line in check.said)


@pytest.mark.parametrize("behind", [b"x", bytes(10240) + b"x", bytes(2 << 20)])
def test_an_archive_has_nothing_behind_its_end(behind: bytes, tmp_path: Path) -> None:
    folder = proof(tmp_path / "proof")
    with opened_folder(folder) as place:
        _, archive = packed(place, NOW)
        data = archive.read_at(0, archive.size)
        archive.close()
    with opened_archive(MemorySource(data + bytes(9000))) as place:
        assert check_evidence(place, (), (), None, NOW).intact
    with (
        pytest.raises(KenshoError, match="behind its end"),
        opened_archive(MemorySource(data + behind)),
    ):
        pass
