"""An adaptation planned: what of a machine's guests has to change so that they start elsewhere.

Each system found is given to the steps of its family; what they plan is laid out on the volumes that
the files are on. Nothing of the guest is run, and nothing is written here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from kensho.disks.base import DiskReader
from kensho.guest.aims import Aims
from kensho.guest.edit.backends import choose
from kensho.guest.edit.draft import Draft
from kensho.guest.edit.plan import FileEdit
from kensho.guest.files.tree import GuestFiles
from kensho.guest.inspect.systems import Opened, find_systems
from kensho.guest.linux.adapt.guest import LinuxGuest
from kensho.guest.linux.adapt.kernels import KernelPlan
from kensho.guest.linux.adapt.steps import adapt_linux
from kensho.guest.volumes.scan import Volume, scan
from kensho.guest.windows.adapt.steps import WindowsPlan, adapt_windows
from kensho.guest.windows.installed import windows_folder
from kensho.model.errors import UnsupportedError
from kensho.model.finding import Finding


@dataclass(frozen=True, slots=True)
class VolumeEdits:
    """Edits of one volume's files; paths are those within it. ``files`` are as they were."""

    volume: Volume
    edits: tuple[FileEdit, ...]
    files: GuestFiles


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
    or when files that have to be changed are on a file system that is not edited.
    """
    opened = Opened(scan(disks))
    opened.open_all()
    kernels: list[KernelPlan] = []
    windows: list[WindowsPlan] = []
    findings: list[Finding] = []
    edits: dict[str, dict[str, FileEdit]] = {}
    for system in find_systems(opened):
        if windows_folder(system.files):
            told, draft = adapt_windows(system, opened, aims)
            windows.append(told)
        else:
            draft = Draft(system.files, system.volume.id)
            kernels += adapt_linux(LinuxGuest(system, opened, aims, draft))
        findings += draft.findings
        for edit in draft.edits:
            volume, path = _place(opened, draft.files, edit.path)
            edits.setdefault(volume.id, {})[path] = msgspec.structs.replace(edit, path=path)
    adapted = kernels or any(not one.refused for one in windows)
    if not adapted and not findings:
        locked = next((v for v in opened.volumes.volumes if v.refusal), None)
        raise UnsupportedError(
            "neither a Windows nor a Linux kernel with an initramfs was found",
            path=locked.id if locked else None,
            hint=locked.refusal if locked else "kensho inspect --deep shows what is there",
        )
    if not adapted:
        first = findings[0]
        raise UnsupportedError(
            f"nothing can be adapted: {first.message}", path=first.subject, hint=first.action
        )
    by_id = {volume.id: volume for volume in opened.volumes.volumes}
    volumes = tuple(
        VolumeEdits(by_id[k], tuple(paths.values()), GuestFiles(opened.systems[k]))
        for k, paths in edits.items()
    )
    return AdaptPlan(tuple(kernels), volumes, tuple(findings), tuple(windows))


def _place(opened: Opened, tree: GuestFiles, path: str) -> tuple[Volume, str]:
    """Return the volume a file is on and its path there; UnsupportedError where it is not edited."""
    files, within = tree.mount_of(path)
    for volume in opened.volumes.volumes:
        if opened.systems.get(volume.id) is files:
            choose(volume)
            return volume, within
    raise UnsupportedError(f"{path} is on no volume of these disks")
