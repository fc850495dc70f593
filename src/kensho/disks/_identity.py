"""Identifiers and times inside new disks: random and now, or derived from a seed."""

from __future__ import annotations

import hashlib
import secrets
import time


def identity_bytes(identity: bytes | None, purpose: str, length: int = 16) -> bytes:
    """Return ``length`` (at most 32) bytes: random, or a function of ``identity`` and ``purpose``."""
    if identity is None:
        return secrets.token_bytes(length)
    return hashlib.sha256(purpose.encode() + b"\0" + identity).digest()[:length]


def identity_uuid(identity: bytes | None, purpose: str) -> bytes:
    """Return 16 bytes marked as a version 4 UUID."""
    raw = bytearray(identity_bytes(identity, purpose))
    raw[6] = raw[6] & 0x0F | 0x40
    raw[8] = raw[8] & 0x3F | 0x80
    return bytes(raw)


def identity_time(identity: bytes | None) -> int:
    """Return seconds since 1970: now, or 2020-01-01 when the bytes must repeat."""
    return int(time.time()) if identity is None else 1_577_836_800
