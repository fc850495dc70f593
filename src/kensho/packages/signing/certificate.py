"""``.cert`` files: one line ``ALGORITHM(x.mf)= hex of the signature``, then X.509 in PEM.

DSP0243 2.1 §6.4.3. VMware pads the file with blanks to 102400 bytes, room reserved while it
streams, and writes SHA1 over a SHA-256 manifest; others break the hex into lines; VirtualBox adds a
CMS (PKCS #7) signature. All of that is read; what is written is the plain form.
"""

from __future__ import annotations

import binascii
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from kensho.model.errors import CorruptError, LimitError

MAX_CERTIFICATE = 4 * 1024 * 1024
MAX_CHAIN = 32  #: certificates in one file
_LINE = re.compile(r"([A-Za-z][A-Za-z0-9-]*)\s*\((.+?)\)\s*=\s*([0-9A-Fa-f\s]*)", re.DOTALL)
_PEM = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END \1-----", re.DOTALL)
_CERTIFICATES = frozenset({b"CERTIFICATE", b"X509 CERTIFICATE", b"TRUSTED CERTIFICATE"})
_CMS = frozenset({b"CMS", b"PKCS7", b"PKCS #7 SIGNED DATA"})
_HASHES = ("sha1", "sha224", "sha256", "sha384", "sha512", "md5")


@dataclass(frozen=True, slots=True)
class CertificateFile:
    """What a ``.cert`` file holds.

    ``algorithm`` is hashlib's name of the digest the line states, ``manifest`` the file it names,
    ``signature`` None when there is no such line. ``certificates`` are DER, the signer's first;
    ``cms`` tells that a CMS signature is there; ``padding`` counts blank bytes behind the rest.
    """

    algorithm: str
    manifest: str
    signature: bytes | None
    certificates: tuple[bytes, ...]
    cms: bool
    padding: int


def read_certificate(data: bytes, *, path: str) -> CertificateFile:
    """Read a ``.cert`` file.

    LimitError above `MAX_CERTIFICATE` bytes or `MAX_CHAIN` certificates, CorruptError when there is
    neither a signature nor a certificate, or base64 or hex is broken.
    """
    if len(data) > MAX_CERTIFICATE:
        raise LimitError(f"{len(data)} bytes; at most {MAX_CERTIFICATE} are read", path=path)
    text, mark, _ = data.partition(b"-----BEGIN")
    algorithm, manifest, signature = _line(text.strip(b"\0 \t\r\n"), path)
    certificates = pem_certificates(data, path=path)
    cms = any(match[1] in _CMS for match in _PEM.finditer(data))
    if len(certificates) > MAX_CHAIN:
        raise LimitError(f"more than {MAX_CHAIN} certificates", path=path)
    if signature is None and not certificates and not cms:
        raise CorruptError("neither a signature nor a certificate is in this file", path=path)
    if mark and not certificates and not cms:
        raise CorruptError("a PEM block has no end", path=path, offset=len(text))
    padding = len(data) - len(data.rstrip(b"\0 \t\r\n"))
    return CertificateFile(algorithm, manifest, signature, certificates, cms, padding)


def pem_certificates(data: bytes, *, path: str) -> tuple[bytes, ...]:
    """Return the certificates among PEM blocks, in DER; CorruptError for broken base64."""
    return tuple(
        _der(match[2], path, match.start())
        for match in _PEM.finditer(data)
        if match[1] in _CERTIFICATES
    )


def write_certificate(
    algorithm: str, manifest: str, signature: bytes, certificates: Sequence[bytes]
) -> bytes:
    """Return a ``.cert`` file; ``certificates`` are DER, the signer's first."""
    line = f"{algorithm.upper()}({manifest})= {signature.hex()}\n"
    return line.encode() + b"".join(_pem(der) for der in certificates)


def _line(text: bytes, path: str) -> tuple[str, str, bytes | None]:
    if not text:
        return "", "", None
    match = _LINE.match(text.decode("utf-8", errors="replace"))
    if match is None:
        raise CorruptError(
            "the first line is no signature", path=path, offset=0, hint="ALGORITHM(x.mf)= hex"
        )
    word = re.sub(r"^sha2?-", "sha", match[1].lower())
    digits = "".join(match[3].split())
    if word not in _HASHES or not digits or len(digits) % 2:
        raise CorruptError(
            f"the signature cannot be read: {match[1]}, {len(digits)} hexadecimal digits",
            path=path,
            offset=0,
        )
    return word, match[2].strip(), bytes.fromhex(digits)


def _der(base64: bytes, path: str, offset: int) -> bytes:
    try:
        return binascii.a2b_base64(b"".join(base64.split()), strict_mode=True)
    except binascii.Error as error:
        raise CorruptError(f"not base64: {error}", path=path, offset=offset) from None


def _pem(der: bytes) -> bytes:
    body = "\n".join(textwrap.wrap(binascii.b2a_base64(der, newline=False).decode(), 64))
    return f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n".encode()
