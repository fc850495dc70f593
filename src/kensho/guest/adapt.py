"""Linux guests made to start on other platforms: planned on their files, carried out on an overlay.

What is done today: the drivers of the wanted controllers go into every kernel's initramfs, and the
guest's own maker of the initramfs is told to keep them. Nothing of the guest is run.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import msgspec

from kensho.disks.base import DiskReader
from kensho.disks.overlay import create_overlay, open_overlay
from kensho.guest.edit.disk import Piece
from kensho.guest.edit.ext import edit_ext, refuse_copied
from kensho.guest.edit.patch import pieces
from kensho.guest.edit.plan import FileEdit
from kensho.guest.inspect.systems import Opened, System, find_systems
from kensho.guest.linux.adapt.drivers import enlarge
from kensho.guest.linux.adapt.persist import persist
from kensho.guest.linux.kernels import Found, find_kernels, load_initramfs, load_kernel
from kensho.guest.linux.modules.index import ModuleIndex
from kensho.guest.volumes.scan import Volume, scan
from kensho.model.errors import KenshoError, UnsupportedError
from kensho.model.finding import Finding, Severity
from kensho.model.machine import ControllerModel

_PIECE = 1 << 20
_EDITED = frozenset({"ext2", "ext3", "ext4"})


class KernelPlan(msgspec.Struct, frozen=True):
    """What becomes of one kernel: modules added to its initramfs, controllers it cannot drive."""

    root: str
    version: str
    initramfs: str
    added: tuple[str, ...] = ()
    missing: tuple[ControllerModel, ...] = ()


@dataclass(frozen=True, slots=True)
class VolumeEdits:
    """Edits of one volume's files; paths are those within it."""

    volume: Volume
    edits: tuple[FileEdit, ...]


@dataclass(frozen=True, slots=True)
class AdaptPlan:
    """All that will be done to the disks of a machine."""

    kernels: tuple[KernelPlan, ...]
    volumes: tuple[VolumeEdits, ...]
    findings: tuple[Finding, ...]


def plan_adaptation(disks: Sequence[DiskReader], models: Sequence[ControllerModel]) -> AdaptPlan:
    """Plan the guest on these disks, which belong to one machine, for these controllers.

    What cannot be done is a finding. UnsupportedError when there is no Linux kernel, or when the
    files that have to be changed are on a file system that is not edited.
    """
    opened = Opened(scan(disks))
    opened.open_all()
    kernels: list[KernelPlan] = []
    findings: list[Finding] = []
    edits: dict[str, dict[str, FileEdit]] = {}
    for system in find_systems(opened):
        changes: list[FileEdit] = []
        makers: dict[str, list[ModuleIndex]] = {}
        for found in find_kernels(system.files):
            if found.modules and found.initramfs:
                kernels += _kernel(system, found, models, changes, makers, findings)
        for maker, indexes in makers.items():
            changes += persist(system.files, maker, indexes, models)
        for edit in changes:
            volume, path = _place(opened, system, edit.path)
            edits.setdefault(volume.id, {})[path] = msgspec.structs.replace(edit, path=path)
    if not kernels and not findings:
        raise UnsupportedError(
            "no Linux kernel with an initramfs was found",
            hint="kensho inspect --deep shows what is there",
        )
    if not kernels:
        raise UnsupportedError(
            f"no kernel can be adapted: {findings[0].message}", path=findings[0].subject
        )
    by_id = {volume.id: volume for volume in opened.volumes.volumes}
    volumes = tuple(VolumeEdits(by_id[k], tuple(paths.values())) for k, paths in edits.items())
    return AdaptPlan(tuple(kernels), volumes, tuple(findings))


def _kernel(
    system: System,
    found: Found,
    models: Sequence[ControllerModel],
    changes: list[FileEdit],
    makers: dict[str, list[ModuleIndex]],
    findings: list[Finding],
) -> list[KernelPlan]:
    """Plan one kernel: its initramfs goes to ``changes``, its index to that of its maker."""
    root = system.volume.id

    def note(code: str, severity: Severity, what: str, action: str) -> None:
        findings.append(Finding(code, severity, f"kernel {found.version} {what}", root, action))

    try:
        initramfs = load_initramfs(system.files, found)
        kernel = load_kernel(system.files, found, initramfs)
        result = enlarge(system.files, kernel, found.modules, found.initramfs, initramfs, models)
    except KenshoError as error:
        note("KF-840", Severity.ERROR, f"cannot be adapted: {error}", "left as it is")
        return []
    if result.edit:
        changes.append(result.edit)
    if result.missing:
        lacking = ", ".join(model.value for model in result.missing)
        remedy = "give the machine another controller there, or the guest another kernel"
        note("KF-841", Severity.WARNING, f"has no driver for {lacking}", remedy)
    if initramfs.maker:
        makers.setdefault(initramfs.maker, []).append(kernel.index)
    else:
        remedy = "its next update may leave the drivers out again"
        note("KF-842", Severity.WARNING, "has an initramfs that nobody known made", remedy)
    return [KernelPlan(root, found.version, found.initramfs, result.added, result.missing)]


def _place(opened: Opened, system: System, path: str) -> tuple[Volume, str]:
    """Return the volume a file is on and its path there; UnsupportedError where it is not edited."""
    files, within = system.files.mount_of(path)
    for volume in opened.volumes.volumes:
        if opened.systems.get(volume.id) is files:
            if volume.content.kind not in _EDITED or volume.view is None:
                raise UnsupportedError(
                    f"{path} is on {volume.content.kind}, which is not edited",
                    path=volume.id,
                    hint="edited are " + ", ".join(sorted(_EDITED)),
                )
            refuse_copied(volume.view)
            return volume, within
    raise UnsupportedError(f"{path} is on no volume of these disks", path=system.volume.id)


def carry_out(plan: AdaptPlan, folder: Path) -> Iterator[Piece]:
    """Carry the edits out in ``folder``; yield what changes on the disks, disk by disk.

    The disks are only read, and all of a volume's edits are done or none is: what the back end
    raises (`kensho.guest.edit.ext`) leaves nothing that counts.
    """
    for number, volume in enumerate(plan.volumes):
        if volume.volume.view is None:
            continue
        work = folder / f"volume{number}"
        work.mkdir()
        yield from pieces(edit_ext(volume.volume.view, volume.edits, work))


def write_overlay(plan: AdaptPlan, disk: DiskReader, backing: tuple[str, str], path: Path) -> None:
    """Carry the plan for one disk out and write what changes to a QCOW2 over it.

    ``backing`` is the disk's name and format as the overlay is to record them. The file is there whole
    or not at all.
    """
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".adapt-") as folder:
        pending = Path(folder) / "overlay"
        changes = list(carry_out(plan, Path(folder)))
        create_overlay(pending, disk.virtual_size, *backing)
        with closing(open_overlay(pending, disk)) as overlay:
            for piece in changes:
                with piece.file.open("rb") as file:
                    file.seek(piece.at)
                    for at in range(0, piece.length, _PIECE):
                        overlay.write_at(
                            piece.start + at, file.read(min(_PIECE, piece.length - at))
                        )
        with pending.open("rb") as file:
            os.fsync(file.fileno())
        pending.replace(path)
