"""Encrypt the files of a package while it is written, in constant memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lxml import etree

from kensho.appliances.ovf.elements import attribute, child
from kensho.appliances.ovf.envelope import version_of
from kensho.model.errors import UnsupportedError, UsageError
from kensho.model.finding import Finding, Severity
from kensho.packages.encryption.ciphers import GCM_IV, checked, encrypted
from kensho.packages.encryption.keys import HMAC_SHA256, ITERATIONS, Derivation, WrappedKey, wrap
from kensho.packages.encryption.package import copy_of, stored_name, unsigned, write_changed
from kensho.packages.encryption.section import files_of, write_data, write_keys
from kensho.packages.rewrite import WrittenPackage
from kensho.packages.source import OvfPackage
from kensho.packages.version import convert_version
from kensho.storage import ByteSource

if TYPE_CHECKING:
    from cryptography import x509


def encrypt_package(
    package: OvfPackage,
    target: str | Path,
    *,
    passphrase: bytes | None = None,
    recipients: Sequence[x509.Certificate] = (),
    ids: Sequence[str] = (),
    algorithm: str | None = "sha256",
    overwrite: bool = False,
    on_bytes: Callable[[int], None] | None = None,
) -> tuple[WrittenPackage, tuple[Finding, ...]]:
    """Write the package with files encrypted by AES-256-GCM, and return what changed besides.

    Either a ``passphrase`` or certificates of ``recipients`` with RSA keys; ``ids`` are those of
    the files to encrypt, all by default. The descriptor becomes OVF 2, which alone can say it, and
    a signature is left out. While they are read the files are compared with the manifest there is
    (ManifestMismatchError). UsageError for ids that are not there, UnsupportedError for files in
    chunks or encrypted already, LimitError for files above 64 GiB, and what `write_package` raises.
    """
    if (passphrase is None) == (not recipients):
        raise UsageError("either a passphrase or recipients")
    root, findings = _as_ovf2(package)
    chosen = chosen_files(package, root, ids)
    key, keys = _new_keys(passphrase, recipients)
    taken = {element.get("Id", "") for element in root.iter("*")}
    data_ids: list[str] = []
    for file in chosen.values():
        for element in file:
            data_id = _unique(f"encrypted-{len(data_ids) + 1}", taken)
            write_data(element, data_id)
            data_ids.append(data_id)
    write_keys(root, keys, data_ids)

    def protect(name: str, source: ByteSource, expected: Mapping[str, str]) -> ByteSource:
        plain = checked(source, name, expected)
        return encrypted(plain, key, os.urandom(GCM_IV)) if name in chosen else plain

    written = write_changed(
        package, root, target, protect, algorithm, on_bytes, overwrite=overwrite
    )
    return written, (*findings, *unsigned(package))


def _as_ovf2(package: OvfPackage) -> tuple[etree._Element, tuple[Finding, ...]]:
    if version_of(package.root) == 2:
        return copy_of(package.root), ()
    root, findings = convert_version(package.root, 2, path=package.path)
    note = Finding(
        "KF-714",
        Severity.WARNING,
        "the descriptor became OVF 2, because OVF 1 cannot say that files are encrypted",
        subject=package.name,
        action="VMware reads OVF 1 only; it could not decrypt the files either",
    )
    return root, (note, *findings)


def chosen_files(
    package: OvfPackage, root: etree._Element, ids: Sequence[str]
) -> dict[str, list[etree._Element]]:
    """Return the stored names to encrypt, each with the ``File`` elements that mean it.

    ``ids`` are those of the files, all of them when there are none. Raises what `encrypt_package`
    does for files it refuses.
    """
    files = list(files_of(root))
    unknown = set(ids) - {attribute(file, "id") for file in files}
    if unknown:
        known = ", ".join(attribute(file, "id") for file in files[:20])
        raise UsageError(
            f"no file has the id {', '.join(sorted(unknown))}", hint=f"there are: {known}"
        )
    chosen: dict[str, list[etree._Element]] = {}
    for file in files:
        if ids and attribute(file, "id") not in ids:
            continue
        if child(file, "EncryptedData") is not None:
            raise UnsupportedError(
                f"{attribute(file, 'href')} is encrypted already", path=package.path
            )
        chosen.setdefault(stored_name(package, file), []).append(file)
    if not chosen:
        raise UsageError("the package has no files to encrypt")
    return chosen


def _new_keys(
    passphrase: bytes | None, recipients: Sequence[x509.Certificate]
) -> tuple[bytes, tuple[Derivation | WrappedKey, ...]]:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import Encoding

    if passphrase is not None:
        derivation = Derivation(os.urandom(16), ITERATIONS, 32, HMAC_SHA256)
        return derivation.key(passphrase), (derivation,)
    key = os.urandom(32)
    wrapped = []
    for certificate in recipients:
        public = certificate.public_key()
        if not isinstance(public, RSAPublicKey):
            raise UnsupportedError("keys are wrapped for RSA certificates only")
        wrapped.append(wrap(key, public, certificate.public_bytes(Encoding.DER)))
    return key, tuple(wrapped)


def _unique(name: str, taken: set[str]) -> str:
    number = 1
    candidate = name
    while candidate in taken:
        number += 1
        candidate = f"{name}-{number}"
    taken.add(candidate)
    return candidate
