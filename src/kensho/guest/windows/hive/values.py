"""Values of registry keys: their types and what their bytes mean.

Spec: "Windows registry file format specification", "Key value"; the types are those of
https://learn.microsoft.com/windows/win32/sysinfo/registry-value-types.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Sequence

import msgspec


class Type(enum.IntEnum):
    """Types with a meaning here; a hive may have any 32-bit number."""

    NONE = 0
    SZ = 1
    EXPAND_SZ = 2
    BINARY = 3
    DWORD = 4
    DWORD_BE = 5
    LINK = 6
    MULTI_SZ = 7
    RESOURCE_LIST = 8
    QWORD = 11


class Value(msgspec.Struct, frozen=True):
    """A value: ``name`` is empty for a key's default; ``data`` the bytes as stored."""

    name: str
    type: int
    data: bytes

    @property
    def text(self) -> str:
        """The text of a string up to its end; what is no UTF-16 is replaced."""
        return _text(self.data).split("\0", 1)[0]

    @property
    def strings(self) -> tuple[str, ...]:
        """The strings of a MULTI_SZ, the empty one at the end left out."""
        parts = _text(self.data).split("\0")
        while parts and not parts[-1]:
            parts.pop()
        return tuple(parts)

    @property
    def number(self) -> int | None:
        """The number of a DWORD or QWORD; None for anything else or a wrong length."""
        if self.type == Type.DWORD and len(self.data) == 4:
            return int.from_bytes(self.data, "little")
        if self.type == Type.DWORD_BE and len(self.data) == 4:
            return int.from_bytes(self.data, "big")
        if self.type == Type.QWORD and len(self.data) == 8:
            return int.from_bytes(self.data, "little")
        return None


def _text(data: bytes) -> str:
    return data[: len(data) // 2 * 2].decode("utf-16-le", errors="replace")


def sz(name: str, text: str) -> Value:
    """Make a string."""
    return Value(name, Type.SZ, _terminated(text))


def expand_sz(name: str, text: str) -> Value:
    """Make a string with ``%VARIABLES%`` that Windows expands."""
    return Value(name, Type.EXPAND_SZ, _terminated(text))


def multi_sz(name: str, strings: Sequence[str]) -> Value:
    """Make a list of strings; none of them can be empty."""
    return Value(name, Type.MULTI_SZ, b"".join(map(_terminated, strings)) + b"\0\0")


def dword(name: str, number: int) -> Value:
    """Make a 32-bit number."""
    return Value(name, Type.DWORD, struct.pack("<I", number))


def qword(name: str, number: int) -> Value:
    """Make a 64-bit number."""
    return Value(name, Type.QWORD, struct.pack("<Q", number))


def binary(name: str, data: bytes) -> Value:
    """Make a value of plain bytes."""
    return Value(name, Type.BINARY, data)


def _terminated(text: str) -> bytes:
    return text.encode("utf-16-le", errors="surrogatepass") + b"\0\0"
