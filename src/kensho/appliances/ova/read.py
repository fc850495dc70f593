"""Open an OVA: DSP0243 §5.3, a tar archive with the descriptor, best as its first member.

Nothing is unpacked; a file of the package is a window into the archive.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from kensho.appliances.assemble import assemble
from kensho.appliances.origin import Origin
from kensho.appliances.ovf.open import manifest_beside, read_descriptor
from kensho.appliances.package import Package
from kensho.appliances.store import Store, fetching, tar_store
from kensho.model.errors import PackageError, UnsupportedError
from kensho.model.finding import Finding, Severity
from kensho.model.selection import Selection
from kensho.storage import TarMember, read_members

_XVA = "ova.xml"
#: Where oVirt's export bundles have their descriptor and the files it refers to.
_OVIRT_VMS, _OVIRT_IMAGES = "master/vms/", "images/"


def open_ova(origin: Origin, selection: Selection) -> Package:
    """Open the package in an archive.

    PackageError when no descriptor is in it, UnsafePathError for members that are links, devices
    or lie outside, UnsupportedError for other archives.
    """
    store, name, findings = open_archive(origin)
    try:
        store = fetching(store) if selection.fetch else store
        return _open(store, name, findings, selection)
    except BaseException:
        store.close()
        raise


def open_archive(origin: Origin) -> tuple[Store, str, list[Finding]]:
    """Return the archive's files, the descriptor's name among them, and what is odd about it.

    The names are relative to the descriptor's folder. Raises what `open_ova` does.
    """
    archive = origin.open()
    try:
        members = read_members(archive)
        descriptor, findings = _descriptor(members, archive.name)
        store = tar_store(archive, _beside(members, descriptor))
        return store, PurePosixPath(descriptor).name, findings
    except BaseException:
        archive.close()
        raise


def _beside(members: Sequence[TarMember], descriptor: str) -> Mapping[str, TarMember]:
    """Return the files by their names relative to the descriptor."""
    folder = descriptor.rpartition("/")[0]
    prefix = f"{folder}/" if folder else ""
    files = {m.name: m for m in members if m.type == "file"}
    beside = {n[len(prefix) :]: m for n, m in files.items() if n.startswith(prefix)}
    if descriptor.startswith(_OVIRT_VMS):
        beside |= {
            name.removeprefix(_OVIRT_IMAGES): member
            for name, member in files.items()
            if name.startswith(_OVIRT_IMAGES)
        }
    return beside


def _open(store: Store, name: str, findings: list[Finding], selection: Selection) -> Package:
    fallback = PurePosixPath(store.path.partition("?")[0]).stem
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
                "is a XenServer archive (XVA) whose ova.xml is not its first file",
                path=path,
                hint="pack it again in XenServer's order: tar --sort=name -cf NAME.xva ova.xml Ref:*",
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
