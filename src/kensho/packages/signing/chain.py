"""From a signer's certificate to one that is trusted: RFC 5280 §6, as far as signatures need it.

Checked of each link: names, signature, basicConstraints with path length, keyUsage; an issuer's
critical extension that is not understood breaks it. Not looked at: revocation, policies, name constraints
(critical by rule, so they break a link). Dates are judged apart, at a day the caller chooses.
"""

from __future__ import annotations

import datetime as dt
import ssl
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from kensho.model.errors import CorruptError, LocatorError
from kensho.packages.signing.certificate import MAX_CERTIFICATE, pem_certificates
from kensho.packages.signing.keys import describe

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.hashes import SHA256

_DEEPEST = 12
_MOST_LINKS = 200  # tried in all: a bundle can be made so that there are many ways


class Certificate(msgspec.Struct, frozen=True):
    """One certificate of a chain, for people to read. Times are ISO 8601 in UTC."""

    subject: str
    issuer: str
    serial: str
    not_before: str
    not_after: str
    key: str
    sha256: str
    self_signed: bool


class Chain(msgspec.Struct, frozen=True):
    """Where the signer's certificate leads.

    ``trusted``: to the trust store; ``self-signed``: the signer vouches for itself alone;
    ``untrusted``: to a root that is not in the trust store; ``incomplete``: an issuer is missing.
    """

    state: Literal["trusted", "self-signed", "untrusted", "incomplete"]
    certificates: tuple[Certificate, ...]


class Dates(msgspec.Struct, frozen=True):
    """Whether the chain was valid at ``at``; ``subject`` is the certificate that was not."""

    state: Literal["valid", "expired", "not yet valid"]
    at: str
    subject: str = ""


def load_certificate(der: bytes, *, path: str) -> x509.Certificate:
    """Load a certificate in DER; CorruptError when it is none."""
    from cryptography import x509

    try:
        with _quietly():
            certificate = x509.load_der_x509_certificate(der)
            # Read on demand only: what cannot be read shows here, not in the middle of a verdict.
            certificate_name(certificate)
            certificate.issuer.rfc4514_string()
            _ = certificate.not_valid_before_utc, certificate.not_valid_after_utc
            _ = certificate.serial_number, certificate.version
    except (ValueError, x509.InvalidVersion) as error:
        raise CorruptError(f"is no certificate: {error}", path=path) from None
    return certificate


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep the library from warning of serial numbers that RFC 5280 forbids and people use."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def load_certificates(data: bytes, *, path: str) -> tuple[x509.Certificate, ...]:
    """Load PEM certificates, or one in DER. CorruptError when there is none."""
    if b"-----BEGIN" not in data:
        return (load_certificate(data, path=path),)
    ders = pem_certificates(data, path=path)
    if not ders:
        raise CorruptError("holds no certificate", path=path)
    return tuple(load_certificate(der, path=path) for der in ders)


def read_certificates(path: Path) -> tuple[x509.Certificate, ...]:
    """Read a file of certificates; LocatorError when it cannot be read."""
    try:
        with path.open("rb") as file:
            data = file.read(16 * MAX_CERTIFICATE)
    except OSError as error:
        raise LocatorError(f"cannot be read: {error.strerror}", path=path) from None
    return load_certificates(data, path=str(path))


def system_store() -> tuple[x509.Certificate, ...]:
    """Return the certificates this computer trusts, those that can be read."""
    paths = ssl.get_default_verify_paths()
    context = ssl.create_default_context()
    if not context.get_ca_certs() and paths.capath:  # a folder is loaded on demand only
        files = sorted(Path(paths.capath).glob("*.0"))
        found = [ssl.PEM_cert_to_DER_cert(file.read_text()) for file in files]
    else:
        found = context.get_ca_certs(binary_form=True)
    certificates = []
    for der in found:
        with suppress(CorruptError):  # one bad root in the system's store concerns nobody here
            certificates.append(load_certificate(der, path="the system's certificates"))
    return tuple(certificates)


def build_chain(
    signer: x509.Certificate,
    others: Sequence[x509.Certificate],
    trusted: Sequence[x509.Certificate],
) -> tuple[x509.Certificate, ...]:
    """Return the best chain, the signer first: to a trusted certificate if there is one."""
    budget = [_MOST_LINKS]
    store = {c.fingerprint(_sha256()) for c in trusted}
    best: tuple[x509.Certificate, ...] = (signer,)
    for path in _paths(
        (signer,), [*((c, True) for c in trusted), *((c, False) for c in others)], budget
    ):
        if path[-1].fingerprint(_sha256()) in store:
            return path
        if len(path) > len(best):
            best = path
    return best


