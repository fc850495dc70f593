"""File names that every file system, archive and script can carry."""

from __future__ import annotations

import re
import unicodedata

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


def file_stem(name: str) -> str:
    """Return ``name`` as a plain ASCII stem of at most 64 characters, never empty or hidden."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    stem = _UNSAFE.sub("-", plain).strip("-._")[:64].rstrip("-._")
    return stem or "machine"
