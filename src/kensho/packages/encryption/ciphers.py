"""Sources that are encrypted or decrypted while they are read, once, from front to back.

XML Encryption 1.1 §5.2: AES-GCM is a 96 bit IV, the cipher text, a 128 bit tag; AES-CBC an IV of
one block and cipher text whose last byte, decrypted, counts the padding. CBC has no tag: it is read,
never written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from kensho.model.errors import (
    DecryptionError,
    LimitError,
    TruncatedError,
    UnsupportedError,
)
from kensho.model.extent import Extent
from kensho.packages.copying import check_digests
from kensho.storage.reading import all_data

if TYPE_CHECKING:
    from kensho.storage.base import ByteSource, WriteBuffer

GCM_IV, GCM_TAG, BLOCK = 12, 16, 16
#: NIST SP 800-38D §5.2.1.1: what one key and IV may encrypt.
GCM_MOST = (1 << 36) - 32
#: Algorithm → (key bytes, mode).
ALGORITHMS = {
    "http://www.w3.org/2009/xmlenc11#aes128-gcm": (16, "gcm"),
    "http://www.w3.org/2009/xmlenc11#aes192-gcm": (24, "gcm"),
    "http://www.w3.org/2009/xmlenc11#aes256-gcm": (32, "gcm"),
    "http://www.w3.org/2001/04/xmlenc#aes128-cbc": (16, "cbc"),
    "http://www.w3.org/2001/04/xmlenc#aes192-cbc": (24, "cbc"),
    "http://www.w3.org/2001/04/xmlenc#aes256-cbc": (32, "cbc"),
}
AES256_GCM = "http://www.w3.org/2009/xmlenc11#aes256-gcm"


class Forward:
    """A source of ``size`` bytes that ``produce(length)`` makes, in order; not for threads.

    ``produce`` may give fewer bytes than asked for, never none before the end.
    """

    __slots__ = ("_position", "_produce", "_rest", "name", "size")

    def __init__(self, name: str, size: int, produce: Callable[[int], bytes]) -> None:
        self.name = name
        self.size = size
        self._produce = produce
        self._position = 0
        self._rest = memoryview(b"")

    def read_at(self, offset: int, length: int) -> bytes:
        """Return exactly ``length`` bytes from ``offset``, which has to be where reading stopped."""
        buffer = bytearray(length)
        self.read_into(offset, buffer)
        return bytes(buffer)

    def read_into(self, offset: int, buffer: WriteBuffer) -> None:
        """Fill ``buffer``; UnsupportedError unless ``offset`` is where reading stopped."""
        if offset != self._position:
            raise UnsupportedError("can only be read once", path=self.name, offset=offset)
        if offset + len(buffer) > self.size:
            raise TruncatedError("there is no more", path=self.name, offset=self.size)
        done = 0
        while done < len(buffer):
            if not self._rest:
                self._rest = memoryview(self._produce(len(buffer) - done))
            part = self._rest[: len(buffer) - done]
            buffer[done : done + len(part)] = part
            self._rest = self._rest[len(part) :]
            done += len(part)
        self._position += done

    def extents(self, start: int = 0, end: int | None = None) -> Iterator[Extent]:
        """Return the range as data."""
        return all_data(self.size, start, end)

    def kernel_file(self) -> None:
        """Return None: the bytes are in no file."""
        return

    def close(self) -> None:
        """Do nothing; the source below belongs to whoever opened it."""


def checked(source: ByteSource, name: str, expected: Mapping[str, str]) -> ByteSource:
    """Return the source, hashed while it is read and compared with ``expected`` at its end."""
    if not expected or source.size == 0:
        return source
    hashes = {a: hashlib.new(a, usedforsecurity=False) for a in expected}
    position = 0

    def produce(length: int) -> bytes:
        nonlocal position
        data = source.read_at(position, length)
        position += length
        for running in hashes.values():
            running.update(data)
        if position == source.size:
            found = {a: running.hexdigest() for a, running in hashes.items()}
            check_digests(name, found, expected, source.size, source.name)
        return data

    return Forward(source.name, source.size, produce)


def encrypted(plain: ByteSource, key: bytes, iv: bytes) -> ByteSource:
    """Return what ``plain`` is after AES-256-GCM; LimitError above `GCM_MOST` bytes."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    if plain.size > GCM_MOST:
        raise LimitError(
            f"{plain.size} bytes; AES-GCM encrypts at most {GCM_MOST} with one key",
            path=plain.name,
            hint="convert the disk to a compressed format, or split the file with ovf:chunkSize",
        )
    encryptor = Cipher(algorithms.AES(key), modes.GCM(iv)).encryptor()
    position = -1  # -1: the IV comes next

    def produce(length: int) -> bytes:
        nonlocal position
        if position < 0:
            position = 0
            return iv
        if position == plain.size:
            return encryptor.finalize() + encryptor.tag
        part = min(length, plain.size - position)
        data = plain.read_at(position, part)
        position += part
        return encryptor.update(data)

    return Forward(plain.name, GCM_IV + plain.size + GCM_TAG, produce)


