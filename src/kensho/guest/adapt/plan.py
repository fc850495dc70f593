"""An adaptation planned: what of a machine's guests has to change so that they start elsewhere.

Each system found is given to the steps of its family; what they plan is laid out on the volumes that
the files are on. Nothing of the guest is run, and nothing is written here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kensho.disks.base import DiskReader
from kensho.guest.aims import Aims
from kensho.guest.bsd.installed import bsd_system, read_bsd
from kensho.guest.bsd.notes import left_alone
from kensho.guest.edit.draft import Draft
from kensho.guest.edit.placing import VolumeEdits, by_volume, refuse_too_much, rooms
from kensho.guest.edit.plan import FileEdit
from kensho.guest.files.tree import GuestFiles
from kensho.guest.inspect.systems import Opened, find_systems
from kensho.guest.linux.adapt.guest import LinuxGuest
from kensho.guest.linux.adapt.kernel_plan import KernelPlan
from kensho.guest.linux.adapt.steps import adapt_linux
from kensho.guest.volumes.scan import REFUSALS, scan
from kensho.guest.volumes.twins import notes_of_twins
from kensho.guest.windows.adapt.steps import WindowsPlan, adapt_windows
from kensho.guest.windows.installed import windows_folder
from kensho.model.errors import UnsupportedError
from kensho.model.finding import Finding, Severity

#: What is said of a Linux without a kernel that can be adapted: bundled with its initramfs, or not found.
_NOTHING_STARTS = ("KF-862", "KF-863", "KF-841")


@dataclass(frozen=True, slots=True)
class AdaptPlan:
    """All that will be done to the disks of a machine."""

    kernels: tuple[KernelPlan, ...]
    volumes: tuple[VolumeEdits, ...]
    findings: tuple[Finding, ...]
    windows: tuple[WindowsPlan, ...] = ()


def plan_adaptation(disks: Sequence[DiskReader], aims: Aims) -> AdaptPlan:
    """Plan the guests on these disks, which belong to one machine.

    What cannot be done is a finding. UnsupportedError when there is no guest that can be adapted,
    or when files that have to be changed are on a file system that is not edited; NoSpaceError when
    what has to be written does not fit, with the bytes that are lacking.
    """
    opened = Opened(scan(disks, aims.keys))
    opened.open_all()
    kernels: list[KernelPlan] = []
    windows: list[WindowsPlan] = []
    findings: list[Finding] = list(notes_of_twins(opened.volumes))
    left: list[Finding] = []
    planned: list[tuple[GuestFiles, Sequence[FileEdit]]] = []
    for system in find_systems(opened):
        bsd = bsd_system(system.files)
        if bsd:
            found = read_bsd(system.files, bsd)
            left.append(left_alone(found.guest.description, found.controllers, system.volume.id))
            continue
        if windows_folder(system.files):
            told, draft = adapt_windows(system, opened, aims)
            windows.append(told)
        else:
            draft = Draft(system.files, system.volume.id)
            _go_on_from(draft, opened, planned)
            kernels += adapt_linux(LinuxGuest(system, opened, aims, draft))
        findings += draft.findings
        planned.append((draft.files, draft.edits))
    adapted = kernels or any(not one.refused for one in windows)
    why = [f for f in findings if f.severity is Severity.ERROR] or left
    why = why or [f for f in findings if f.code in _NOTHING_STARTS]
    if not adapted and not why:
        locked = next((v for v in opened.volumes.volumes if v.content.kind in REFUSALS), None)
        raise UnsupportedError(
            "neither a Windows nor a Linux kernel with an initramfs was found",
            path=locked.id if locked else None,
            hint=locked.refusal if locked else "kensho inspect --deep shows what is there",
        )
    if not adapted:
        raise UnsupportedError(
            f"nothing can be adapted: {why[0].message}", path=why[0].subject, hint=why[0].action
        )
    volumes = by_volume(opened, planned)
    findings += left
    findings += _measured(opened, volumes)
    return AdaptPlan(tuple(kernels), volumes, tuple(findings), tuple(windows))


def _go_on_from(
    draft: Draft, opened: Opened, planned: Sequence[tuple[GuestFiles, Sequence[FileEdit]]]
) -> None:
    """Put into a draft what is planned for other systems in volumes that this one mounts, too.

    So it is with a /boot or an ESP of several: of two edits of one file the last counts.
    """
    edits = {one.volume.id: one.edits for one in by_volume(opened, planned)}
    for mount, mounted in draft.files.mounts.items():
        volume, top = opened.where(mounted, "") or (None, "")
        for edit in edits.get(volume.id, ()) if volume else ():
            if not edit.path.startswith(f"{top}/") or edit.target:
                continue
            path = mount + edit.path[len(top) :]
            if edit.content is None:
                draft.delete(path, edit.why)
            else:
                owner = (edit.uid, edit.gid)
                draft.write(
                    path, edit.content, edit.why, mode=edit.mode, owner=owner, details=edit.details
                )


def _measured(opened: Opened, volumes: Sequence[VolumeEdits]) -> Iterator[Finding]:
    """Yield what is to be said of the volumes; NoSpaceError when edits do not fit."""
    for planned in volumes:
        files = opened.systems.get(planned.volume.id)
        for warning in files.warnings if files else ():
            yield Finding(
                "KF-848", Severity.NOTE, warning, planned.volume.id,
                "what its journal holds is replayed first; without one it is edited only if it is whole",
            )  # fmt: skip
    for volume, room in rooms(volumes):
        refuse_too_much(volume, room)
        if room.takes_reserved:
            yield Finding(
                "KF-846", Severity.WARNING, "only the room that is kept for root is left for it",
                volume.id, "make room there when the guest runs",
            )  # fmt: skip
