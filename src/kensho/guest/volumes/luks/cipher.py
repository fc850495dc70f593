"""dm-crypt's ciphers, sector by sector: AES in XTS and CBC."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB, XTS

from kensho.model.errors import UnsupportedError

_NAME = re.compile(r"aes-(xts|cbc)-(plain64|plain|essiv:sha256)")
_UNIT = 512  #: sectors are counted in these, however large they are


@dataclass(frozen=True, slots=True)
class SectorCipher:
    """Encrypts whole sectors of ``size`` bytes; ``number`` counts units of 512 bytes."""

    key: bytes = field(repr=False)
    mode: str
    initial: Callable[[int], bytes] = field(repr=False)
    size: int

    def decrypt(self, data: bytes, number: int) -> bytes:
        """Return the sectors decrypted, the first of which has that number."""
        return b"".join(
            (context := self._cipher(number + at // _UNIT).decryptor()).update(
                data[at : at + self.size]
            )
            + context.finalize()
            for at in range(0, len(data), self.size)
        )

    def encrypt(self, data: bytes, number: int) -> bytes:
        """Return the sectors encrypted, the first of which has that number."""
        return b"".join(
            (context := self._cipher(number + at // _UNIT).encryptor()).update(
                data[at : at + self.size]
            )
            + context.finalize()
            for at in range(0, len(data), self.size)
        )

    def _cipher(self, number: int) -> Cipher[XTS | CBC]:
        vector = self.initial(number)
        return Cipher(AES(self.key), XTS(vector) if self.mode == "xts" else CBC(vector))


def sector_cipher(name: str, key: bytes, size: int) -> SectorCipher:
    """Return the cipher that dm-crypt calls ``name``; UnsupportedError for what is not known."""
    match = _NAME.fullmatch(name)
    halves = 2 if match and match[1] == "xts" else 1
    if match is None or len(key) not in ({32, 64} if halves == 2 else {16, 24, 32}):
        raise UnsupportedError(
            f"LUKS: the cipher {name[:60]} with {len(key) * 8} bits is not known",
            hint="known are aes-xts-plain64, aes-xts-plain, aes-cbc-plain64, aes-cbc-essiv:sha256",
        )
    return SectorCipher(key, match[1], _vectors(match[2], key), size)


def _vectors(kind: str, key: bytes) -> Callable[[int], bytes]:
    if kind == "plain64":
        return lambda number: number.to_bytes(16, "little")
    if kind == "plain":
        return lambda number: (number & 0xFFFFFFFF).to_bytes(16, "little")
    salted = Cipher(AES(hashlib.sha256(key).digest()), ECB())  # noqa: S305 - one block, as ESSIV is
    return lambda number: salted.encryptor().update(number.to_bytes(16, "little"))
