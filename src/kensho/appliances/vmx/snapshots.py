"""The snapshots of a VMware machine: the ``.vmsd`` beside its VMX.

VMware publishes no specification. Its products write a dictionary like the VMX's own:
``snapshot.current`` is the uid of the snapshot the machine goes on from, ``snapshotN.uid``,
``.parent``, ``.displayName``, ``.description`` describe one, and ``snapshotN.diskM.node`` and
``.fileName`` say which file holds a disk as it was then. The settings of that time are in the
``.vmsn``, a memory dump of undocumented layout that is not read.
"""

from __future__ import annotations

import re
from dataclasses import replace

import msgspec

from kensho.appliances.vmx.parse import Dictionary
from kensho.model.errors import UsageError

_UID_KEY = re.compile(r"snapshot([0-9]{1,6})\.uid", re.ASCII)
_DISK_KEY = re.compile(r"snapshot([0-9]{1,6})\.disk([0-9]{1,4})\.node", re.ASCII)
_NODE = re.compile(r"(?:scsi|sata|ide|nvme)[0-9]{1,3}:[0-9]{1,3}", re.ASCII)
_DRIVE_KEY = re.compile(r"((?:scsi|sata|ide|nvme)[0-9]{1,3}:[0-9]{1,3})\.filename", re.ASCII)
_LISTED = 20


class Snapshot(msgspec.Struct, frozen=True):
    """One snapshot; ``disks`` are (place such as ``scsi0:0``, file with its content then)."""

    uid: str
    name: str
    description: str = ""
    parent: str = ""
    disks: tuple[tuple[str, str], ...] = ()


class Snapshots(msgspec.Struct, frozen=True):
    """All snapshots of a machine; ``current`` is the uid of the one it goes on from."""

    all: tuple[Snapshot, ...] = ()
    current: str = ""

    def listed(self) -> str:
        """Return the names, the current one marked, for a message."""
        names = [f"{s.name} (current)" if s.uid == self.current else s.name for s in self.all]
        return ", ".join(names[:_LISTED]) + (" …" if len(names) > _LISTED else "")


def read_vmsd(values: Dictionary) -> Snapshots:
    """Return the snapshots that a ``.vmsd`` lists, in its order."""
    numbers = sorted(int(m[1]) for key in values.values if (m := _UID_KEY.fullmatch(key)))
    disks: dict[int, list[tuple[int, str, str]]] = {}
    for key, node in values.values.items():
        if match := _DISK_KEY.fullmatch(key):
            file = values.get(key.removesuffix("node") + "filename").strip()
            disks.setdefault(int(match[1]), []).append((int(match[2]), node.strip().lower(), file))
    return Snapshots(
        tuple(_snapshot(values, number, disks.get(number, [])) for number in numbers),
        values.get("snapshot.current").strip(),
    )


def _snapshot(values: Dictionary, number: int, disks: list[tuple[int, str, str]]) -> Snapshot:
    prefix = f"snapshot{number}"
    uid = values.get(f"{prefix}.uid").strip()
    return Snapshot(
        uid,
        values.get(f"{prefix}.displayname") or f"snapshot {uid}",
        values.get(f"{prefix}.description"),
        values.get(f"{prefix}.parent").strip(),
        tuple((node, file) for _, node, file in sorted(disks) if _NODE.fullmatch(node) and file),
    )


def choose(snapshots: Snapshots, wanted: str, path: str) -> Snapshot:
    """Return the snapshot with that name or uid; UsageError, listing them, unless it is one."""
    found = [s for s in snapshots.all if wanted in {s.name, s.uid}]
    if len(found) == 1:
        return found[0]
    fault = f"no snapshot is called {wanted!r}" if not found else f"{wanted!r} is ambiguous"
    uids = ", ".join(f"{s.uid} {s.name}" for s in snapshots.all[:_LISTED])
    raise UsageError(fault, path=path, hint=f"snapshots: {uids}" if uids else "there are none")


def at_snapshot(values: Dictionary, snapshot: Snapshot) -> tuple[Dictionary, tuple[str, ...]]:
    """Return the machine's settings with its disks as they were, and the disks that came later.

    Independent disks are in no snapshot and stay as they are.
    """
    then = dict(snapshot.disks)
    changed = {f"{node}.filename": file for node, file in then.items()}
    changed |= {f"{node}.present": "TRUE" for node in then}
    later = tuple(
        match[1]
        for key, file in values.values.items()
        if (match := _DRIVE_KEY.fullmatch(key))
        and match[1] not in then
        and file.strip().lower().endswith(".vmdk")
        and values.is_true(f"{match[1]}.present", default=True)
        and not values.get(f"{match[1]}.mode").lower().startswith("independent")
    )
    changed |= {f"{node}.present": "FALSE" for node in later}
    spelling = {key: key for key in changed} | dict(values.spelling)
    return replace(values, values={**values.values, **changed}, spelling=spelling), later
