"""Where content keys come from: passphrases (PBKDF2) and key pairs (RSA).

RFC 8018 §5.2, RFC 8017 §7.1 and §7.2, named as in XML Encryption 1.1 §5.4 and §5.5.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kensho.model.errors import DecryptionError, LimitError, UnsupportedError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.padding import AsymmetricPadding
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
    from cryptography.hazmat.primitives.hashes import HashAlgorithm

ITERATIONS = 600_000  #: OWASP's advice of 2023 for PBKDF2-HMAC-SHA256
_MOST_ITERATIONS = 20_000_000  # some 10 seconds; more is an attack on whoever decrypts
_LONGEST_SALT = 4096
#: PRF → hashlib's name.
PRFS = {
    "http://www.w3.org/2000/09/xmldsig#hmac-sha1": "sha1",
    "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256": "sha256",
    "http://www.w3.org/2001/04/xmldsig-more#hmac-sha384": "sha384",
    "http://www.w3.org/2001/04/xmldsig-more#hmac-sha512": "sha512",
}
HMAC_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"
RSA_1_5 = "http://www.w3.org/2001/04/xmlenc#rsa-1_5"
RSA_OAEP_MGF1P = "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p"
RSA_OAEP = "http://www.w3.org/2009/xmlenc11#rsa-oaep"
DIGESTS = {
    "http://www.w3.org/2000/09/xmldsig#sha1": "sha1",
    "http://www.w3.org/2001/04/xmlenc#sha256": "sha256",
    "http://www.w3.org/2001/04/xmldsig-more#sha384": "sha384",
    "http://www.w3.org/2001/04/xmlenc#sha512": "sha512",
}
SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
MGFS = {f"http://www.w3.org/2009/xmlenc11#mgf1{name}": name for name in DIGESTS.values()}
MGF1_SHA256 = "http://www.w3.org/2009/xmlenc11#mgf1sha256"


@dataclass(frozen=True, slots=True)
class Derivation:
    """PBKDF2 with its parameters; ``length`` of the key in bytes, ``prf`` one of `PRFS`."""

    salt: bytes
    iterations: int
    length: int
    prf: str

    def key(self, passphrase: bytes) -> bytes:
        """Return the key of a passphrase. LimitError and UnsupportedError for odd parameters."""
        if not 1 <= self.iterations <= _MOST_ITERATIONS or len(self.salt) > _LONGEST_SALT:
            raise LimitError(
                f"{self.iterations} iterations; at most {_MOST_ITERATIONS} are done",
                field="IterationCount",
            )
        if self.prf not in PRFS or self.length not in {16, 24, 32}:
            raise UnsupportedError(
                f"a key of {self.length} bytes by {self.prf or 'no PRF'}", field="PBKDF2-params"
            )
        return hashlib.pbkdf2_hmac(
            PRFS[self.prf], passphrase, self.salt, self.iterations, self.length
        )


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A content key encrypted for one recipient.

    ``method``, ``digest`` and ``mgf`` are algorithm URIs, ``label`` the OAEP parameters;
    ``certificate`` is the recipient's in DER, empty when it is not there.
    """

    method: str
    digest: str
    mgf: str
    label: bytes
    cipher: bytes
    certificate: bytes

    def key(self, private: RSAPrivateKey) -> bytes:
        """Return the content key. DecryptionError when it was wrapped for another key."""
        try:
            return private.decrypt(self.cipher, self._padding())
        except ValueError:
            raise DecryptionError("the content key is not for this private key") from None

    def is_for(self, private: RSAPrivateKey) -> bool:
        """Tell whether the certificate is the private key's, or there is none."""
        from kensho.packages.signing.chain import load_certificate

        if not self.certificate:
            return True
        certificate = load_certificate(self.certificate, path="X509Certificate")
        return certificate.public_key() == private.public_key()

    def _padding(self) -> AsymmetricPadding:
        from cryptography.hazmat.primitives.asymmetric import padding

        if self.method == RSA_1_5:
            return padding.PKCS1v15()
        digest, mgf = DIGESTS.get(self.digest or "", ""), MGFS.get(self.mgf, "")
        if self.method == RSA_OAEP_MGF1P:
            digest, mgf = digest or ("" if self.digest else "sha1"), "sha1"
        elif self.method == RSA_OAEP:
            digest = digest or ("" if self.digest else "sha1")
            mgf = mgf or ("" if self.mgf else "sha1")
        else:
            digest = ""
        if not digest or not mgf:
            raise UnsupportedError(
                f"a key wrapped with {self.method} {self.digest} {self.mgf}".rstrip(),
                field="EncryptedKey",
            )
        return padding.OAEP(padding.MGF1(_hash(mgf)), _hash(digest), self.label or None)


def wrap(key: bytes, recipient: RSAPublicKey, certificate: bytes) -> WrappedKey:
    """Encrypt a content key by RSA-OAEP with SHA-256."""
    from cryptography.hazmat.primitives.asymmetric import padding

    how = padding.OAEP(padding.MGF1(_hash("sha256")), _hash("sha256"), None)
    return WrappedKey(RSA_OAEP, SHA256, MGF1_SHA256, b"", recipient.encrypt(key, how), certificate)


def _hash(name: str) -> HashAlgorithm:
    from cryptography.hazmat.primitives import hashes

    kinds: dict[str, type[HashAlgorithm]] = {
        "sha1": hashes.SHA1,
        "sha256": hashes.SHA256,
        "sha384": hashes.SHA384,
        "sha512": hashes.SHA512,
    }
    return kinds[name]()
