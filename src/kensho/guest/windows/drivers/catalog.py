"""Catalogues (``.cat``): the digests of a driver's files, signed as a whole.

Source: https://learn.microsoft.com/windows-hardware/drivers/install/catalog-files; the layout is that
of a certificate trust list (MS-CAESO, ``szOID_CTL``) with members as WinTrust.h and MSCat.h have
them. A member is known by its digest: Authenticode's for programs, of all bytes for other files.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from kensho.guest.windows.drivers.der import OCTETS, SEQUENCE, SET, Der
from kensho.guest.windows.drivers.pe import is_pe, read_pe
from kensho.guest.windows.drivers.signed_data import Signed, read_signed
from kensho.model.errors import CorruptError, LimitError

MAX_CATALOG = 16 << 20
_CTL = "1.3.6.1.4.1.311.10.1"
_INDIRECT_DATA = "1.3.6.1.4.1.311.2.1.4"
_SIZES = {20: "sha1", 32: "sha256"}


@dataclass(frozen=True, slots=True)
class Catalog:
    """A catalogue whose signature holds; ``digests`` are those of its members."""

    signed: Signed
    digests: frozenset[bytes]

    def lists(self, data: bytes, path: str) -> str:
        """Return by which digest a file is listed, the better one; empty when it is not."""
        program = read_pe(data, path) if is_pe(data) else None
        for algorithm in ("sha256", "sha1"):
            if program is not None:
                digest = program.digest(algorithm)
            else:
                digest = hashlib.new(algorithm, data, usedforsecurity=False).digest()
            if digest in self.digests:
                return algorithm
        return ""


def read_catalog(data: bytes, path: str) -> Catalog:
    """Read and verify a catalogue; CorruptError when it was changed or is none."""
    if len(data) > MAX_CATALOG:
        raise LimitError(f"{len(data)} bytes; a catalogue has at most {MAX_CATALOG}", path=path)
    signed = read_signed(data, path)
    if signed.kind != _CTL:
        raise CorruptError("is signed, but is no catalogue", path=path)
    try:
        digests = frozenset(_digests(signed.content))
    except CorruptError as error:
        raise CorruptError(f"its list: {error.message}", path=path) from None
    return Catalog(signed, digests)


def _digests(ctl: Der) -> list[bytes]:
    """Return the digests of all members: the list is the last SEQUENCE of the structure."""
    lists = [part for part in ctl.parts() if part.tag == SEQUENCE]
    if len(lists) < 3:  # usage, algorithm, members
        raise CorruptError("parts of it are missing")
    found = []
    for member in lists[-1].parts():
        parts = member.parts()
        if not parts or parts[0].tag != OCTETS:
            raise CorruptError("a member without its digest")
        found.append(_tag_digest(parts[0].content))
        for attribute in parts[1].parts() if len(parts) > 1 and parts[1].tag == SET else ():
            if attribute.part(0, 0x06).oid == _INDIRECT_DATA:
                # SpcIndirectDataContent: what it is, then DigestInfo.
                found += [
                    value.part(1, SEQUENCE).part(1, OCTETS).content
                    for value in attribute.part(1, SET).parts()
                ]
    return [digest for digest in found if len(digest) in _SIZES]


def _tag_digest(tag: bytes) -> bytes:
    """Return the digest of a member's tag: itself, or its hexadecimal text in UTF-16."""
    if len(tag) in _SIZES:
        return tag
    try:
        return bytes.fromhex(tag.decode("utf-16-le").rstrip("\0"))
    except ValueError:
        return b""
