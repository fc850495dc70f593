"""Windows programs and drivers: for which processor, and the digest that signatures are of.

Spec: https://learn.microsoft.com/windows/win32/debug/pe-format and "Windows Authenticode Portable
Executable Signature Format": the digest leaves out the checksum, the entry of the certificate table
and that table. Unlike there, bytes between sections are part of it here, as in all honest files.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass

from kensho.model.errors import CorruptError

_MACHINES = {0x014C: "x86", 0x8664: "amd64", 0xAA64: "arm64", 0x0200: "ia64", 0x01C4: "arm"}
_PE32, _PE32_PLUS = 0x10B, 0x20B
_SECURITY = 4  #: the data directory's entry of the certificate table
_PKCS_SIGNED_DATA = 2


@dataclass(frozen=True, slots=True)
class Pe:
    """``machine`` is the architecture (``amd64``, ``x86`` …) or a number; ``skip`` what no digest has.

    ``signature`` is the embedded PKCS #7 structure, empty when there is none.
    """

    machine: str
    data: bytes
    skip: tuple[tuple[int, int], ...]
    signature: bytes

    def digest(self, algorithm: str) -> bytes:
        """Return the Authenticode digest; an unsigned file counts as filled to 8 bytes."""
        digest = hashlib.new(algorithm, usedforsecurity=False)
        start = 0
        for begin, end in self.skip:
            digest.update(self.data[start:begin])
            start = end
        digest.update(self.data[start:])
        if not self.signature:
            digest.update(bytes(-len(self.data) % 8))
        return digest.digest()


def is_pe(data: bytes) -> bool:
    """Tell whether it begins like a program."""
    return data[:2] == b"MZ"


def read_pe(data: bytes, path: str) -> Pe:
    """Read the headers; CorruptError when they are none."""
    try:
        return _read(data, path)
    except struct.error:
        raise CorruptError("its headers are not whole", path=path) from None


def _read(data: bytes, path: str) -> Pe:
    if not is_pe(data):
        raise CorruptError("is no Windows program: it does not begin with MZ", path=path)
    (header,) = struct.unpack_from("<I", data, 0x3C)
    if data[header : header + 4] != b"PE\0\0":
        raise CorruptError("is no Windows program: it has no PE header", path=path, offset=header)
    (machine,) = struct.unpack_from("<H", data, header + 4)
    optional = header + 24
    (magic,) = struct.unpack_from("<H", data, optional)
    if magic not in {_PE32, _PE32_PLUS}:
        raise CorruptError(f"optional header of kind {magic:#x}", path=path, offset=optional)
    directories = optional + (96 if magic == _PE32 else 112)
    checksum = optional + 64
    (count,) = struct.unpack_from("<I", data, directories - 4)
    skip = [(checksum, checksum + 4)]
    signature = b""
    if count > _SECURITY:
        entry = directories + 8 * _SECURITY
        begin, length = struct.unpack_from("<II", data, entry)
        skip.append((entry, entry + 8))
        if length:
            if begin < entry + 8 or begin + length > len(data):
                raise CorruptError(
                    "the certificate table is not in the file", path=path, offset=begin
                )
            skip.append((begin, begin + length))
            signature = _signature(data[begin : begin + length])
    return Pe(_MACHINES.get(machine, f"{machine:#x}"), data, tuple(skip), signature)


def _signature(table: bytes) -> bytes:
    """Return the first PKCS #7 structure of a certificate table."""
    place = 0
    while place + 8 <= len(table):
        length, _, kind = struct.unpack_from("<IHH", table, place)
        if length < 8:
            break
        if kind == _PKCS_SIGNED_DATA:
            return table[place + 8 : place + length]
        place += (length + 7) & ~7
    return b""
