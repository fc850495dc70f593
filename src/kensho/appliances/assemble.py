"""Put a package together: the appliance read, its files, and what is wrong between the two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kensho.appliances.package import Digest, Package
from kensho.appliances.store import Store, find, missing
from kensho.model.appliance import Appliance, File
from kensho.model.errors import PackageError, UnsafePathError, UnsupportedError
from kensho.model.finding import Finding, Severity
from kensho.storage import ByteSource

_PLAIN = frozenset({"", "identity", "none"})


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

    def open_file(file_id: str) -> ByteSource:
        file = appliance.file(file_id)
        if file is None:
            raise PackageError(
                f"the descriptor refers to the file {file_id!r} and does not list it", path=path
            )
        _refuse_packed(file, path)
        name = find(store, file.href)
        if name is None:
            raise missing(file.href, path)
        return store.open(name)

    def open_sibling(name: str) -> ByteSource:
        found = find(store, name)
        if found is None:
            raise missing(name, path)
        return store.open(found)

    checked = (*findings, *_check_files(appliance, store), *_extra_files(appliance, store, own))
    return Package(
        kind, path, appliance, open_file, open_sibling, checked, manifest, close=store.close
    )


def _refuse_packed(file: File, path: str) -> None:
    if file.compression.lower() not in _PLAIN:
        raise UnsupportedError(
            f"{file.href} is compressed ({file.compression}) as a whole",
            path=path,
            field="ovf:compression",
            hint="unpack it (gunzip), and remove ovf:compression from the descriptor",
        )
    if file.chunk_size is not None:
        raise UnsupportedError(
            f"{file.href} is split into chunks of {file.chunk_size} bytes",
            path=path,
            field="ovf:chunkSize",
            hint=f"join them: cat {file.href}.0* > {file.href}, "
            "and remove ovf:chunkSize from the descriptor",
        )


def _check_files(appliance: Appliance, store: Store) -> list[Finding]:
    findings = []
    for file in appliance.files:
        finding = _check_file(file, store)
        if finding is not None:
            findings.append(finding)
    return findings


def _check_file(file: File, store: Store) -> Finding | None:
    try:
        name = find(store, file.href)
        if name is None and file.chunk_size is not None:
            name = find(store, f"{file.href}.000000000")
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
            "KF-216", Severity.WARNING, error.message, subject=file.id, action="not fetched"
        )
    if name is None:
        return Finding(
            "KF-201",
            Severity.ERROR,
            f"the file {file.href} is missing",
            subject=file.id,
            action="the machine can be inspected; what is in the file cannot be read",
        )
    if file.compression.lower() not in _PLAIN or file.chunk_size is not None:
        how = "compressed" if file.chunk_size is None else "split into chunks"
        return Finding(
            "KF-218",
            Severity.ERROR,
            f"the file {file.href} is {how}, which is not read yet",
            subject=file.id,
            action="unpack or join it and correct the descriptor",
        )
    size = store.size_of(name)
    if file.size is not None and size != file.size:
        return Finding(
            "KF-205",
            Severity.WARNING,
            f"{file.href} has {size} bytes, the descriptor says {file.size}",
            subject=file.id,
            action="read as it is; check the manifest if there is one",
        )
    return None


def _extra_files(appliance: Appliance, store: Store, own: Sequence[str]) -> list[Finding]:
    wanted = set(own)
    for file in appliance.files:
        try:
            name = find(store, file.href)
        except (UnsafePathError, UnsupportedError):
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
