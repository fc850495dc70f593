"""Put a package together: the appliance read, its files, and what is wrong between the two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kensho.appliances.optional import without_optional
from kensho.appliances.package import Digest, Package
from kensho.appliances.packed import chunk_names, open_content
from kensho.appliances.store import Store, find, open_file
from kensho.model.appliance import Appliance, File
from kensho.model.errors import (
    LimitError,
    LocatorError,
    PackageError,
    UnsafePathError,
    UnsupportedError,
)
from kensho.model.finding import Finding, Severity
from kensho.model.machine import Disk
from kensho.storage import ByteSource


def assemble(
    kind: str,
    path: str,
    appliance: Appliance,
    store: Store,
    findings: Sequence[Finding],
    *,
    manifest: Mapping[str, tuple[Digest, ...]] | None = None,
    own: Sequence[str] = (),
) -> Package:
    """Return the package; ``own`` names the files that are no content: descriptor, manifest."""

    def open_one(file_id: str) -> ByteSource:
        file = appliance.file(file_id)
        if file is None:
            raise PackageError(
                f"the descriptor refers to the file {file_id!r} and does not list it", path=path
            )
        capacities = (i.capacity for i in appliance.images if i.file == file.id)
        return open_content(store, file, max((c for c in capacities if c), default=None))

    def open_sibling(name: str) -> ByteSource:
        return open_file(store, name)

    appliance, about_files = without_optional(appliance, _check_files(appliance, store))
    checked = (*findings, *about_files, *_extra_files(appliance, store, own))
    return Package(
        kind, path, appliance, open_one, open_sibling, checked, manifest, close=store.close
    )


def _check_files(appliance: Appliance, store: Store) -> list[Finding]:
    uses = _uses(appliance)
    findings = []
    for file in appliance.files:
        finding = _check_file(file, store, uses.get(file.id, ""))
        if finding is not None:
            findings.append(finding)
    return findings


def _uses(appliance: Appliance) -> dict[str, str]:
    """Return what the files are for, by id: ``disk``, ``medium`` or ``nvram``; others are not in."""
    uses: dict[str, str] = {}
    images = {i.id: i for i in appliance.images}
    for machine in appliance.machines:
        if machine.firmware.nvram:
            uses[machine.firmware.nvram] = "nvram"
        for drive in machine.drives:
            if not isinstance(drive, Disk) and drive.file:
                uses.setdefault(drive.file, "medium")
    wanted = [d.image for m in appliance.machines for d in m.disks]
    seen: set[str] = set()
    while wanted:
        image = images.get(wanted.pop())
        if image is not None and image.id not in seen:
            seen.add(image.id)
            wanted.extend([image.parent] if image.parent else [])
            if image.file:
                uses[image.file] = "disk"
    return uses


def _check_file(file: File, store: Store, use: str) -> Finding | None:
    try:
        size = _stored_size(file, store)
    except UnsafePathError as error:
        return Finding(
            "KF-217",
            Severity.ERROR,
            error.message,
            subject=file.id,
            action="never opened; correct the href if you trust this package",
        )
    except UnsupportedError as error:
        return Finding(
            "KF-216",
            Severity.WARNING,
            error.message,
            subject=file.id,
            action=f"not fetched; {error.hint}",
        )
    except (PackageError, LimitError) as error:
        return Finding(
            "KF-220",
            Severity.ERROR,
            error.message,
            subject=file.id,
            action="the machine can be inspected; what is in the file cannot be read",
        )
    except LocatorError as error:
        return Finding(
            "KF-219",
            Severity.ERROR,
            f"{file.href} cannot be fetched: {error.message}",
            subject=file.id,
            action="the machine can be inspected; what is in the file cannot be read",
        )
    if size is None:
        return None if store.beyond else _missing(file, use)
    if file.encryption:
        return Finding(
            "KF-718",
            Severity.ERROR,
            f"{file.href} is encrypted",
            subject=file.id,
            action="the machine can be inspected; `kensho decrypt` opens its files",
        )
    if file.size is not None and size != file.size:
        return Finding(
            "KF-205",
            Severity.WARNING,
            f"{file.href} has {size} bytes, the descriptor says {file.size}",
            subject=file.id,
            action="read as it is; check the manifest if there is one",
        )
    return None


#: What it means that a file is missing, by what it is for.
_WITHOUT = {
    "disk": (Severity.ERROR, "the machine can be inspected; what is in the file cannot be read"),
    "medium": (Severity.NOTE, "the drive is empty; a conversion does not need the medium"),
    "nvram": (Severity.NOTE, "the firmware starts with its defaults"),
    "": (Severity.WARNING, "nothing of the machines is in it; a conversion does not need it"),
}


def _missing(file: File, use: str) -> Finding:
    severity, action = _WITHOUT[use]
    return Finding(
        "KF-201", severity, f"the file {file.href} is missing", subject=file.id, action=action
    )


def _stored_size(file: File, store: Store) -> int | None:
    """Return a file's bytes as they are stored, chunks together; None when it is not there."""
    name = find(store, file.href)
    if name is None and file.chunk_size is not None and not store.beyond:
        return sum(store.size_of(chunk) or 0 for chunk in chunk_names(store, file))
    return None if name is None else store.size_of(name)


def _extra_files(appliance: Appliance, store: Store, own: Sequence[str]) -> list[Finding]:
    if not store.names:
        return []
    wanted = set(own)
    for file in appliance.files:
        try:
            name = find(store, file.href)
        except (UnsafePathError, UnsupportedError, LocatorError):
            continue
        wanted.add(name or file.href)
    chunked = tuple(f"{f.href}." for f in appliance.files if f.chunk_size is not None)
    return [
        Finding(
            "KF-202",
            Severity.NOTE,
            f"{name} is in the package and the descriptor does not mention it",
            subject=name,
            action="ignored",
        )
        for name in store.names
        if name not in wanted and not (chunked and name.startswith(chunked))
    ]
