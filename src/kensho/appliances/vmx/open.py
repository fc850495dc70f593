"""Open a machine described by a VMX in a folder."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

import msgspec

from kensho.appliances.assemble import assemble
from kensho.appliances.origin import Origin
from kensho.appliances.package import Package
from kensho.appliances.store import Store, find, read_text_file
from kensho.appliances.vmx.companions import extended_configuration, locks, suspended
from kensho.appliances.vmx.parse import MAX_VMX, Dictionary, read_dictionary
from kensho.appliances.vmx.read import read_vmx
from kensho.appliances.vmx.snapshots import Snapshots, at_snapshot, choose, read_vmsd
from kensho.model import host_side
from kensho.model.errors import PackageError, UnsafePathError, UnsupportedError
from kensho.model.finding import Finding, Severity
from kensho.model.selection import Selection


def open_vmx(origin: Origin, selection: Selection) -> Package:
    """Open the machine a VMX describes; disks are looked for in the same folder.

    ``selection.configuration`` names a snapshot, by its name or uid; without one the current
    state is read.
    """
    store = origin.beside()
    try:
        return open_in(store, origin.name, selection, path=origin.path, fallback=origin.stem)
    except BaseException:
        store.close()
        raise


def open_in(
    store: Store,
    name: str,
    selection: Selection,
    *,
    path: str,
    fallback: str,
    kind: str = "vmx",
    own: tuple[str, ...] = (),
) -> Package:
    """Open the machine whose VMX is ``name`` in ``store``; ``own`` are files that are no content.

    UsageError when there is no such snapshot, PackageError for a list of snapshots; what `read_vmx`
    raises.
    """
    values, odd = read_dictionary(read_text_file(store, name, MAX_VMX), path=path)
    if read_vmsd(values).all and not values.get("config.version"):
        raise PackageError(
            "is the list of a machine's snapshots",
            path=path,
            hint="name the .vmx beside it; --configuration NAME reads a snapshot",
        )
    values, snapshots, findings = _chosen(store, name, values, selection.configuration, path)
    appliance, more = read_vmx(
        values, path=path, fallback=fallback, locate=lambda file: _locate(store, file)
    )
    findings += [*suspended(values, name), *locks(store, name, appliance)]
    machine = appliance.machines[0]
    extended = extended_configuration(store, values)
    machine = msgspec.structs.replace(
        machine, extras=(*machine.extras, *extended), snapshots=snapshots
    )
    appliance = msgspec.structs.replace(
        appliance, machines=(machine,), configuration=selection.configuration
    )
    beside = (*own, name, _vmsd_of(name), *(extra.where for extra in extended))
    return assemble(kind, path, appliance, store, (*odd, *more, *findings), own=beside)


def _chosen(
    store: Store, name: str, values: Dictionary, wanted: str | None, path: str
) -> tuple[Dictionary, tuple[host_side.Snapshot, ...], list[Finding]]:
    """Return the settings of the state to read, the snapshots and what to say about them."""
    snapshots, findings = _snapshots(store, name, path)
    if wanted is not None:
        snapshot = choose(snapshots, wanted, path)
        values, later = at_snapshot(values, snapshot)
        left_out = f"; {', '.join(later)} came later and is left out" if later else ""
        findings.append(
            Finding(
                "KF-461",
                Severity.WARNING,
                f"the disks are read as they were at the snapshot {snapshot.name}{left_out}",
                subject=name,
                action="all other settings are those of now: what they were is in a memory dump"
                " (.vmsn) that is not read",
            )
        )
    elif snapshots.all:
        findings.append(
            Finding(
                "KF-460",
                Severity.NOTE,
                f"the machine has snapshots: {snapshots.listed()}",
                subject=name,
                action="the current state is read; --configuration NAME reads a snapshot",
            )
        )
    kept = tuple(host_side.Snapshot(s.name, s.uid) for s in snapshots.all)
    return values, kept, findings


def _vmsd_of(name: str) -> str:
    return str(PurePosixPath(name).with_suffix(".vmsd"))


def _snapshots(store: Store, name: str, path: str) -> tuple[Snapshots, list[Finding]]:
    try:
        vmsd = find(store, _vmsd_of(name))
    except (UnsafePathError, UnsupportedError):  # a name that no other file can have
        vmsd = None
    if vmsd is None:
        return Snapshots(), []
    values, findings = read_dictionary(
        read_text_file(store, vmsd, MAX_VMX), path=f"{path} ({vmsd})"
    )
    snapshots = read_vmsd(values)
    known = {s.uid for s in snapshots.all}
    if snapshots.all and snapshots.current and snapshots.current not in known | {"0"}:
        findings += (
            Finding(
                "KF-460",
                Severity.WARNING,
                f"{vmsd} says that snapshot {snapshots.current} is the current one, and has none",
                subject=vmsd,
                action="the disks are those that the VMX names",
            ),
        )
    return snapshots, list(findings)


def _locate(store: Store, name: str) -> tuple[str, bool]:
    r"""Return the name to use for a file and whether it is there.

    VMX files name disks by absolute paths of the host they were made on, such as
    ``/vmfs/volumes/…/a.vmdk`` or ``D:\VMs\a.vmdk``: the base name is what can be here.
    """
    try:
        if find(store, name) is not None:
            return name, True
    except (UnsafePathError, UnsupportedError):
        pass
    else:
        return name, False
    base = re.split(r"[/\\]", name.rstrip("/\\"))[-1]
    base = base.removeprefix("]").strip() or "unnamed"
    try:
        return base, find(store, base) is not None
    except (UnsafePathError, UnsupportedError):
        return "unnamed", False
