"""What `kensho verify` answers, as data: each question has an answer of its own."""

from __future__ import annotations

from typing import Literal

import msgspec

from kensho.model.finding import Finding
from kensho.packages.signing.chain import Chain, Dates

FileState = Literal["ok", "mismatch", "missing", "not covered"]


class DigestCheck(msgspec.Struct, frozen=True):
    """One digest of a manifest and what the bytes gave, lowercase hexadecimal."""

    algorithm: str
    expected: str
    found: str

    @property
    def matches(self) -> bool:
        """Tell whether the two are the same."""
        return self.expected == self.found


class FileCheck(msgspec.Struct, frozen=True):
    """A file of the package: ``bytes`` hashed, and from which byte of the archive on.

    ``not covered`` files have no line in the manifest; their ``digests`` have nothing expected.
    """

    name: str
    state: FileState
    bytes: int | None
    offset: int | None
    digests: tuple[DigestCheck, ...]


class SignatureCheck(msgspec.Struct, frozen=True):
    """The signature over the manifest: ``algorithm`` is the digest that it was found to be over."""

    state: Literal["valid", "invalid", "absent", "not checked"]
    file: str = ""
    algorithm: str = ""
    stated: str = ""
    key: str = ""
    reason: str = ""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about a package's integrity and origin.

    ``digests`` is ``match``, ``mismatch`` (also for missing files), or ``no manifest``; ``chain``
    and ``dates`` are None without a certificate; ``self_signed`` is about the signer's certificate,
    None without one.
    """

    path: str
    descriptor: str
    manifest: str | None
    digests: Literal["match", "mismatch", "no manifest"]
    files: tuple[FileCheck, ...]
    signature: SignatureCheck
    chain: Chain | None
    dates: Dates | None
    self_signed: bool | None
    findings: tuple[Finding, ...]

    @property
    def intact(self) -> bool:
        """Tell that nothing contradicts the bytes: no digest, no signature."""
        return self.digests != "mismatch" and self.signature.state != "invalid"

    @property
    def trusted(self) -> bool:
        """Tell that all of the package is what a trusted signer signed, on the day asked for."""
        return (
            all(file.state == "ok" for file in self.files)
            and self.digests == "match"
            and self.signature.state == "valid"
            and self.chain is not None
            and self.chain.state == "trusted"
            and self.dates is not None
            and self.dates.state == "valid"
        )
