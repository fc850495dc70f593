"""EncryptionSection and EncryptedData as XML: DSP0243 2.1 §9.16, XML Encryption 1.1 §3 and §5."""

from __future__ import annotations

import binascii
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lxml import etree

from kensho.appliances.ovf.elements import attribute, child, children, local, text
from kensho.model.errors import CorruptError, LimitError
from kensho.packages.encryption.ciphers import AES256_GCM
from kensho.packages.encryption.keys import (
    HMAC_SHA256,
    Derivation,
    WrappedKey,
)

XENC = "http://www.w3.org/2001/04/xmlenc#"
XENC11 = "http://www.w3.org/2009/xmlenc11#"
DSIG = "http://www.w3.org/2000/09/xmldsig#"
_PBKDF2 = f"{XENC11}pbkdf2"
_OCTETS = "http://www.iana.org/assignments/media-types/application/octet-stream"
_MOST_KEYS = 1000
_PREFIXES = {"xenc": XENC, "xenc11": XENC11, "ds": DSIG}


@dataclass(frozen=True, slots=True)
class EncryptedFile:
    """A ``File`` whose bytes are encrypted: its element, name, EncryptedData id and algorithm."""

    element: etree._Element
    href: str
    data_id: str
    algorithm: str


@dataclass(frozen=True, slots=True)
class Keys:
    """How to come by the keys: each with the ids of the EncryptedData it opens.

    ``other`` names key derivations that are not PBKDF2.
    """

    derived: tuple[tuple[Derivation, frozenset[str]], ...]
    wrapped: tuple[tuple[WrappedKey, frozenset[str]], ...]
    other: tuple[str, ...]


def files_of(root: etree._Element) -> Iterator[etree._Element]:
    """Yield the ``File`` elements of References."""
    for references in children(root, "References"):
        yield from children(references, "File")


def encrypted_files(root: etree._Element) -> tuple[EncryptedFile, ...]:
    """Return the files that are encrypted, in the order of References."""
    found = []
    for file in files_of(root):
        data = child(file, "EncryptedData")
        if data is not None:
            algorithm = attribute(child(data, "EncryptionMethod"), "Algorithm")
            href = attribute(file, "href")
            found.append(EncryptedFile(file, href, attribute(data, "Id"), algorithm))
    return tuple(found)


def has_encrypted_xml(root: etree._Element) -> bool:
    """Tell whether a part of the descriptor itself is encrypted, which is not decrypted here."""
    return any(
        local(element.getparent()) != "File"  # type: ignore[arg-type]
        for element in root.iter(f"{{{XENC}}}EncryptedData")
        if element.getparent() is not None
    )


def read_keys(root: etree._Element, *, path: str) -> Keys:
    """Read all keys of the descriptor's EncryptionSections.

    CorruptError for numbers and base64 that are none, LimitError for more than a thousand keys.
    """
    derived: list[tuple[Derivation, frozenset[str]]] = []
    wrapped: list[tuple[WrappedKey, frozenset[str]]] = []
    other: list[str] = []
    for section in children(root, "EncryptionSection"):
        for element in children(section, "DerivedKey", "EncryptedKey"):
            if len(derived) + len(wrapped) + len(other) >= _MOST_KEYS:
                raise LimitError(f"more than {_MOST_KEYS} keys", path=path)
            opens = _references(element)
            if local(element) == "EncryptedKey":
                wrapped.append((_wrapped(element, path), opens))
                continue
            # The standard's own example has the parameters beside the method, not in it.
            method = child(element, "KeyDerivationMethod")
            params = child(method, "PBKDF2-params")
            params = child(element, "PBKDF2-params") if params is None else params
            if params is None:
                other.append(attribute(method, "Algorithm"))
            else:
                derived.append((_derivation(params, path), opens))
    return Keys(tuple(derived), tuple(wrapped), tuple(other))


def write_keys(
    root: etree._Element, keys: Sequence[Derivation | WrappedKey], data_ids: Sequence[str]
) -> None:
    """Put an EncryptionSection for ``data_ids`` behind References."""
    namespace = etree.QName(root).namespace
    section = etree.Element(f"{{{namespace}}}EncryptionSection", nsmap=_PREFIXES)
    etree.SubElement(section, f"{{{namespace}}}Info").text = "Keys of the encrypted files"
    for key in keys:
        if isinstance(key, Derivation):
            _write_derivation(section, key, data_ids)
        else:
            _write_wrapped(section, key, data_ids)
    references = child(root, "References")
    root.insert(0 if references is None else root.index(references) + 1, section)
    section.tail = "\n"


def write_data(file: etree._Element, data_id: str) -> None:
    """Say in a ``File`` that its bytes are encrypted."""
    data = etree.SubElement(file, f"{{{XENC}}}EncryptedData", nsmap=_PREFIXES)
    data.set("Id", data_id)
    data.set("Type", _OCTETS)
    _sub(data, XENC, "EncryptionMethod", Algorithm=AES256_GCM)
    _sub(_sub(data, XENC, "CipherData"), XENC, "CipherReference", URI=attribute(file, "href"))


