"""Judge a package's digests, signature, chain and dates, each for itself."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import unquote

from kensho.appliances.ovf.manifest import read_manifest
from kensho.appliances.package import Digest
from kensho.appliances.paths import is_web_address, plain_name
from kensho.model.errors import CorruptError, LimitError, UnsupportedError
from kensho.model.finding import Finding, Severity
from kensho.packages.signing.certificate import CertificateFile, read_certificate
from kensho.packages.signing.contents import Contents, Held
from kensho.packages.signing.verdict import DigestCheck, FileCheck, SignatureCheck, Verdict

if TYPE_CHECKING:
    from cryptography import x509

    from kensho.packages.signing.chain import Chain, Dates

_EXACT = re.compile(rb"(?:(?:SHA1|SHA256|SHA384|SHA512)\([^\r\n]+\)= [0-9a-f]+\n)*")
_WEAK = frozenset({"sha1", "md5"})
_PADDED = 512  #: blank bytes that are no accident
_SOON = dt.timedelta(days=90)


def verify_contents(
    contents: Contents, trusted: Callable[[], Sequence[x509.Certificate]], at: dt.datetime
) -> Verdict:
    """Judge what was read of a package.

    ``trusted`` loads the certificates that count as trusted, when there is something to check;
    ``at`` is the day the dates are judged at, an aware time.
    """
    findings: list[Finding] = []
    files = _check_files(contents, findings)
    _judge_references(contents, findings)
    states = {file.state for file in files}
    signature, chain, dates, self_signed = _origin(contents, trusted, at, findings)
    return Verdict(
        path=contents.path,
        descriptor=contents.descriptor,
        manifest=contents.manifest,
        digests=(
            "no manifest"
            if contents.manifest is None
            else "mismatch"
            if states & {"mismatch", "missing"}
            else "match"
        ),
        files=files,
        signature=signature,
        chain=chain,
        dates=dates,
        self_signed=self_signed,
        findings=tuple(findings),
    )


def _check_files(contents: Contents, findings: list[Finding]) -> tuple[FileCheck, ...]:
    if contents.manifest is None:
        _add(findings, "KF-702", Severity.WARNING, "the package has no manifest",
             contents.descriptor, "nothing says whether its bytes are those that were packed")  # fmt: skip
        stated: Mapping[str, tuple[Digest, ...]] = {}
    else:
        data = contents.texts[contents.manifest]
        stated, unreadable = read_manifest(data, path=contents.manifest)
        findings.extend(unreadable)
        _judge_manifest(contents, stated.keys(), data, findings)
    checks = []
    seen = set()
    weak: set[str] = set()
    for name, digests in stated.items():
        held = _find(contents, name)
        if held is not None:
            seen.add(held.name)
        if _WEAK.issuperset(d.algorithm for d in digests):
            weak.add(name)
        if {d.algorithm for d in digests} == {"md5"}:
            _add(findings, "KF-213", Severity.WARNING, "the manifest vouches with MD5 only", name,
                 "checked; MD5 shows damage, not tampering")  # fmt: skip
        checks.append(_check_file(name, digests, held))
    if weak:
        _add(findings, "KF-719", Severity.NOTE,
             f"the manifest has no digest above SHA-1 of {len(weak)} files",
             contents.manifest or "",
             "the newest importers refuse that, the oldest nothing else: kensho manifest --sha 256")  # fmt: skip
    aside = {contents.manifest, contents.certificate}
    for name, held in contents.files.items():
        if held.name in seen or name in aside:
            continue
        checks.append(_uncovered(held))
        if contents.manifest is not None and name != contents.descriptor:
            _add(findings, "KF-212", Severity.WARNING, "the manifest does not vouch for this file",
                 held.name, "its bytes could be anybody's; sign the package again")  # fmt: skip
    return tuple(checks)


def _judge_references(contents: Contents, findings: list[Finding]) -> None:
    """Name files that the descriptor lists and that are not there, whole or in chunks."""
    for href in contents.wanted:
        if is_web_address(href) or _find(contents, href) is not None:
            continue
        if _find(contents, f"{href}.000000000") is None:
            _add(findings, "KF-201", Severity.ERROR, f"the file {href} is missing",
                 contents.descriptor, "the package is not complete; fetch it again")  # fmt: skip


def _judge_manifest(
    contents: Contents, names: Iterable[str], data: bytes, findings: list[Finding]
) -> None:
    assert contents.manifest is not None
    if contents.descriptor not in {unquote(plain_name(n)) for n in names}:
        _add(findings, "KF-700", Severity.WARNING, "the manifest does not vouch for the descriptor",
             contents.manifest, "ovftool 4.0 wrote such; the machine's settings could be anybody's")  # fmt: skip
    if _EXACT.fullmatch(data) is None:
        _add(findings, "KF-701", Severity.NOTE, "the manifest is not spelled as the strictest "
             "importers want it: ALGORITHM(file)= hex, one per line",
             contents.manifest, "read all the same; `kensho manifest` writes it anew")  # fmt: skip


def _find(contents: Contents, name: str) -> Held | None:
    plain = plain_name(name)
    return contents.files.get(plain) or contents.files.get(unquote(plain))


def _check_file(name: str, digests: tuple[Digest, ...], held: Held | None) -> FileCheck:
    if held is None:
        missing = tuple(DigestCheck(d.algorithm, d.hex, "") for d in digests)
        return FileCheck(name, "missing", None, None, missing)
    checks = tuple(
        DigestCheck(d.algorithm, d.hex, held.digests.get(d.algorithm, "")) for d in digests
    )
    state = "ok" if all(c.matches for c in checks) else "mismatch"
    return FileCheck(name, state, held.size, held.offset, checks)  # type: ignore[arg-type]


def _uncovered(held: Held) -> FileCheck:
    found = held.digests.get("sha256", "")
    return FileCheck(
        held.name, "not covered", held.size, held.offset, (DigestCheck("sha256", "", found),)
    )


def _origin(
    contents: Contents,
    trusted: Callable[[], Sequence[x509.Certificate]],
    at: dt.datetime,
    findings: list[Finding],
) -> tuple[SignatureCheck, Chain | None, Dates | None, bool | None]:
    """Judge signature, chain and dates, and whether the signer signed itself."""
    if contents.certificate is None:
        _add(findings, "KF-703", Severity.NOTE, "the package is not signed", contents.descriptor,
             "nobody vouches for the manifest")  # fmt: skip
        return SignatureCheck("absent"), None, None, None
    from kensho.packages.signing import chain

    name = contents.certificate
    try:
        file = read_certificate(contents.texts[name], path=name)
        certificates = [chain.load_certificate(der, path=name) for der in file.certificates]
    except (CorruptError, LimitError) as error:
        return SignatureCheck("invalid", name, reason=str(error)), None, None, None
    signature, signer = _check_signature(contents, file, certificates, findings)
    if signer is None:
        return signature, None, None, None
    store = trusted()
    others = [certificate for certificate in certificates if certificate is not signer]
    path = chain.build_chain(signer, others, store)
    judged, dates = chain.judge_chain(path, store), chain.judge_dates(path, at)
    self_signed = chain.is_self_signed(signer)
    _judge_origin(name, judged, dates, at, signer, findings)
    return signature, judged, dates, self_signed


def _check_signature(
    contents: Contents,
    file: CertificateFile,
    certificates: Sequence[x509.Certificate],
    findings: list[Finding],
) -> tuple[SignatureCheck, x509.Certificate | None]:
    """Judge the signature, and return whose certificate it is: the first that fits, or the first."""
    name = contents.certificate or ""
    if file.cms:
        _add(findings, "KF-709", Severity.WARNING, "VirtualBox's CMS signature is not checked",
             name, "openssl cms -verify -inform PEM -binary -content FILE.mf does")  # fmt: skip
    first = certificates[0] if certificates else None
    if file.signature is None or first is None:
        reason = "no signature over the manifest" if certificates else "no certificate"
        state = "not checked" if file.cms else "invalid"
        check = SignatureCheck(state, name, reason=f"{reason} is in the file")  # type: ignore[arg-type]
        return check, first
    if contents.manifest is None:
        reason = "the manifest that was signed is missing"
        return SignatureCheck("invalid", name, stated=file.algorithm, reason=reason), first
    manifest = contents.texts[contents.manifest]
    for signer in certificates:
        check = _check_signer(name, file, signer, manifest)
        if check.state == "valid":
            _judge_form(name, file, check.algorithm, manifest, findings)
            return check, signer
    return _check_signer(name, file, first, manifest), first


def _check_signer(
    name: str, file: CertificateFile, signer: x509.Certificate, manifest: bytes
) -> SignatureCheck:
    from kensho.packages.signing import keys

    try:
        key = keys.public_key(signer.public_key(), path=name)
    except (UnsupportedError, ValueError, TypeError, _unsupported()) as error:
        return SignatureCheck("invalid", name, stated=file.algorithm, reason=str(error))
    kind = keys.describe(key)
    for algorithm in dict.fromkeys((file.algorithm, *keys.HASHES)):
        if keys.verifies(key, algorithm, file.signature or b"", manifest):
            return SignatureCheck("valid", name, algorithm, file.algorithm, kind)
    reason = "the signature is not this key's over this manifest"
    return SignatureCheck("invalid", name, stated=file.algorithm, key=kind, reason=reason)


def _unsupported() -> type[Exception]:
    from cryptography.exceptions import UnsupportedAlgorithm

    return UnsupportedAlgorithm


def _judge_form(
    name: str, file: CertificateFile, over: str, manifest: bytes, findings: list[Finding]
) -> None:
    """Name what is odd about a valid signature."""
    if file.padding >= _PADDED:
        _add(findings, "KF-707", Severity.NOTE, f"the file ends in {file.padding} blank bytes", name,
             "accepted; ovftool reserves 102400 bytes while it streams")  # fmt: skip
    if over in _WEAK:
        digests, _ = read_manifest(manifest, path=name)
        stronger = any(d.algorithm not in _WEAK for ds in digests.values() for d in ds)
        beside = " over a manifest of stronger digests" if stronger else ""
        _add(findings, "KF-708", Severity.WARNING,
             f"the signature is over the manifest's {over.upper()} digest{beside}", name,
             "accepted; collisions can be made, so it shows damage better than tampering")  # fmt: skip
    if over != file.algorithm:
        _add(findings, "KF-710", Severity.WARNING,
             f"the signature is over {over.upper()}, the file says {file.algorithm.upper()}", name,
             "accepted; importers that believe the file will refuse it")  # fmt: skip


def _judge_origin(
    name: str,
    chain: Chain,
    dates: Dates,
    at: dt.datetime,
    signer: x509.Certificate,
    findings: list[Finding],
) -> None:
    if chain.state == "self-signed":
        _add(findings, "KF-704", Severity.WARNING, "the signer's certificate is self-signed", name,
             "anybody can make one in that name; compare its SHA-256, or name it with --ca")  # fmt: skip
    elif chain.state != "trusted":
        reason = (
            f"{chain.certificates[-1].issuer} is not in the package nor in the trust store"
            if chain.state == "incomplete"
            else f"{chain.certificates[-1].subject} is not in the trust store"
        )
        _add(findings, "KF-705", Severity.WARNING, f"the chain is {chain.state}: {reason}", name,
             "name the root with --ca if you trust it")  # fmt: skip
    from kensho.packages.signing.chain import purpose_fault

    wrong = purpose_fault(signer)
    if wrong:
        _add(findings, "KF-713", Severity.WARNING, wrong, name,
             "believed all the same; anybody with a web server has such a certificate")  # fmt: skip
    if dates.state != "valid":
        _add(findings, "KF-706", Severity.WARNING,
             f"{dates.subject} is {dates.state} on {dates.at[:10]}", name,
             "vSphere refuses such packages; sign again, or judge another day with --at")  # fmt: skip
    elif signer.not_valid_after_utc - at < _SOON:
        _add(findings, "KF-711", Severity.WARNING,
             f"the signer's certificate expires on {signer.not_valid_after_utc:%Y-%m-%d}", name,
             "importers will refuse or warn from then on; signatures carry no time stamp")  # fmt: skip


def _add(
    findings: list[Finding], code: str, severity: Severity, message: str, subject: str, action: str
) -> None:
    findings.append(Finding(code, severity, message, subject=subject, action=action))
