"""What goes by of a package is hashed, and compared with the manifest as soon as there is one."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from typing import Any, TypeAlias

from kensho.appliances.ovf.manifest import compare_digests, not_opened, weaknesses
from kensho.appliances.package import Digest, Package
from kensho.appliances.paths import candidates
from kensho.appliances.store import Store, find, missing
from kensho.model.errors import KenshoError, PackageError, UnsupportedError
from kensho.model.finding import Finding

_Digests: TypeAlias = Mapping[str, tuple[Digest, ...]]
_ANY = ("md5", "sha1", "sha256", "sha384", "sha512")


class Vouching:
    """Sizes and digests of the files of the package at ``path`` that have gone by."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._check = False
        self._expected: tuple[_Digests, _Digests] | None = None
        self._files: dict[str, tuple[int, Mapping[str, str]]] = {}
        self._wholes: dict[str, tuple[int, Mapping[str, str]]] = {}  # of chunks together

    def begin(self, manifest: Mapping[str, tuple[Digest, ...]] | None, *, check: bool) -> None:
        """Say what is known of the manifest, None when it may still come."""
        self._check = check
        self._expected = None if manifest is None else _by_file(manifest)

    def _of(self, name: str) -> tuple[Digest, ...]:
        """Return what the manifest says of a file; one that is called just so comes first."""
        spelled, decoded = self._expected or ({}, {})
        return spelled.get(name) or decoded.get(name, ())

    def hashes(self, name: str) -> Mapping[str, Any]:
        """Return what is to hash a file, by algorithm."""
        wanted: Collection[str] = _ANY
        if not self._check:
            wanted = ()
        elif self._expected is not None:
            wanted = {d.algorithm for stated in self._expected for d in stated.get(name, ())}
        return {a: hashlib.new(a, usedforsecurity=False) for a in wanted}

    def note(self, name: str, size: int, hashes: Mapping[str, Any]) -> None:
        """Note a file that has gone by; ManifestMismatchError when it is not what it should be."""
        self._files[name] = size, _hex(hashes)
        if self._check and self._expected is not None:
            compare_digests(name, self._of(name), self._files[name][1], size, self._path)

    def note_whole(self, name: str, size: int, hashes: Mapping[str, Any]) -> None:
        """Note a file of which all chunks have gone by."""
        self._wholes[name] = size, _hex(hashes)

    def judged(self, package: Package, store: Store) -> list[Finding]:
        """Return what the manifest leaves open when all of ``store`` has gone by.

        ManifestMismatchError for a file that is not what a manifest says that came after it.
        """
        findings: list[Finding] = []
        if not self._check or package.manifest is None:
            return findings
        for name, expected in package.manifest.items():
            try:
                size, found = self._found(store, name)
            except KenshoError as error:
                findings.append(not_opened(name, error.message))
                continue
            compare_digests(name, expected, found, size, store.path)
        return [*findings, *weaknesses(package, {f.subject for f in findings})]

    def _found(self, store: Store, name: str) -> tuple[int, Mapping[str, str]]:
        """Return size and digests of a file, or of the chunks of one, by its name in a manifest."""
        stored = find(store, name)
        if stored is not None:
            return self._files[stored]
        for whole in candidates(name, store.path):
            if whole in self._wholes:
                return self._wholes[whole]
        raise missing(name, store.path)


def _by_file(manifest: Mapping[str, tuple[Digest, ...]]) -> tuple[_Digests, _Digests]:
    """Return the digests by the names of files: as spelled, and with ``%xx`` decoded."""
    spelled: dict[str, tuple[Digest, ...]] = {}
    decoded: dict[str, tuple[Digest, ...]] = {}
    for name, digests in manifest.items():
        try:
            names = candidates(name, name)
        except (PackageError, UnsupportedError):  # outside the package: see the findings
            continue
        for into, file in ((spelled, names[0]), (decoded, names[-1])):
            into[file] = (*into.get(file, ()), *digests)
    return spelled, decoded


def _hex(hashes: Mapping[str, Any]) -> Mapping[str, str]:
    return {algorithm: running.hexdigest() for algorithm, running in hashes.items()}
