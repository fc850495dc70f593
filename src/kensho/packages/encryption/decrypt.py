"""Decrypt the files of a package while it is written, in constant memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lxml import etree

from kensho.appliances.ovf.elements import attribute, children
from kensho.model.errors import DecryptionError, UnsupportedError, UsageError
from kensho.model.finding import Finding, Severity
from kensho.packages.encryption.ciphers import ALGORITHMS, checked, decrypted, wrong_key
from kensho.packages.encryption.keys import Derivation, WrappedKey
from kensho.packages.encryption.package import copy_of, stored_name, unsigned, write_changed
from kensho.packages.encryption.section import (
    EncryptedFile,
    Keys,
    encrypted_files,
    has_encrypted_xml,
    read_keys,
    remove_encryption,
)
from kensho.packages.rewrite import WrittenPackage
from kensho.packages.source import OvfPackage
from kensho.storage import ByteSource

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

_VMDK = (b"KDMV", b"COWD", b"# Di")


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
    root = copy_of(package.root)
    items = encrypted_files(root)
    if not items:
        raise UsageError("no file of this package is encrypted", hint="nothing has to be done")
    keys = read_keys(root, path=package.path)
    names = {stored_name(package, item.element): item for item in items}
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
    written = write_changed(package, root, target, reveal, algorithm, on_bytes, overwrite=overwrite)
    return written, (*findings, *unsigned(package))


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
