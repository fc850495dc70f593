"""Encrypt and decrypt the files of a package while it is written, in constant memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING

from lxml import etree

from kensho.appliances.ovf.elements import attribute, child, children
from kensho.appliances.store import absent, find
from kensho.model.errors import DecryptionError, UnsupportedError, UsageError
from kensho.model.finding import Finding, Severity
from kensho.packages.encryption.ciphers import (
    ALGORITHMS,
    GCM_IV,
    checked,
    decrypted,
    encrypted,
    wrong_key,
)
from kensho.packages.encryption.keys import HMAC_SHA256, ITERATIONS, Derivation, WrappedKey, wrap
from kensho.packages.encryption.section import (
    EncryptedFile,
    Keys,
    encrypted_files,
    files_of,
    has_encrypted_xml,
    read_keys,
    remove_encryption,
    write_data,
    write_keys,
)
from kensho.packages.files import complete_files
from kensho.packages.rewrite import (
    PackageFile,
    WrittenPackage,
    serialise_descriptor,
    with_sizes,
    write_package,
)
from kensho.packages.signing.sign import stated_digests
from kensho.packages.source import OvfPackage
from kensho.packages.version import convert_version
from kensho.storage import ByteSource

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

_OVF2 = "http://schemas.dmtf.org/ovf/envelope/2"
_VMDK = (b"KDMV", b"COWD", b"# Di")


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

    written = _write(package, root, target, protect, algorithm, on_bytes, overwrite=overwrite)
    return written, (*findings, *_unsigned(package))


def decrypt_package(
    package: OvfPackage,
    target: str | Path,
    *,
    passphrase: bytes | None = None,
    private: RSAPrivateKey | None = None,
    algorithm: str | None = "sha256",
    overwrite: bool = False,
    on_bytes: Callable[[int], None] | None = None,
) -> tuple[WrittenPackage, tuple[Finding, ...]]:
    """Write the package with its files decrypted, and return what is to be known of that.

    The plain text gets its name only when every file was proven by its tag; until then it is in
    temporary files, which an error removes. DecryptionError for a wrong passphrase or key, or
    changed bytes; UsageError when nothing is encrypted, or for a pipe as the target, which cannot
    take back what was not proven.
    """
    if str(target) == "-":
        raise UsageError(
            "plain text is not piped: it would be out before it is proven", hint="-o FILE.ova"
        )
    root = _copy(package.root)
    items = encrypted_files(root)
    if not items:
        raise UsageError("no file of this package is encrypted", hint="nothing has to be done")
    keys = read_keys(root, path=package.path)
    names = {_name(package, item.element): item for item in items}
    opened = _open_keys(names, keys, passphrase, private)
    findings = _judge(package, root, items)

    def reveal(name: str, source: ByteSource, expected: Mapping[str, str]) -> ByteSource:
        reading = checked(source, name, expected)
        item = names.get(name)
        if item is None:
            return reading
        _check_start(root, item, source, opened[name])
        return decrypted(source, reading, opened[name], item.algorithm)

    remove_encryption(root, frozenset(item.data_id for item in items))
    written = _write(package, root, target, reveal, algorithm, on_bytes, overwrite=overwrite)
    return written, (*findings, *_unsigned(package))


def _write(
    package: OvfPackage,
    root: etree._Element,
    target: str | Path,
    change: Callable[[str, ByteSource, Mapping[str, str]], ByteSource],
    algorithm: str | None,
    on_bytes: Callable[[int], None] | None,
    *,
    overwrite: bool,
) -> WrittenPackage:
    stated = stated_digests(package)
    sources = [
        PackageFile(name, change(name, package.store.open(name), stated.get(name, {})))
        for name in complete_files(package)
    ]
    with_sizes(root, {file.name: file.source.size for file in sources})
    return write_package(
        target,
        name=package.name,
        descriptor=serialise_descriptor(root),
        files=sources,
        algorithm=algorithm,
        overwrite=overwrite,
        on_bytes=on_bytes,
    )


def _as_ovf2(package: OvfPackage) -> tuple[etree._Element, tuple[Finding, ...]]:
    if etree.QName(package.root).namespace == _OVF2:
        return _copy(package.root), ()
    root, findings = convert_version(package.root, 2, path=package.path)
    note = Finding(
        "KF-714",
        Severity.WARNING,
        "the descriptor became OVF 2, because OVF 1 cannot say that files are encrypted",
        subject=package.name,
        action="VMware reads OVF 1 only; it could not decrypt the files either",
    )
    return root, (note, *findings)


def _copy(root: etree._Element) -> etree._Element:
    """Return a copy with the comments that stand beside the root."""
    return deepcopy(root.getroottree()).getroot()


def chosen_files(
    package: OvfPackage, root: etree._Element, ids: Sequence[str]
) -> dict[str, list[etree._Element]]:
    """Return the stored names to encrypt, each with the ``File`` elements that mean it."""
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
        chosen.setdefault(_name(package, file), []).append(file)
    if not chosen:
        raise UsageError("the package has no files to encrypt")
    return chosen


def _name(package: OvfPackage, file: etree._Element) -> str:
    """Return the stored name of a ``File``."""
    href = attribute(file, "href")
    if attribute(file, "chunkSize"):
        raise UnsupportedError(
            f"{href} is in chunks, which are not encrypted or decrypted",
            path=package.path,
            hint="join them first",
        )
    name = find(package.store, href)
    if name is None:
        raise absent(package.store, href)
    return name


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


def _open_keys(
    names: Mapping[str, EncryptedFile],
    keys: Keys,
    passphrase: bytes | None,
    private: RSAPrivateKey | None,
) -> dict[str, bytes]:
    """Return the content key of each file."""
    known: dict[Derivation | WrappedKey, bytes] = {}
    found = {}
    for name, item in names.items():
        way: Derivation | WrappedKey | None
        if passphrase is not None:
            way = next((d for d, opens in keys.derived if item.data_id in opens), None)
        else:
            ways = [w for w, opens in keys.wrapped if item.data_id in opens]
            way = next((w for w in ways if private is not None and w.is_for(private)), None)
        if way is None:
            raise _no_way(name, item, keys, passphrase, private)
        if way not in known:
            if isinstance(way, Derivation):
                known[way] = way.key(passphrase or b"")
            else:
                assert private is not None
                known[way] = way.key(private)
        found[name] = known[way]
    return found


def _no_way(
    name: str,
    item: EncryptedFile,
    keys: Keys,
    passphrase: bytes | None,
    private: RSAPrivateKey | None,
) -> DecryptionError | UnsupportedError:
    derived = any(item.data_id in opens for _, opens in keys.derived)
    wrapped = any(item.data_id in opens for _, opens in keys.wrapped)
    if not derived and not wrapped:
        how = f" but {', '.join(filter(None, keys.other))}" if any(keys.other) else ""
        return UnsupportedError(f"no key that kensho can use opens it{how}", path=name)
    if passphrase is None and private is not None and wrapped:
        return DecryptionError("it is encrypted for somebody else's key", path=name)
    needed = "a private key: --key" if wrapped else "a passphrase: --passphrase-file"
    return DecryptionError(f"it takes {needed}", path=name)


def _check_start(root: etree._Element, item: EncryptedFile, stored: ByteSource, key: bytes) -> None:
    """Refuse a wrong key early where the cipher has no tag and the content is known to be VMDK."""
    if ALGORITHMS.get(item.algorithm, (0, ""))[1] != "cbc":
        return
    file_id = attribute(item.element, "id")
    for section in children(root, "DiskSection"):
        for disk in children(section, "Disk"):
            if attribute(disk, "fileRef") == file_id and "vmdk" in attribute(disk, "format"):
                plain = decrypted(stored, stored, key, item.algorithm)
                if plain.size < len(_VMDK[0]) or plain.read_at(0, 4) not in _VMDK:
                    raise wrong_key(stored.name)


def _judge(
    package: OvfPackage, root: etree._Element, items: Sequence[EncryptedFile]
) -> tuple[Finding, ...]:
    findings = [
        Finding(
            "KF-715",
            Severity.WARNING,
            "the cipher has no tag (CBC), so nothing proves that key and content are right",
            subject=item.href,
            action="decrypted; look whether the disk can be read",
        )
        for item in items
        if ALGORITHMS.get(item.algorithm, (0, ""))[1] == "cbc"
    ]
    if has_encrypted_xml(root):
        findings.append(
            Finding(
                "KF-716",
                Severity.WARNING,
                "a part of the descriptor itself is encrypted",
                subject=package.name,
                action="left as it is",
            )
        )
    return tuple(findings)


def _unsigned(package: OvfPackage) -> tuple[Finding, ...]:
    if package.certificate is None:
        return ()
    return (
        Finding(
            "KF-717",
            Severity.WARNING,
            "the package was signed; what is signed has changed",
            subject=package.name,
            action="the signature was left out; sign the result",
        ),
    )


def _unique(name: str, taken: set[str]) -> str:
    number = 1
    candidate = name
    while candidate in taken:
        number += 1
        candidate = f"{name}-{number}"
    taken.add(candidate)
    return candidate
