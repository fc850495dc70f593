"""Evidence checked offline: who signed the statement, and whether each file and disk is what it says.

Every answer is one of its own: a signature may be good and its signer unknown; a log may have been
changed while the statement was not. What cannot be looked at is said to be absent, and is no failure.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from kensho.disks import DiskReader
from kensho.disks.compare import content_root
from kensho.model.errors import CorruptError, LocatorError, UnsafePathError
from kensho.packages.signing import keys
from kensho.packages.signing.chain import (
    Chain,
    Dates,
    build_chain,
    judge_chain,
    judge_dates,
    load_certificate,
)
from kensho.proof.evidence.envelope import (
    Envelope,
    Signature,
    certificate_ders,
    read_envelope,
    verifies,
)
from kensho.proof.evidence.portability import Portability
from kensho.proof.evidence.statement import MEDIA_TYPE, PREDICATE, Statement
from kensho.proof.trial import FileRef, Outcome, file_ref

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

CERTIFICATE, STATEMENT = "certificate.json", "statement.json"
State = Literal["ok", "mismatch", "absent"]


class SignedBy(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who signed: ``state`` valid, invalid, or unknown where neither certificate nor key is at hand."""

    state: Literal["valid", "invalid", "unknown"]
    keyid: str = ""
    chain: Chain | None = None
    dates: Dates | None = None
    trusted: bool = False


class Checked(msgspec.Struct, frozen=True, omit_defaults=True):
    """A file of the evidence or a disk, and whether it is what was signed."""

    name: str
    state: State
    expected: str
    found: str = ""


class EvidenceCheck(msgspec.Struct, frozen=True, kw_only=True):
    """All answers; ``said`` is in words what was proven, and what was not."""

    path: str
    signature: SignedBy
    files: tuple[Checked, ...]
    disks: tuple[Checked, ...]
    said: tuple[str, ...]

    @property
    def intact(self) -> bool:
        """Tell that nothing contradicts what was signed."""
        wrong = any(part.state == "mismatch" for part in (*self.files, *self.disks))
        return self.signature.state != "invalid" and not wrong


def is_evidence(path: Path) -> bool:
    """Tell whether a path is a signed statement, or a folder with one."""
    if path.is_dir():
        return (path / CERTIFICATE).is_file() and (path / STATEMENT).is_file()
    try:
        with path.open("rb") as file:
            head = file.read(4096).lstrip()
    except OSError:
        return False
    return head.startswith(b"{") and b'"payload"' in head


