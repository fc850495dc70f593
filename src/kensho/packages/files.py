"""The files that a package as a whole is made of, and proof that they are all there."""

from __future__ import annotations

import hashlib
from pathlib import PurePosixPath

from kensho.appliances.ovf.elements import Notes
from kensho.appliances.ovf.manifest import digests_by_file
from kensho.appliances.ovf.references import read_files
from kensho.appliances.packed import chunk_names
from kensho.appliances.store import absent, find
from kensho.model.appliance import File
from kensho.model.errors import ManifestMismatchError, UnsupportedError
from kensho.packages.source import OvfPackage

_ABOUT = frozenset({".mf", ".cert"})
_CHANGED = (
    "fetch the package again; if it was changed on purpose, kensho manifest --changed"
    " writes the manifest anew from the bytes there are"
)


def complete_files(package: OvfPackage) -> tuple[str, ...]:
    """Return the stored names of everything beside the descriptor, chunks one by one.

    Without manifests and certificates, and without files at web addresses that are not fetched.
    PackageError when a file that the descriptor lists is missing, UnsafePathError when one lies
    outside the package.
    """
    listed: list[str] = []
    for file in read_files(package.root, Notes(package.path)):
        listed.extend(_stored(package, file))
    others = [
        name
        for name in package.files
        if name in listed or "/" in name or PurePosixPath(name).suffix.lower() not in _ABOUT
    ]
    return tuple(dict.fromkeys((*others, *listed)))


def stored_size(package: OvfPackage) -> int:
    """Return how many bytes the files beside the descriptor have."""
    return sum(package.store.size_of(name) or 0 for name in complete_files(package))


def stated_digests(package: OvfPackage) -> dict[str, dict[str, str]]:
    """Return what the package's manifest says, by file name and algorithm; empty without one.

    ManifestMismatchError when it says two things of a file, or something else of the descriptor
    than is true: what is written from such a package must not look sound.
    """
    found: dict[str, dict[str, str]] = {}
    stated = digests_by_file(package.manifest or b"", path=package.path)
    for name, digests in stated.items():
        found[name] = {d.algorithm: d.hex for d in digests}
        if len(found[name]) < len(set(digests)):
            raise ManifestMismatchError(
                f"the manifest has several digests of one kind for {name}",
                path=package.path,
                field=name,
                hint=_CHANGED,
            )
    _check_descriptor(package, found.get(package.name, {}))
    return found


def _check_descriptor(package: OvfPackage, stated: dict[str, str]) -> None:
    for algorithm, value in stated.items():
        digest = hashlib.new(algorithm, package.data, usedforsecurity=False).hexdigest()
        if digest != value:
            raise ManifestMismatchError(
                f"{algorithm.upper()} of {package.name} is {digest}, the manifest says {value}",
                path=package.path,
                field=package.name,
                hint=_CHANGED,
            )


def _stored(package: OvfPackage, file: File) -> tuple[str, ...]:
    try:
        name = find(package.store, file.href)
    except UnsupportedError:  # at a web address: a reference, no part of the package
        return ()
    if name is not None:
        return (name,)
    if file.chunk_size is None:
        raise absent(package.store, file.href)
    return chunk_names(package.store, file)
