"""What encrypting and decrypting a package share: its files changed while it is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from pathlib import Path

from lxml import etree

from kensho.appliances.ovf.elements import attribute
from kensho.appliances.store import absent, find
from kensho.model.errors import UnsupportedError
from kensho.model.finding import Finding, Severity
from kensho.packages.files import complete_files, stated_digests
from kensho.packages.rewrite import (
    PackageFile,
    WrittenPackage,
    serialise_descriptor,
    with_sizes,
    write_package,
)
from kensho.packages.source import OvfPackage
from kensho.storage import ByteSource


def write_changed(
    package: OvfPackage,
    root: etree._Element,
    target: str | Path,
    change: Callable[[str, ByteSource, Mapping[str, str]], ByteSource],
    algorithm: str | None,
    on_bytes: Callable[[int], None] | None,
    *,
    overwrite: bool,
) -> WrittenPackage:
    """Write the package with ``root`` and each file as ``change(name, source, digests)`` gives it.

    ``digests`` are what the manifest there is says of the file.
    """
    stated = stated_digests(package)
    sources = [
        PackageFile(name, change(name, package.store.open(name), stated.get(name, {})))
        for name in complete_files(package)
    ]
    with_sizes(root, {file.name: file.source.size for file in sources})
    return write_package(
        target,
        name=package.name,
        descriptor=serialise_descriptor(root),
        files=sources,
        algorithm=algorithm,
        overwrite=overwrite,
        on_bytes=on_bytes,
    )


def copy_of(root: etree._Element) -> etree._Element:
    """Return a copy with the comments that stand beside the root."""
    return deepcopy(root.getroottree()).getroot()


def stored_name(package: OvfPackage, file: etree._Element) -> str:
    """Return the stored name of a ``File``."""
    href = attribute(file, "href")
    if attribute(file, "chunkSize"):
        raise UnsupportedError(
            f"{href} is in chunks, which are not encrypted or decrypted",
            path=package.path,
            hint="join them first",
        )
    name = find(package.store, href)
    if name is None:
        raise absent(package.store, href)
    return name


def unsigned(package: OvfPackage) -> tuple[Finding, ...]:
    """Return what is to be said of a signature that is left out."""
    if package.certificate is None:
        return ()
    return (
        Finding(
            "KF-717",
            Severity.WARNING,
            "the package was signed; what is signed has changed",
            subject=package.name,
            action="the signature was left out; sign the result",
        ),
    )
