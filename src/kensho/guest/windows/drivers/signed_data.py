"""Signatures of drivers: whether one is whole, and who made it.

Spec: RFC 2315 (PKCS #7 1.5: the digest is of the content without its tag and length), RFC 5652 for
the attributes. What is verified: the digest, the signature by the certificate that it names, and
each link of the chain that lies in it. Not verified: that the chain ends at a root that Windows trusts,
since Microsoft's roots are not shipped with kensho; revocation; dates and time stamps. So it tells
that nothing was changed since the one who is named signed, and not that he is who he says.
"""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kensho.guest.windows.drivers.der import INTEGER, OCTETS, SEQUENCE, SET, Der, read_der
from kensho.model.errors import CorruptError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography import x509

_SIGNED_DATA = "1.2.840.113549.1.7.2"
_CONTENT_TYPE, _MESSAGE_DIGEST = "1.2.840.113549.1.9.3", "1.2.840.113549.1.9.4"
_DIGESTS = {
    "1.3.14.3.2.26": "sha1",
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
}
_MAX_CERTIFICATES = 64


@dataclass(frozen=True, slots=True)
class Signed:
    """What was signed, and by whom.

    ``chain`` are the names from the signer up, as far as the certificates go; ``rooted`` tells that the
    last one signed itself.
    """

    kind: str
    content: Der
    digest: str
    chain: tuple[str, ...]
    rooted: bool

    @property
    def signer(self) -> str:
        """The signer's name."""
        return self.chain[0]


def read_signed(data: bytes, path: str) -> Signed:
    """Verify PKCS #7 signed data; CorruptError when it was changed, UnsupportedError for odd kinds."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of old certificates: what breaks RFC 5280 by a little
            return _verify(data, path)
    except (CorruptError, UnsupportedError) as error:
        raise type(error)(f"its signature: {error.message}", path=path) from None


def _verify(data: bytes, path: str) -> Signed:
    info = read_der(data, path)
    if info.tag != SEQUENCE or info.part(0, 0x06).oid != _SIGNED_DATA:
        raise CorruptError("is no PKCS #7 signed data")
    parts = info.part(1, 0xA0).part(0, SEQUENCE).parts()
    if len(parts) < 4 or parts[2].tag != SEQUENCE or parts[-1].tag != SET:
        raise CorruptError("parts of it are missing")
    kind = parts[2].part(0, 0x06).oid
    content = parts[2].part(1, 0xA0).part(0, SEQUENCE)
    certificates = _certificates(next((p for p in parts[3:-1] if p.tag == 0xA0), None))
    signers = parts[-1].parts()
    if len(signers) != 1:
        raise UnsupportedError(f"{len(signers)} signers; drivers have one")
    signer = signers[0].parts()
    if len(signer) < 6 or signer[3].tag != 0xA0 or signer[5].tag != OCTETS:
        raise UnsupportedError("the signer has no attributes, or a form that drivers have not")
    digest = _DIGESTS.get(signer[2].part(0, 0x06).oid, "")
    if not digest:
        raise UnsupportedError("a digest that is not known")
    attributes = {a.part(0, 0x06).oid: a.part(1, SET).parts() for a in signer[3].parts()}
    kinds = [value.oid for value in attributes.get(_CONTENT_TYPE, ())]
    digests = [value.content for value in attributes.get(_MESSAGE_DIGEST, ())]
    if kinds != [kind]:
        raise CorruptError("its attributes are of another content")
    if digests != [hashlib.new(digest, content.content, usedforsecurity=False).digest()]:
        raise CorruptError("the content was changed after it was signed")
    certificate = _named(certificates, signer[1])
    # What is signed is the attributes as a SET, not with the tag they have here.
    _check(certificate, signer[5].content, b"\x31" + signer[3].raw[1:], digest)
    chain, rooted = _chain(certificate, certificates)
    return Signed(kind, content, digest, chain, rooted)


def _certificates(element: Der | None) -> list[x509.Certificate]:
    from cryptography import x509

    found = []
    for part in element.parts()[:_MAX_CERTIFICATES] if element is not None else ():
        try:
            certificate = x509.load_der_x509_certificate(part.raw)
            # Read on demand only: what cannot be read shows here.
            _name(certificate)
            certificate.issuer.public_bytes()
            _ = certificate.serial_number
            found.append(certificate)
        except (ValueError, x509.InvalidVersion):
            continue  # one that nobody may need
    return found


def _named(certificates: Sequence[x509.Certificate], who: Der) -> x509.Certificate:
    """Return the certificate that issuer and serial number name."""
    if who.tag != SEQUENCE:
        raise UnsupportedError("the signer is not named by issuer and serial number")
    issuer = who.part(0, SEQUENCE).raw
    serial = int.from_bytes(who.part(1, INTEGER).content, "big", signed=True)
    for certificate in certificates:
        if certificate.serial_number == serial and certificate.issuer.public_bytes() == issuer:
            return certificate
    raise CorruptError("the signer's certificate is not in it")


def _check(certificate: x509.Certificate, signature: bytes, signed: bytes, digest: str) -> None:
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

    algorithms = {
        "sha1": hashes.SHA1(),  # noqa: S303  # drivers up to Windows 7 have no other
        "sha256": hashes.SHA256(),
        "sha384": hashes.SHA384(),
        "sha512": hashes.SHA512(),
    }
    try:
        key = certificate.public_key()
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, signed, padding.PKCS1v15(), algorithms[digest])
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, signed, ec.ECDSA(algorithms[digest]))
        else:
            raise UnsupportedError("the signer's key is of a kind that drivers have not")
    except InvalidSignature:
        raise CorruptError("it is not by the key of the certificate it names") from None
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UnsupportedError(f"cannot be verified: {error}") from None


def _chain(
    certificate: x509.Certificate, others: Sequence[x509.Certificate]
) -> tuple[tuple[str, ...], bool]:
    """Return the names from the signer up; CorruptError when an issuer is there that did not issue."""
    chain = [certificate]
    while not _issued(chain[-1], chain[-1]):
        named = [c for c in others if c not in chain and c.subject == chain[-1].issuer]
        issuer = next((c for c in named if _issued(chain[-1], c)), None)
        if issuer is None and named:
            raise CorruptError(f"the certificate of {_name(chain[-1])} was changed")
        if issuer is None:
            return tuple(map(_name, chain)), False
        chain.append(issuer)
    return tuple(map(_name, chain)), True


def _issued(certificate: x509.Certificate, by: x509.Certificate) -> bool:
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    if certificate.issuer != by.subject:
        return False
    try:
        certificate.verify_directly_issued_by(by)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _name(certificate: x509.Certificate) -> str:
    from cryptography.x509.oid import NameOID

    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    text = str(names[0].value) if names else certificate.subject.rfc4514_string()
    return "".join(c for c in text if c.isprintable())[:200] or "(no name)"
