"""The files that a package as a whole is made of, and proof that they are all there."""

from __future__ import annotations

from pathlib import PurePosixPath

from kensho.appliances.ovf.elements import Notes
from kensho.appliances.ovf.references import read_files
from kensho.appliances.packed import chunk_names
from kensho.appliances.store import absent, find
from kensho.model.appliance import File
from kensho.model.errors import UnsupportedError
from kensho.packages.source import OvfPackage

_ABOUT = frozenset({".mf", ".cert"})


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
