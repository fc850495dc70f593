"""OVF manifests: DSP0243 §6.4.2, one ``ALGORITHM(file)= hex`` per line.

Read with tolerance, because exporters put spaces around the parentheses and the sign, use CRLF,
mix algorithms and write ``SHA2-256``; written exactly as VMware demands, without the space that
vSphere refuses and with LF.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import unquote

from kensho.appliances.package import Digest, Package
from kensho.appliances.paths import plain_name
from kensho.model.errors import KenshoError, LimitError, ManifestMismatchError, PackageError
from kensho.model.finding import Finding, Severity

if TYPE_CHECKING:
    from kensho.storage.base import ByteSource

MAX_MANIFEST = 4 * 1024 * 1024
_MOST_FINDINGS = 100
_MOST_DIGESTS = 16  #: of one file; there are five algorithms
_CHUNK = 4 * 1024 * 1024
_LINE = re.compile(r"([A-Za-z][A-Za-z0-9-]*)\s*\((.+)\)\s*=\s*([0-9A-Fa-f]+)")
_ALGORITHMS = {
    "md5": ("md5", 32),
    "sha1": ("sha1", 40),
    "sha256": ("sha256", 64),
    "sha384": ("sha384", 96),
    "sha512": ("sha512", 128),
}


def read_manifest(
    data: bytes, *, path: str
) -> tuple[Mapping[str, tuple[Digest, ...]], tuple[Finding, ...]]:
    """Return the digests of each file named, and what was wrong with the lines.

    LimitError above `MAX_MANIFEST` bytes. A line that cannot be read is a finding.
    """
    if len(data) > MAX_MANIFEST:
        raise LimitError(f"a manifest of {len(data)} bytes; at most {MAX_MANIFEST}", path=path)
    digests: dict[str, tuple[Digest, ...]] = {}
    findings: list[Finding] = []
    text = data.decode("utf-8-sig", errors="replace")
    for number, line in enumerate(re.split(r"\r\n|\r|\n", text), 1):
        line = line.strip("\0\t ")  # noqa: PLW2901 - padding, as in tar members
        if not line or line.startswith("#"):
            continue
        read = _read_line(line)
        if read is None:
            if len(findings) < _MOST_FINDINGS:  # what is no manifest at all would fill memory
                findings.append(_unreadable(number, line, path))
            continue
        name, digest = read
        known = digests.get(name, ())
        if digest not in known and len(known) < _MOST_DIGESTS:
            digests[name] = (*known, digest)
    return digests, tuple(findings)


def digests_by_file(data: bytes, *, path: str) -> dict[str, tuple[Digest, ...]]:
    """Return the digests by the names of stored files, however the manifest spells them.

    ``./``, doubled slashes and ``%xx`` mean nothing; a file that is called just so comes first.
    All digests stated of a file are there, those that contradict each other too.
    """
    stated, _ = read_manifest(data, path=path)
    verbatim: dict[str, tuple[Digest, ...]] = {}
    decoded: dict[str, tuple[Digest, ...]] = {}
    for name, digests in stated.items():
        for into, spelled in ((verbatim, name), (decoded, unquote(name))):
            plain = plain_name(spelled)
            into[plain] = (*into.get(plain, ()), *digests)
    return decoded | verbatim


def _unreadable(number: int, line: str, path: str) -> Finding:
    return Finding(
        "KF-210",
        Severity.WARNING,
        f"manifest line {number} cannot be read: {line[:80]!r}",
        subject=path,
        action="ignored; the file it is about is not checked",
    )


def write_manifest(digests: Iterable[tuple[str, Digest]]) -> bytes:
    """Return a manifest in the one spelling every importer takes."""
    lines = (f"{d.algorithm.upper()}({name})= {d.hex}\n" for name, d in digests)
    return "".join(lines).encode()


def check_manifest(
    package: Package, on_bytes: Callable[[int], None] | None = None
) -> tuple[Finding, ...]:
    """Hash every file the manifest names and return what could not be checked.

    ``on_bytes`` is called with the number of bytes hashed since the last call.
    ManifestMismatchError, naming both digests, on the first file that differs.
    """
    findings: list[Finding] = []
    for name, expected in (package.manifest or {}).items():
        try:
            source = _open(package, name)
        except ManifestMismatchError:
            raise
        except KenshoError as error:
            findings.append(not_opened(name, error.message))
            continue
        try:
            _check(source, name, expected, package.path, on_bytes)
        finally:
            source.close()
    findings.extend(weaknesses(package, {f.subject for f in findings}))
    return tuple(findings)


def _open(package: Package, name: str) -> ByteSource:
    """Open what a line of the manifest is about: a file, or one that is there in chunks."""
    try:
        return package.open_sibling(name)
    except PackageError:
        for file in package.appliance.files:
            if file.chunk_size and not file.compression and unquote(file.href) == unquote(name):
                return package.open_file(file.id)
        raise


def not_opened(name: str, reason: str) -> Finding:
    """Return the finding for a file that the manifest names and that cannot be hashed."""
    return Finding(
        "KF-211",
        Severity.ERROR,
        f"the manifest names {name}, which cannot be opened: {reason}",
        subject=name,
        action="not checked; fetch the package again if the file should be there",
    )


def weaknesses(package: Package, unchecked: Collection[str]) -> Iterable[Finding]:
    """Yield a finding for each file that the manifest vouches for weakly, or not at all."""
    for name, expected in (package.manifest or {}).items():
        if name not in unchecked and {d.algorithm for d in expected} == {"md5"}:
            yield Finding(
                "KF-213",
                Severity.WARNING,
                f"the manifest vouches for {name} with MD5 only",
                subject=name,
                action="checked; MD5 shows damage, not tampering",
            )
    yield from _not_covered(package)


def _not_covered(package: Package) -> Iterable[Finding]:
    """Yield a finding for each file of the package that the manifest does not vouch for."""
    if package.manifest is None or package.vouches_for_all:
        return
    named = {plain_name(spelled) for name in package.manifest for spelled in (name, unquote(name))}
    for file in package.appliance.files:
        names = {plain_name(file.href), unquote(plain_name(file.href))}
        chunks = -(-(file.size or 1) // file.chunk_size) if file.chunk_size else 0
        # Not more than there are lines: the numbers are the descriptor's.
        parts = [f".{number:09d}" for number in range(min(chunks, len(named) + 1))]
        in_parts = any(named.issuperset(name + part for part in parts) for name in names)
        if not named & names and not (parts and in_parts):
            yield Finding(
                "KF-212",
                Severity.WARNING,
                f"the manifest does not vouch for {file.href}",
                subject=file.id,
                action="read unchecked",
            )


def _read_line(line: str) -> tuple[str, Digest] | None:
    match = _LINE.fullmatch(line)
    if match is None:
        return None
    word = match[1].lower()
    known = _ALGORITHMS.get(word) or _ALGORITHMS.get(re.sub(r"^sha2?-", "sha", word))
    if known is None or len(match[3]) != known[1]:
        return None
    return match[2].strip(), Digest(known[0], match[3].lower())


def _check(
    source: ByteSource,
    name: str,
    expected: tuple[Digest, ...],
    path: str,
    on_bytes: Callable[[int], None] | None,
) -> None:
    hashes = {d.algorithm: hashlib.new(d.algorithm, usedforsecurity=False) for d in expected}
    buffer = memoryview(bytearray(min(_CHUNK, max(1, source.size))))
    for offset in range(0, source.size, len(buffer)):
        part = buffer[: min(len(buffer), source.size - offset)]
        source.read_into(offset, part)
        for running in hashes.values():
            running.update(part)
        if on_bytes is not None:
            on_bytes(len(part))
    found = {algorithm: running.hexdigest() for algorithm, running in hashes.items()}
    compare_digests(name, expected, found, source.size, path)


def compare_digests(
    name: str, expected: tuple[Digest, ...], found: Mapping[str, str], size: int, path: str
) -> None:
    """Raise ManifestMismatchError unless the digests found are those that were expected."""
    for digest in expected:
        if found[digest.algorithm] != digest.hex:
            raise ManifestMismatchError(
                f"{digest.algorithm.upper()} of {name} is {found[digest.algorithm]}, "
                f"the manifest says {digest.hex} ({size} bytes hashed)",
                path=path,
                field=name,
            )
