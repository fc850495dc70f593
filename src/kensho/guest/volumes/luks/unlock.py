"""From a passphrase to the key that a volume is encrypted with."""

from __future__ import annotations

import hashlib
import hmac

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.kdf.argon2 import Argon2i, Argon2id

from kensho.guest.volumes.luks.cipher import sector_cipher
from kensho.guest.volumes.luks.header import Kdf, Luks, Slot
from kensho.guest.volumes.view import Readable
from kensho.model.errors import UnsupportedError

_SECTOR = 512


def find_key(luks: Luks, view: Readable, passphrase: bytes) -> bytes | None:
    """Return the key that a passphrase opens, None when it opens no slot.

    UnsupportedError when no slot can be tried at all.
    """
    problem: UnsupportedError | None = None
    tried = False
    for slot in luks.slots:
        try:
            key = _of_slot(slot, view, passphrase)
            tried = True
            if hmac.compare_digest(_derived(luks.checked, key, len(luks.digest)), luks.digest):
                return key
        except UnsupportedError as error:
            problem = error
    if problem is not None and not tried:
        raise problem
    return None


def _of_slot(slot: Slot, view: Readable, passphrase: bytes) -> bytes:
    """Return what a passphrase makes of a slot: the key, or nonsense."""
    unlocking = _derived(slot.kdf, passphrase, slot.area_key)
    size = slot.key * slot.stripes
    whole = -(-size // _SECTOR) * _SECTOR
    raw = view.read(slot.area, whole) if slot.area + whole <= view.size else b""
    return _merged(sector_cipher(slot.cipher, unlocking, _SECTOR).decrypt(raw, 0)[:size], slot)


def _merged(split: bytes, slot: Slot) -> bytes:
    """Put the stripes together (AFsplit of LUKS 1, section 2.4)."""
    last = bytes(slot.key)
    for stripe in range(slot.stripes - 1):
        last = _diffused(_xor(last, split[stripe * slot.key : (stripe + 1) * slot.key]), slot.hash)
    return _xor(last, split[(slot.stripes - 1) * slot.key :])


def _diffused(block: bytes, name: str) -> bytes:
    size = _hash(name, b"").digest_size
    parts = []
    for number, at in enumerate(range(0, len(block), size)):
        part = block[at : at + size]
        parts.append(_hash(name, number.to_bytes(4, "big") + part).digest()[: len(part)])
    return b"".join(parts)


def _xor(one: bytes, other: bytes) -> bytes:
    size = len(one)
    return (int.from_bytes(one, "big") ^ int.from_bytes(other[:size], "big")).to_bytes(size, "big")


def _derived(kdf: Kdf, secret: bytes, size: int) -> bytes:
    if kdf.kind == "pbkdf2":
        _hash(kdf.hash, b"")
        return hashlib.pbkdf2_hmac(kdf.hash, secret, kdf.salt, kdf.iterations, size)
    maker = Argon2id if kdf.kind == "argon2id" else Argon2i
    try:
        made = maker(
            salt=kdf.salt, length=size, iterations=kdf.iterations, lanes=kdf.lanes,
            memory_cost=kdf.memory,
        )  # fmt: skip
        return made.derive(secret)
    except (UnsupportedAlgorithm, ValueError, MemoryError) as error:
        raise UnsupportedError(
            f"LUKS: {kdf.kind} with {kdf.memory} KiB cannot be done here: {error or 'no memory'}",
            hint="use a machine with more memory, or a key slot with PBKDF2 (cryptsetup luksConvertKey)",
        ) from None


def _hash(name: str, data: bytes) -> hashlib._Hash:
    try:
        return hashlib.new(name, data)
    except ValueError:
        raise UnsupportedError(f"LUKS: the hash {name[:40]} is not known here") from None