def remove_encryption(root: etree._Element, data_ids: frozenset[str]) -> None:
    """Remove what was said of these EncryptedData, and sections that say nothing else."""
    for file in files_of(root):
        for data in list(children(file, "EncryptedData")):
            if attribute(data, "Id") in data_ids:
                _remove(data)
    for section in list(children(root, "EncryptionSection")):
        for element in list(children(section, "DerivedKey", "EncryptedKey")):
            for references in list(children(element, "ReferenceList")):
                for reference in list(children(references, "DataReference")):
                    if attribute(reference, "URI").removeprefix("#") in data_ids:
                        _remove(reference)
            if not _references(element):
                _remove(element)
        if child(section, "DerivedKey", "EncryptedKey") is None:
            _remove(section)


def _write_derivation(section: etree._Element, key: Derivation, data_ids: Sequence[str]) -> None:
    element = _sub(section, XENC11, "DerivedKey")
    method = _sub(element, XENC11, "KeyDerivationMethod", Algorithm=_PBKDF2)
    params = _sub(method, XENC11, "PBKDF2-params")
    salt = _sub(params, XENC11, "Salt")
    _sub(salt, XENC11, "Specified").text = _base64(key.salt)
    _sub(params, XENC11, "IterationCount").text = str(key.iterations)
    _sub(params, XENC11, "KeyLength").text = str(key.length)
    _sub(params, XENC11, "PRF", Algorithm=key.prf)
    _write_references(element, data_ids)


def _write_wrapped(section: etree._Element, key: WrappedKey, data_ids: Sequence[str]) -> None:
    element = _sub(section, XENC, "EncryptedKey")
    method = _sub(element, XENC, "EncryptionMethod", Algorithm=key.method)
    _sub(method, DSIG, "DigestMethod", Algorithm=key.digest)
    _sub(method, XENC11, "MGF", Algorithm=key.mgf)
    info = _sub(_sub(element, DSIG, "KeyInfo"), DSIG, "X509Data")
    _sub(info, DSIG, "X509Certificate").text = _base64(key.certificate)
    _sub(_sub(element, XENC, "CipherData"), XENC, "CipherValue").text = _base64(key.cipher)
    _write_references(element, data_ids)


def _write_references(element: etree._Element, data_ids: Sequence[str]) -> None:
    references = _sub(element, XENC, "ReferenceList")
    for data_id in data_ids:
        _sub(references, XENC, "DataReference", URI=f"#{data_id}")


def _sub(parent: etree._Element, namespace: str, name: str, **attributes: str) -> etree._Element:
    return etree.SubElement(parent, f"{{{namespace}}}{name}", dict(attributes))


def _references(element: etree._Element) -> frozenset[str]:
    return frozenset(
        attribute(reference, "URI").removeprefix("#")
        for references in children(element, "ReferenceList")
        for reference in children(references, "DataReference")
    )


def _derivation(params: etree._Element, path: str) -> Derivation:
    salt = text(child(params, "Salt"), "Specified")
    return Derivation(
        _bytes(salt, "Salt", path),
        _number(text(params, "IterationCount"), "IterationCount", path),
        _number(text(params, "KeyLength"), "KeyLength", path),
        attribute(child(params, "PRF"), "Algorithm") or HMAC_SHA256,
    )


def _wrapped(element: etree._Element, path: str) -> WrappedKey:
    method = child(element, "EncryptionMethod")
    certificate = text(child(child(element, "KeyInfo"), "X509Data"), "X509Certificate")
    return WrappedKey(
        attribute(method, "Algorithm"),
        attribute(child(method, "DigestMethod"), "Algorithm"),
        attribute(child(method, "MGF"), "Algorithm"),
        _bytes(text(method, "OAEPparams"), "OAEPparams", path),
        _bytes(text(child(element, "CipherData"), "CipherValue"), "CipherValue", path),
        _bytes(certificate, "X509Certificate", path),
    )


def _number(digits: str, field: str, path: str) -> int:
    if not (digits.isascii() and digits.isdigit() and len(digits) < 12):
        raise CorruptError(f"not a number: {digits[:40]!r}", path=path, field=field)
    return int(digits)


def _bytes(value: str, field: str, path: str) -> bytes:
    try:
        return binascii.a2b_base64("".join(value.split()), strict_mode=True) if value else b""
    except (binascii.Error, ValueError) as error:
        raise CorruptError(f"not base64: {error}", path=path, field=field) from None


def _base64(data: bytes) -> str:
    return binascii.b2a_base64(data, newline=False).decode()


def _remove(element: etree._Element) -> None:
    """Take an element out; the blanks behind it go too, words stay."""
    parent = element.getparent()
    assert parent is not None
    tail = element.tail or ""
    before = element.getprevious()
    if tail.strip():
        if before is not None:
            before.tail = (before.tail or "") + tail
        else:
            parent.text = (parent.text or "") + tail
    parent.remove(element)
