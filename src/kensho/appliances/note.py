"""The note of where a machine came from that lies beside its files, ``NAME.kensho.json``.

It is found when the machine is opened, and is a source itself: what kensho wrote for a platform in a
form that only the platform reads (a script, a cloud's template) is opened by its note.
"""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path, PurePosixPath

import msgspec

from kensho.appliances.assemble import assemble
from kensho.appliances.origin import Origin
from kensho.appliances.package import Package
from kensho.appliances.store import Store, read_text_file
from kensho.model.appliance import Appliance
from kensho.model.errors import KenshoError, UnsupportedError
from kensho.model.finding import Finding, Severity
from kensho.model.origin import MAX_NOTE, SUFFIX, load_origin, try_origin
from kensho.model.selection import Selection

_GZIP = b"\x1f\x8b"
_MOST_SUFFIXES = 3


def open_note(origin: Origin, selection: Selection) -> Package:
    """Open the machine that a note was written with, its disks beside it.

    LimitError, CorruptError, UnsupportedError when the note cannot be read.
    """
    del selection
    store = origin.beside()
    try:
        found = load_origin(read_text_file(store, origin.name, MAX_NOTE), path=origin.path)
        finding = Finding(
            "KF-457",
            Severity.NOTE,
            "the machine is read from its note",
            subject=origin.path,
            action="it is what kensho wrote; what was changed on the platform since is not in it",
        )
        appliance = msgspec.structs.replace(found.written, origin=found)
        _refuse_packed(store, appliance, origin.path)
        return assemble("note", origin.path, appliance, store, (finding,), own=(origin.name,))
    except BaseException:
        store.close()
        raise


def with_note(package: Package, origin: Origin) -> Package:
    """Return the package with the note beside its file, unless one was in it.

    Its stem is the file's without one suffix, or without more (``web.oci.tar``). Only local folders
    are looked at. A damaged note is a finding.
    """
    if package.appliance.origin is not None or not Path(origin.path).is_file():
        return package
    store = origin.beside()
    try:
        name = _beside(store, origin.name)
        if name is None:
            return package
        found, findings = try_origin(
            lambda: read_text_file(store, name, MAX_NOTE), path=f"{origin.path}: {name}"
        )
    finally:
        store.close()
    return dataclasses.replace(
        package,
        appliance=msgspec.structs.replace(package.appliance, origin=found),
        findings=(*package.findings, *findings),
    )


def _beside(store: Store, name: str) -> str | None:
    stem = PurePosixPath(name)
    for _ in range(_MOST_SUFFIXES):
        if not stem.suffix:
            break
        stem = stem.with_suffix("")
        with contextlib.suppress(KenshoError):  # a link that leads out of the folder
            if store.size_of(f"{stem.name}{SUFFIX}") is not None:
                return f"{stem.name}{SUFFIX}"
    return None


def _refuse_packed(store: Store, appliance: Appliance, path: str) -> None:
    """Refuse disks in archives, which are not what a disk's own format begins with."""
    for file in appliance.files:
        if store.size_of(file.href):
            source = store.open(file.href)
            try:
                packed = source.read_at(0, min(2, source.size)) == _GZIP
            finally:
                source.close()
            if packed:
                raise UnsupportedError(
                    f"the disk {file.href} is in an archive",
                    path=path,
                    hint="name the archive itself, or unpack it and make it a disk beside a machine",
                )