def check_evidence(
    path: Path,
    disks: Sequence[tuple[str, DiskReader]],
    trusted: Sequence[x509.Certificate],
    public: keys.PublicKey | Ed25519PublicKey | None,
    at: dt.datetime,
) -> EvidenceCheck:
    """Check a statement and what lies beside it; ``disks`` are names and images to compare.

    ``public`` is the signer's key where no certificate says it. CorruptError when it is no statement
    of kensho's, LocatorError when it cannot be read.
    """
    certificate = path / CERTIFICATE if path.is_dir() else path
    envelope = read_envelope(_read(certificate), path=str(certificate))
    evidence = _evidence(envelope, str(certificate))
    folder = certificate.parent
    return EvidenceCheck(
        path=str(path),
        signature=_signed_by(envelope, envelope.signatures[0], trusted, public, at, certificate),
        files=tuple(_files(envelope, evidence, folder)),
        disks=tuple(_disks(evidence, disks)),
        said=tuple(_said(evidence)),
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise LocatorError(f"cannot be read: {error.strerror}", path=path) from None


def _evidence(envelope: Envelope, path: str) -> Portability:
    if envelope.payload_type != MEDIA_TYPE:
        raise CorruptError(f"signs {envelope.payload_type!r}, no statement", path=path)
    try:
        statement = msgspec.json.decode(envelope.content, type=Statement)
        if statement.predicate_type != PREDICATE:
            raise CorruptError(f"states {statement.predicate_type!r}", path=path)
        return msgspec.convert(statement.predicate, Portability)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CorruptError(f"is no statement of a proof: {error}", path=path) from None


def _signed_by(
    envelope: Envelope, signature: Signature, trusted: Sequence[x509.Certificate],
    public: keys.PublicKey | Ed25519PublicKey | None, at: dt.datetime, path: Path,
) -> SignedBy:  # fmt: skip
    ders = certificate_ders(signature)
    if public is not None:
        state: Literal["valid", "invalid"] = (
            "valid" if verifies(envelope, signature, public) else "invalid"
        )
        return SignedBy(state, signature.keyid, trusted=state == "valid")
    if not ders:
        return SignedBy("unknown", signature.keyid)
    loaded = [load_certificate(der, path=str(path)) for der in ders]
    own = loaded[0].public_key()
    good = verifies(envelope, signature, own)  # type: ignore[arg-type]
    links = build_chain(loaded[0], loaded[1:], trusted)
    told, dates = judge_chain(links, trusted), judge_dates(links, at)
    return SignedBy(
        "valid" if good else "invalid", signature.keyid, told, dates,
        good and told.state == "trusted" and dates.state == "valid",
    )  # fmt: skip


def _files(envelope: Envelope, evidence: Portability, folder: Path) -> Iterator[Checked]:
    """Yield the statement, the bill, and each profile's log and pictures."""
    beside = folder / STATEMENT
    if beside.is_file():
        same = _read(beside) == envelope.content
        yield Checked(STATEMENT, "ok" if same else "mismatch", "what was signed")
    if evidence.sbom is not None:
        yield _file(folder, "", evidence.sbom)
    for trial in evidence.trials:
        if trial.log is not None:
            yield _file(folder, trial.place, trial.log)
        for shot in trial.screenshots:
            yield _file(folder, trial.place, FileRef(shot.file, shot.sha256, -1))


def _file(folder: Path, place: str, known: FileRef) -> Checked:
    name = f"{place}/{known.name}" if place else known.name
    parts = name.split("/")
    if any(part in {"", ".", ".."} or "\\" in part or "\0" in part for part in parts):
        raise UnsafePathError(f"names a file outside its folder: {name!r}", path=folder)
    path = folder.joinpath(*parts)
    if path.is_symlink() or not path.is_file():
        return Checked(name, "absent", known.sha256)
    found = file_ref(path).sha256
    return Checked(name, "ok" if found == known.sha256 else "mismatch", known.sha256, found)


def _disks(evidence: Portability, disks: Sequence[tuple[str, DiskReader]]) -> Iterator[Checked]:
    """Yield the disks that were given, each beside the one it is; those not given are absent."""
    roots = {name: content_root(reader) for name, reader in disks}
    left = dict(roots)
    waiting = []
    for disk in evidence.disks:
        match = next((name for name, root in left.items() if root == disk.root_after), None)
        if match is None:
            waiting.append(disk)
            continue
        del left[match]
        yield Checked(match, "ok", disk.root_after, disk.root_after)
    for disk in waiting:
        named = next((name for name in left if Path(name).name == disk.file), None)
        named = named or next(iter(left), None)
        if named is None:
            yield Checked(disk.file, "absent", disk.root_after)
        else:
            yield Checked(named, "mismatch", disk.root_after, left.pop(named))


def _said(evidence: Portability) -> Iterator[str]:
    yield f"kensho {evidence.kensho} stated on {evidence.made}, of {evidence.source}:"
    for outcome, words in (
        (Outcome.PASS, "came up on"), (Outcome.FAIL, "did not come up on"),
        (Outcome.UNKNOWN, "nothing is known of"),
    ):  # fmt: skip
        names = [
            t.name + ("" if t.started else " (static)")
            for t in evidence.trials
            if t.outcome is outcome
        ]
        if names:
            yield f"{words} {', '.join(names)}"
    if evidence.changes:
        yield f"{len(evidence.changes)} files of the guest were changed for {', '.join(evidence.targets)}"
    for words in evidence.untested:
        yield f"not proven: {words}"
