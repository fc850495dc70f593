"""What goes into a package that is written, and what came of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from kensho.appliances.ovf.manifest import write_manifest
from kensho.appliances.package import Digest
from kensho.appliances.paths import safe_name
from kensho.model.errors import UsageError
from kensho.packages.copying import check_digests
from kensho.storage import ByteSource

#: Digest algorithms a manifest may have (DSP0243 2.1 §6.4.2 and its successors), hashlib's names.
ALGORITHMS = ("sha1", "sha256", "sha384", "sha512")

#: From the manifest's file name and bytes to the certificate file's bytes.
Signer = Callable[[str, bytes], bytes]


@dataclass(frozen=True, slots=True)
class PackageFile:
    """A file beside the descriptor.

    ``name`` is relative to the descriptor's folder. ``source`` is opened by the caller, read once
    from front to back and not closed here. ``digests`` (algorithm → hex) are believed: a file that
    has one of the wanted algorithm is not hashed. ``expected`` are compared with what the bytes
    give, and a difference is a ManifestMismatchError that leaves nothing.
    """

    name: str
    source: ByteSource
    digests: Mapping[str, str] | None = None
    expected: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A file of the package: its name, size in bytes, and digest, None without a manifest."""

    name: str
    size: int
    digest: Digest | None


@dataclass(frozen=True, slots=True)
class WrittenPackage:
    """What was written, in the manifest's order: the descriptor first, then the files."""

    path: str
    files: tuple[WrittenFile, ...]
    manifest: bytes | None
    certificate: bytes | None


@dataclass(frozen=True, slots=True)
class Job:
    """A package to write, checked."""

    stem: str
    name: str  #: of the descriptor
    descriptor: bytes
    files: Sequence[PackageFile]
    algorithm: str | None
    sign: Signer | None
    on_bytes: Callable[[int], None] | None

    def named(self, suffix: str) -> str:
        """Return the name of the manifest or certificate file."""
        return f"{self.stem}{suffix}"

    def own_names(self) -> tuple[str, ...]:
        """Return the names of descriptor, manifest and certificate, as far as there are such."""
        manifest = () if self.algorithm is None else (self.named(".mf"),)
        return (self.name, *manifest, *(() if self.sign is None else (self.named(".cert"),)))

    def manifest(self, digests: Sequence[str]) -> bytes | None:
        """Return the manifest; ``digests`` are the files' in order, the descriptor's is added."""
        if self.algorithm is None:
            return None
        rows = [(self.name, self.own_digest()), *self.rows(digests)]
        return write_manifest((name, Digest(self.algorithm, value)) for name, value in rows)

    def own_digest(self) -> str:
        """Return the descriptor's digest."""
        running = hashlib.new(self.algorithm or "sha1", self.descriptor, usedforsecurity=False)
        return running.hexdigest()

    def rows(self, digests: Sequence[str]) -> list[tuple[str, str]]:
        """Return the files' names with their digests."""
        return list(zip((file.name for file in self.files), digests, strict=True))

    def signed(self, manifest: bytes | None) -> bytes | None:
        """Return the certificate file's bytes, None when nothing is signed."""
        if self.sign is None or manifest is None:
            return None
        return self.sign(self.named(".mf"), manifest)

    def known(self, file: PackageFile) -> str | None:
        """Return the digest that is believed, None when the file has to be hashed."""
        return (file.digests or {}).get(self.algorithm or "")

    def wanted(self, file: PackageFile) -> tuple[str, ...]:
        """Return what has to be computed of a file."""
        own = () if self.algorithm is None or self.known(file) else (self.algorithm,)
        return (*own, *(file.expected or {}))

    def settled(self, file: PackageFile, found: Mapping[str, str]) -> str:
        """Compare a file's digests and return the one for the manifest, empty without one."""
        check_digests(file.name, found, file.expected or {}, file.source.size, file.source.name)
        return self.known(file) or found.get(self.algorithm or "", "")

    def result(
        self, path: str, digests: Sequence[str], manifest: bytes | None, cert: bytes | None
    ) -> WrittenPackage:
        """Return what was written."""
        sizes = [len(self.descriptor), *(file.source.size for file in self.files)]
        rows = [(self.name, self.own_digest()), *self.rows(digests)]
        files = tuple(
            WrittenFile(name, size, Digest(self.algorithm, value) if self.algorithm else None)
            for (name, value), size in zip(rows, sizes, strict=True)
        )
        return WrittenPackage(path, files, manifest, cert)


def check(job: Job) -> None:
    """Raise UsageError or UnsafePathError for a package that cannot be written."""
    if job.algorithm is not None and job.algorithm not in ALGORITHMS:
        raise UsageError(
            f"no manifest has digests of the kind {job.algorithm!r}",
            hint=f"one of {', '.join(ALGORITHMS)}",
        )
    if job.sign is not None and job.algorithm is None:
        raise UsageError("a signature is over the manifest, so there has to be one")
    if "/" in job.stem:
        raise UsageError(f"not the name of a descriptor: {job.stem!r}")
    names = [job.name, job.named(".mf"), job.named(".cert")]
    names += [file.name for file in job.files]
    for name in names:
        if safe_name(name, job.stem) != name:
            raise UsageError(f"not a name for a file of a package: {name!r}")
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise UsageError(f"two files of the package would be called {', '.join(sorted(twice))}")
