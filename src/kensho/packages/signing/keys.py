"""RSA (PKCS #1 v1.5, RFC 8017 §8.2) and ECDSA (FIPS 186-5, DER) over a message's digest.

What `openssl dgst -sign` and ovftool make. ``cryptography`` is imported when it is needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from kensho.model.errors import CorruptError, UnsupportedError, UsageError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import (
        EllipticCurvePrivateKey,
        EllipticCurvePublicKey,
    )
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
    from cryptography.hazmat.primitives.hashes import HashAlgorithm

    PrivateKey: TypeAlias = RSAPrivateKey | EllipticCurvePrivateKey
    PublicKey: TypeAlias = RSAPublicKey | EllipticCurvePublicKey

#: Digests a signature may be over, hashlib's names, as often met first.
HASHES = ("sha256", "sha1", "sha512", "sha384", "sha224", "md5")


def is_encrypted(data: bytes) -> bool:
    """Tell whether a private key in PEM needs a password."""
    return b"-----BEGIN ENCRYPTED PRIVATE KEY-----" in data or b"Proc-Type: 4,ENCRYPTED" in data


def load_key(data: bytes, password: bytes | None, *, path: str) -> PrivateKey:
    """Load a private key from PEM (PKCS #8, PKCS #1, SEC 1) or DER.

    UsageError for a missing or wrong password, CorruptError for what is no key, UnsupportedError
    for keys that are neither RSA nor EC.
    """
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.hazmat.primitives.serialization import (
        load_der_private_key,
        load_pem_private_key,
    )

    load = load_pem_private_key if b"-----BEGIN" in data else load_der_private_key
    try:
        key = load(data, password)
    except TypeError as error:
        missing = password is None
        raise UsageError(
            "the key needs a password" if missing else "the key has no password",
            path=path,
            hint="KENSHO_KEY_PASSWORD, --key-password-file, or type it on a terminal",
        ) from error
    except Exception as error:  # noqa: BLE001 - the library raises many kinds
        raise _bad_key(error, password, path) from None
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise UnsupportedError(
            "packages are signed with RSA or EC keys, this is neither", path=path
        )
    return key


def _bad_key(error: Exception, password: bytes | None, path: str) -> CorruptError | UsageError:
    if password is not None:
        return UsageError("the password is wrong, or this is no private key", path=path)
    return CorruptError(f"is no private key: {error}", path=path)


def public_key(key: object, *, path: str) -> PublicKey:
    """Return a public key as one of the kinds that sign packages; UnsupportedError otherwise."""
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        raise UnsupportedError("the certificate's key is neither RSA nor EC", path=path)
    return key


def sign(key: PrivateKey, algorithm: str, message: bytes) -> bytes:
    """Return the signature over ``message``; ``algorithm`` is one of `HASHES`."""
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(message, padding.PKCS1v15(), _hash(algorithm))
    return key.sign(message, ec.ECDSA(_hash(algorithm)))


def verifies(key: PublicKey, algorithm: str, signature: bytes, message: bytes) -> bool:
    """Tell whether ``signature`` is the key's over ``message``."""
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, message, padding.PKCS1v15(), _hash(algorithm))
        else:
            key.verify(signature, message, ec.ECDSA(_hash(algorithm)))
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        return False
    return True


def describe(key: object) -> str:
    """Return a key's kind and size, such as ``RSA 2048`` or ``EC secp256r1``."""
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    if isinstance(key, rsa.RSAPublicKey | rsa.RSAPrivateKey):
        return f"RSA {key.key_size}"
    if isinstance(key, ec.EllipticCurvePublicKey | ec.EllipticCurvePrivateKey):
        return f"EC {key.curve.name}"
    return type(key).__name__.removesuffix("PublicKey")


def _hash(name: str) -> HashAlgorithm:
    from cryptography.hazmat.primitives import hashes

    kinds: dict[str, type[HashAlgorithm]] = {
        "md5": hashes.MD5,
        "sha1": hashes.SHA1,
        "sha224": hashes.SHA224,
        "sha256": hashes.SHA256,
        "sha384": hashes.SHA384,
        "sha512": hashes.SHA512,
    }
    return kinds[name]()
