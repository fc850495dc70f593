"""Make the note of where a machine came from, as `kensho.convert.returning` reads it later.

What was written is noted as kensho reads it back, from the documents themselves: only then is a
difference that a later reader sees one that somebody made.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from kensho.appliances import open_package
from kensho.appliances.package import Container, DiskJob, Document
from kensho.convert.plan import Plan
from kensho.convert.returning import disk_file
from kensho.disks import DiskWriter
from kensho.model.appliance import Appliance, File, Provenance
from kensho.model.errors import KenshoError
from kensho.model.machine import Cdrom, Disk, Drive, Extra, Machine
from kensho.model.origin import SUFFIX
from kensho.model.units import MIB
from kensho.platforms.base import Form
from kensho.storage.atomic import PendingFile

_REHEARSAL = "rehearsal"
#: An environment may hold passwords, so a note knows that there was one and not what is in it.
_ENVIRONMENT = "guestinfo.ovfenv"


def note_name(plan: Plan, form: Form, documents: Sequence[Document] = ()) -> str:
    """Return the name of the note beside the result, empty when there is none.

    In a result with folders it is beside the machine's file, the first document, and called like it.
    """
    if plan.after.origin is None or form.carries.origin:
        return ""
    if form.disk_folder and documents:
        return str(PurePosixPath(documents[0].name).with_suffix(SUFFIX))
    return f"{plan.name}{SUFFIX}"


def rehearse(plan: Plan, form: Form, write: Container, folder: Path) -> Appliance | None:
    """Write a container with empty disks and read it back; None when it cannot be read."""
    # Under its own name: some files have no other name for the machine.
    path = folder / _REHEARSAL / form.container_name(plan.name)
    jobs = [DiskJob(step.image, min(step.virtual_size, MIB), _nothing) for step in plan.disks]
    after = msgspec.structs.replace(plan.after, name=plan.name, origin=None)
    try:
        path.parent.mkdir(exist_ok=True)
        with PendingFile(path) as pending:
            write(
                pending.sink,
                after,
                jobs,
                name=plan.name,
                timestamp=plan.timestamp,
                compression="fast",
            )
        found = _read(path)
        return None if found is None else _without_sizes(found)
    except KenshoError:
        return None
    finally:
        shutil.rmtree(path.parent, ignore_errors=True)


def _without_sizes(found: Appliance) -> Appliance:
    """Return what was read of a rehearsal without the sizes of its disks, which were none."""
    change = msgspec.structs.replace
    return change(
        found,
        images=tuple(change(i, capacity=None, populated=None) for i in found.images),
        files=tuple(change(f, size=None) for f in found.files),
    )


def read_back(documents: Iterable[Path]) -> Appliance | None:
    """Return the machine that one of the documents describes; None when none does."""
    for path in documents:
        with contextlib.suppress(KenshoError):
            found = _read(path)
            if found is not None:
                return found
    return None


def _read(path: Path) -> Appliance | None:
    package = open_package(path)
    try:
        return package.appliance if package.kind != "disk" else None
    finally:
        package.close()


def _nothing(writer: DiskWriter) -> int:
    writer.finish()
    return 0


def noted(plan: Plan, found: Appliance | None) -> Provenance | None:
    """Return the plan's note with what was written: as ``found``, else as it was planned."""
    origin = plan.after.origin
    if origin is None:
        return None
    planned = msgspec.structs.replace(plan.after, origin=None)
    files = {step.image: step.filename for step in plan.disks}
    if found is None or len(found.machines) != len(planned.machines):
        written = msgspec.structs.replace(
            planned,
            files=tuple(File(image, name) for image, name in files.items()),
            images=tuple(
                msgspec.structs.replace(i, file=i.id) for i in planned.images if i.id in files
            ),
        )
        return msgspec.structs.replace(origin, written=written)
    machines = tuple(
        _with_ids(read, made, found, files)
        for read, made in zip(found.machines, planned.machines, strict=True)
    )
    ids = {read.id: made.id for read, made in zip(found.machines, planned.machines, strict=True)}
    written = msgspec.structs.replace(
        found,
        machines=machines,
        start_order=tuple(
            msgspec.structs.replace(i, machine=ids.get(i.machine, i.machine))
            for i in found.start_order
        ),
        configurations=(),
        origin=None,
    )
    return msgspec.structs.replace(origin, written=written)


def _with_ids(read: Machine, made: Machine, found: Appliance, files: dict[str, str]) -> Machine:
    """Return a machine that was read back with the ids of the machine it was made of."""
    by_file = {files.get(d.image, ""): d.id for d in made.disks}
    drives: dict[str, str] = {}
    for disk in read.disks:
        name = disk_file(found, disk.image)
        if name in by_file:
            drives[disk.id] = by_file.pop(name)
    for kind in (Disk, Cdrom, None):
        rest = [d for d in made.drives if _is(d, kind) and d.id not in drives.values()]
        there = [d for d in read.drives if _is(d, kind) and d.id not in drives]
        drives |= _in_order(there, rest, lambda d: _place(read, d), lambda d: _place(made, d))
    nics = _in_order(read.nics, made.nics)
    return msgspec.structs.replace(
        read,
        id=made.id,
        drives=tuple(_renamed(d, drives) for d in read.drives),
        nics=tuple(_renamed(n, nics) for n in read.nics),
        extras=tuple(map(_without_environment, read.extras)),
        hardware_sections=(),
        ranges=(),
    )


def _is(drive: Drive, kind: type[Disk | Cdrom] | None) -> bool:
    return isinstance(drive, kind) if kind else not isinstance(drive, Disk | Cdrom)


def _in_order(
    read: Sequence[Any],
    made: Sequence[Any],
    read_key: Callable[[Any], Any] = lambda _: 0,
    made_key: Callable[[Any], Any] = lambda _: 0,
) -> dict[str, str]:
    pairs = zip(sorted(read, key=read_key), sorted(made, key=made_key), strict=False)
    return {one.id: other.id for one, other in pairs}


def _place(machine: Machine, drive: Drive) -> tuple[str, int, int]:
    controller = machine.controller(drive.controller)
    return (controller.bus.value, controller.index, drive.unit) if controller else ("", 0, 0)


def _renamed(device: Any, ids: dict[str, str]) -> Any:
    return msgspec.structs.replace(device, id=ids.get(device.id, f"read:{device.id}"))


def _without_environment(extra: Extra) -> Extra:
    hidden = extra.where.lower().startswith(_ENVIRONMENT)
    return msgspec.structs.replace(extra, text="") if hidden else extra