def decrypted(stored: ByteSource, reading: ByteSource, key: bytes, algorithm: str) -> ByteSource:
    """Return the plain text of ``stored``; what its end gives is only right without an error there.

    ``reading`` is the same bytes, read in order. DecryptionError for a wrong key or changed bytes:
    with GCM when the last byte is read, with CBC, most often, at once. TruncatedError when there
    are too few bytes, UnsupportedError for algorithms that are not in `ALGORITHMS`.
    """
    if algorithm not in ALGORITHMS:
        raise UnsupportedError(
            f"encrypted with {algorithm or 'an algorithm that is not named'}",
            path=stored.name,
            field="EncryptionMethod",
            hint="kensho decrypts AES in GCM and CBC mode",
        )
    length, mode = ALGORITHMS[algorithm]
    if len(key) != length:
        raise DecryptionError(
            f"the key has {8 * len(key)} bits, the cipher needs {8 * length}", path=stored.name
        )
    return (_gcm if mode == "gcm" else _cbc)(stored, reading, key)


def _gcm(stored: ByteSource, reading: ByteSource, key: bytes) -> ByteSource:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    size = stored.size - GCM_IV - GCM_TAG
    if size < 0:
        raise TruncatedError("too short for an encrypted file", path=stored.name, offset=0)
    iv = reading.read_at(0, GCM_IV)
    tag = stored.read_at(GCM_IV + size, GCM_TAG)
    decryptor = Cipher(algorithms.AES(key), modes.GCM(iv, tag)).decryptor()
    position = 0

    def finish() -> None:
        reading.read_at(GCM_IV + size, GCM_TAG)  # so that all of it was hashed
        try:
            decryptor.finalize()
        except InvalidTag:
            raise wrong_key(stored.name) from None

    def produce(length: int) -> bytes:
        nonlocal position
        part = min(length, size - position)
        data = decryptor.update(reading.read_at(GCM_IV + position, part))
        position += part
        if position == size:
            finish()
        return data

    if size == 0:
        finish()
    return Forward(stored.name, size, produce)


def _cbc(stored: ByteSource, reading: ByteSource, key: bytes) -> ByteSource:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    if stored.size < 2 * BLOCK or stored.size % BLOCK:
        raise TruncatedError("not whole blocks of cipher text", path=stored.name, offset=0)
    # The last block tells how much of it is padding; the one before it is its IV.
    last = stored.read_at(stored.size - 2 * BLOCK, 2 * BLOCK)
    ending = Cipher(algorithms.AES(key), modes.CBC(last[:BLOCK])).decryptor()
    padding = ending.update(last[BLOCK:])[-1]
    if not 1 <= padding <= BLOCK:
        raise wrong_key(stored.name)
    size = stored.size - BLOCK - padding
    decryptor = Cipher(algorithms.AES(key), modes.CBC(reading.read_at(0, BLOCK))).decryptor()
    position = BLOCK

    def produce(length: int) -> bytes:
        nonlocal position
        part = min(max(length, BLOCK) // BLOCK * BLOCK, stored.size - position)
        data = decryptor.update(reading.read_at(position, part))
        position += part
        if position + BLOCK == stored.size and padding == BLOCK:
            reading.read_at(position, BLOCK)  # nothing but padding; read so that it is hashed
        return data

    if size == 0:
        reading.read_at(BLOCK, stored.size - BLOCK)
    return Forward(stored.name, size, produce)


def wrong_key(name: str) -> DecryptionError:
    """Return the error for bytes that the key does not fit."""
    return DecryptionError("the key is wrong, or the bytes were changed", path=name)
