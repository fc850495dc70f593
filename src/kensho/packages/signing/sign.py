"""Write a package's manifest anew and sign it; its disks are copied as they are, or stay in place."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kensho.model.errors import UsageError
from kensho.model.finding import Finding, Severity
from kensho.packages.files import complete_files, stated_digests
from kensho.packages.rewrite import PackageFile, Signer, WrittenPackage, write_package
from kensho.packages.signing import chain, keys
from kensho.packages.signing.certificate import write_certificate
from kensho.packages.source import OvfPackage

if TYPE_CHECKING:
    from cryptography import x509

_SOON = dt.timedelta(days=90)


def signer(
    key: keys.PrivateKey, certificates: Sequence[x509.Certificate], algorithm: str
) -> Signer:
    """Return what signs manifests: ``certificates`` go into the file, the key's own first.

    UsageError when the first certificate is another key's.
    """
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    if not certificates:
        raise UsageError("a signature needs the certificate of its key", hint="--cert C.pem")
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    own = certificates[0].public_key()
    if own.public_bytes(*form) != key.public_key().public_bytes(*form):
        raise UsageError(
            f"the certificate {chain.certificate_name(certificates[0])} is not this key's",
            hint="the signer's own certificate comes first in --cert",
        )
    ders = [certificate.public_bytes(Encoding.DER) for certificate in certificates]

    def sign(name: str, manifest: bytes) -> bytes:
        return write_certificate(algorithm, name, keys.sign(key, algorithm, manifest), ders)

    return sign


def judge_signer(certificates: Sequence[x509.Certificate], at: dt.datetime) -> tuple[Finding, ...]:
    """Return what importers will not like about a signer's certificate."""
    findings = []
    name = chain.certificate_name(certificates[0])
    dates = chain.judge_dates(certificates, at)
    if dates.state != "valid":
        findings.append(
            Finding(
                "KF-706",
                Severity.WARNING,
                f"{dates.subject} is {dates.state} on {dates.at[:10]}",
                subject=name,
                action="signed all the same; vSphere refuses such packages",
            )
        )
    elif certificates[0].not_valid_after_utc - at < _SOON:
        findings.append(
            Finding(
                "KF-711",
                Severity.WARNING,
                f"the certificate expires on {certificates[0].not_valid_after_utc:%Y-%m-%d}",
                subject=name,
                action="signed; importers will warn or refuse from then on",
            )
        )
    wrong = chain.purpose_fault(certificates[0])
    if wrong:
        findings.append(
            Finding(
                "KF-713",
                Severity.WARNING,
                wrong,
                subject=name,
                action="signed all the same; importers may refuse it",
            )
        )
    return tuple(findings)


def write_manifest_anew(
    package: OvfPackage,
    target: str | Path,
    *,
    algorithm: str | None,
    sign: Signer | None = None,
    changed: bool = False,
    believe: bool = False,
    overwrite: bool = False,
    on_bytes: Callable[[int], None] | None = None,
) -> WrittenPackage:
    """Write the package with a new manifest, and a new signature or none.

    While the files are hashed they are compared with the manifest there is, unless they were
    ``changed`` on purpose: ManifestMismatchError, and nothing is written. With ``believe`` digests
    of that manifest are taken over unhashed, where they are of the wanted algorithm. PackageError
    when a file is missing; otherwise what `write_package` raises.
    """
    stated = {} if changed else stated_digests(package)
    files = []
    for name in complete_files(package):
        digests = stated.get(name, {})
        known = digests if believe else None
        expected = None if believe else digests
        files.append(PackageFile(name, package.store.open(name), known, expected))
    return write_package(
        target,
        name=package.name,
        descriptor=package.data,
        files=files,
        algorithm=algorithm,
        sign=sign,
        overwrite=overwrite,
        on_bytes=on_bytes,
    )