def judge_chain(path: Sequence[x509.Certificate], trusted: Sequence[x509.Certificate]) -> Chain:
    """Say where a chain of `build_chain` ends."""
    last = path[-1]
    store = {c.fingerprint(_sha256()) for c in trusted}
    state: Literal["trusted", "self-signed", "untrusted", "incomplete"]
    if last.fingerprint(_sha256()) in store:
        state = "trusted"
    elif not is_self_signed(last):
        state = "incomplete"
    else:
        state = "self-signed" if len(path) == 1 else "untrusted"
    return Chain(state, tuple(describe_certificate(c) for c in path))


def judge_dates(path: Sequence[x509.Certificate], at: dt.datetime) -> Dates:
    """Say whether all certificates of a chain are valid at ``at``, an aware time."""
    when = at.isoformat()
    for certificate in path:
        name = certificate_name(certificate)
        if at < certificate.not_valid_before_utc:
            return Dates("not yet valid", when, name)
        if at > certificate.not_valid_after_utc:
            return Dates("expired", when, name)
    return Dates("valid", when)


def is_self_signed(certificate: x509.Certificate) -> bool:
    """Tell whether a certificate is signed by the key in it."""
    return certificate.issuer == certificate.subject and _signed_by(certificate, certificate)


def purpose_fault(certificate: x509.Certificate) -> str:
    """Say why a certificate is not meant for signing files, as far as it says what it is for."""
    from cryptography import x509
    from cryptography.x509.oid import ExtendedKeyUsageOID

    tls = {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
    try:
        values = [extension.value for extension in certificate.extensions]
    except ValueError:
        return ""
    for value in values:
        if isinstance(value, x509.KeyUsage) and not (
            value.digital_signature or value.content_commitment
        ):
            return "the certificate's keyUsage does not allow signatures"
        if isinstance(value, x509.ExtendedKeyUsage) and tls.issuperset(value):
            return "the certificate is for TLS connections (extendedKeyUsage), not for files"
    return ""


def certificate_name(certificate: x509.Certificate) -> str:
    """Return the subject in RFC 4514 form."""
    return certificate.subject.rfc4514_string()


def describe_certificate(certificate: x509.Certificate) -> Certificate:
    """Return a certificate for people to read."""
    try:
        key = describe(certificate.public_key())
    except Exception as error:  # noqa: BLE001 - strange keys raise many kinds
        key = f"unreadable: {error}"
    with _quietly():
        serial = f"{certificate.serial_number:x}"
    return Certificate(
        certificate_name(certificate),
        certificate.issuer.rfc4514_string(),
        serial,
        certificate.not_valid_before_utc.isoformat(),
        certificate.not_valid_after_utc.isoformat(),
        key,
        certificate.fingerprint(_sha256()).hex(),
        is_self_signed(certificate),
    )


def _paths(
    path: tuple[x509.Certificate, ...],
    candidates: Sequence[tuple[x509.Certificate, bool]],
    budget: list[int],
) -> Iterator[tuple[x509.Certificate, ...]]:
    """Yield chains that go on from ``path``; candidates say whether they are trusted."""
    yield path
    last = path[-1]
    if len(path) == _DEEPEST or is_self_signed(last):
        return
    for issuer, trusted in candidates:
        if issuer in path or issuer.subject != last.issuer:
            continue
        budget[0] -= 1
        if budget[0] < 0:
            return
        if _may_issue(issuer, below=len(path) - 1, trusted=trusted) and _signed_by(last, issuer):
            yield from _paths((*path, issuer), candidates, budget)


def _signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except Exception:  # noqa: BLE001 - whatever it is, the link does not hold
        return False
    return True


def _may_issue(issuer: x509.Certificate, *, below: int, trusted: bool) -> bool:
    """Tell whether a certificate may sign others; ``below`` counts the CAs under it."""
    from cryptography import x509

    understood = (
        x509.BasicConstraints,
        x509.KeyUsage,
        x509.ExtendedKeyUsage,
        x509.SubjectAlternativeName,
        x509.CertificatePolicies,
    )
    try:
        values = [(e.value, e.critical) for e in issuer.extensions]
    except Exception:  # noqa: BLE001 - an extension that cannot be read
        return False
    constrained = False
    for value, critical in values:
        if critical and not isinstance(value, understood):
            return False
        if isinstance(value, x509.BasicConstraints):
            constrained = True
            if not value.ca or (value.path_length is not None and below > value.path_length):
                return False
        elif isinstance(value, x509.KeyUsage) and not value.key_cert_sign:
            return False
    # Version 1 knows no extensions: good for an old root that is trusted, for nobody else.
    return constrained or (trusted and issuer.version is x509.Version.v1)


def _sha256() -> SHA256:
    from cryptography.hazmat.primitives.hashes import SHA256

    return SHA256()
