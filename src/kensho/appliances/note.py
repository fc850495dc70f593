"""Find the note of where a machine came from that lies beside its files, ``NAME.kensho.json``."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import msgspec

from kensho.appliances.origin import Origin
from kensho.appliances.package import Package
from kensho.appliances.store import read_text_file
from kensho.model.errors import KenshoError
from kensho.model.origin import MAX_NOTE, SUFFIX, try_origin


def with_note(package: Package, origin: Origin) -> Package:
    """Return the package with the note beside its file, unless one was in it.

    Only local folders are looked at. A damaged note is a finding.
    """
    name = f"{origin.stem}{SUFFIX}"
    if package.appliance.origin is not None or not Path(origin.path).is_file():
        return package
    store = origin.beside()
    try:
        try:
            if store.size_of(name) is None:
                return package
        except KenshoError:  # a link that leads out of the folder
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
