"""Open an OVA: DSP0243 §5.3, a tar archive with the descriptor, best as its first member.

Nothing is unpacked; a file of the package is a window into the archive.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from kensho.appliances.assemble import assemble
from kensho.appliances.ovf.open import manifest_beside, read_descriptor
from kensho.appliances.package import Package
from kensho.appliances.store import Store, tar_store
from kensho.model.errors import PackageError, UnsupportedError
from kensho.model.finding import Finding, Severity
from kensho.model.selection import Selection
from kensho.storage import FileSource, TarMember, read_members

_XVA = "ova.xml"


def open_ova(path: Path, selection: Selection) -> Package:
    """Open the package in the archive at ``path``.

    PackageError when no descriptor is in it, UnsafePathError for members that are links, devices
    or lie outside, UnsupportedError for other archives.
    """
    store, name, findings = open_archive(path)
    try:
        return _open(store, name, findings, selection)
    except BaseException:
        store.close()
        raise


def open_archive(path: Path) -> tuple[Store, str, list[Finding]]:
    """Return the archive's files, the descriptor's name among them, and what is odd about it.

    The names are relative to the descriptor's folder. Raises what `open_ova` does.
    """
    archive = FileSource(path)
    try:
        members = read_members(archive)
        descriptor, findings = _descriptor(members, archive.name)
        base = str(PurePosixPath(descriptor).parent)
        store = tar_store(archive, members, "" if base == "." else base)
        return store, PurePosixPath(descriptor).name, findings
    except BaseException:
        archive.close()
        raise


def _open(store: Store, name: str, findings: list[Finding], selection: Selection) -> Package:
    fallback = PurePosixPath(store.path).stem
    appliance, read = read_descriptor(store, name, selection, fallback=fallback)
    manifest, own, more = manifest_beside(store, name)
    return assemble(
        "ova",
        store.path,
        appliance,
        store,
        (*findings, *read, *more),
        manifest=manifest,
        own=(name, *own),
    )


def _descriptor(members: tuple[TarMember, ...], path: str) -> tuple[str, list[Finding]]:
    files = [m.name for m in members if m.type == "file"]
    found = [
        name
        for name in files
        if name.lower().endswith(".ovf") and not PurePosixPath(name).name.startswith("._")
    ]
    if not found:
        if _XVA in files:
            raise UnsupportedError(
                "is a XenServer archive (XVA), not an OVA",
                path=path,
                hint="export the machine as OVF/OVA with XenCenter, or copy its disks as VHD",
            )
        raise PackageError(
            "no .ovf descriptor is in this archive",
            path=path,
            hint="an OVA holds a descriptor and disk images; check that this is one",
        )
    findings = []
    chosen = min(found, key=lambda name: name.count("/"))
    if len(found) > 1:
        findings.append(
            Finding(
                "KF-214",
                Severity.WARNING,
                f"{len(found)} descriptors are in the archive: {', '.join(found[:5])}",
                subject=path,
                action=f"{chosen} is read",
            )
        )
    elif files[0] != chosen:
        findings.append(
            Finding(
                "KF-215",
                Severity.NOTE,
                f"the descriptor {chosen} is not the archive's first member",
                subject=path,
                action="read all the same; other importers refuse this",
            )
        )
    return chosen, findings
