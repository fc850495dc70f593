"""Names that every importer, file system and archive can carry."""

from __future__ import annotations

import re
import unicodedata

_NOT_DNS = re.compile(r"[^A-Za-z0-9.-]+")
_NOT_FILE = re.compile(r"[^A-Za-z0-9._-]+")


def dns_name(name: str) -> str:
    """Return ``name`` as letters, digits, dots and hyphens, at most 63 characters, never empty.

    Importers use ``ovf:id`` as the machine's name, some as its host name as well.
    """
    plain = _NOT_DNS.sub("-", _ascii(name)).strip("-.")
    return re.sub(r"\.{2,}", ".", plain)[:63].rstrip("-.") or "machine"


def file_stem(name: str) -> str:
    """Return ``name`` as a plain ASCII stem of at most 64 characters, never empty or hidden."""
    return _NOT_FILE.sub("-", _ascii(name)).strip("-._")[:64].rstrip("-._") or "machine"


def dns_label(name: str, most: int = 63) -> str:
    """Return ``name`` as a label that Kubernetes and the clouds take for a name (RFC 1035).

    Small letters, digits and hyphens, a letter first, at most ``most`` characters, never empty.
    """
    plain = re.sub(r"[^a-z0-9]+", "-", _ascii(name).lower()).strip("-")
    if not plain[:1].isalpha():
        plain = f"vm-{plain}".rstrip("-")
    return plain[:most].rstrip("-")


def unique(name: str, taken: set[str]) -> str:
    """Return ``name``, numbered when it is in ``taken`` already, and add it there.

    Case is ignored: some importers and file systems do not see it.
    """
    candidate, number = name, 1
    while candidate.lower() in taken:
        number += 1
        candidate = f"{name}-{number}"
    taken.add(candidate.lower())
    return candidate


def _ascii(name: str) -> str:
    return unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
