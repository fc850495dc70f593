"""The key that signs a statement, and its certificates, from files in PEM or DER."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kensho.model.errors import CorruptError, LocatorError
from kensho.packages.signing import keys
from kensho.packages.signing.certificate import pem_certificates

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

_MOST = 4 << 20


def load_signer(
    key: Path, certificates: Path | None, password: bytes | None = None
) -> tuple[keys.PrivateKey | Ed25519PrivateKey, list[bytes]]:
    """Return a private key (Ed25519, RSA, EC) and certificates in DER, the key's own first.

    LocatorError, CorruptError and UsageError kinds for what cannot be read.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ed25519
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    data = _read(key)
    found: keys.PrivateKey | Ed25519PrivateKey | None = None
    if b"-----BEGIN" in data:
        try:
            loaded = load_pem_private_key(data, password)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            loaded = None  # what it is, `load_key` says better
        found = loaded if isinstance(loaded, ed25519.Ed25519PrivateKey) else None
    if found is None:
        found = keys.load_key(data, password, path=str(key))
    if certificates is None:
        return found, []
    ders = list(pem_certificates(_read(certificates), path=str(certificates)))
    if not ders:
        raise CorruptError("has no certificate in PEM", path=certificates)
    return found, ders


def load_public_key(path: Path) -> keys.PublicKey | Ed25519PublicKey:
    """Return a public key in PEM; CorruptError for what is none, UnsupportedError for other kinds."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ed25519
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        found = load_pem_public_key(_read(path))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CorruptError(f"is no public key in PEM: {error}", path=path) from None
    if isinstance(found, ed25519.Ed25519PublicKey):
        return found
    return keys.public_key(found, path=str(path))


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_MOST)
    except OSError as error:
        raise LocatorError(f"cannot be read: {error.strerror}", path=path) from None
