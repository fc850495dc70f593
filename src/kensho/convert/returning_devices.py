"""Devices of a machine that comes back: which is which, and where each belongs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from kensho.appliances.names import unique
from kensho.model.machine import Cdrom, Controller, Disk, Drive, Machine, Nic

T = TypeVar("T")
S = TypeVar("S", bound=msgspec.Struct)

_KEPT_OF_DRIVES = frozenset({"id", "image", "controller", "unit", "file"})
_KEPT_OF_NICS = frozenset({"id", "target_network"})


@dataclass(slots=True)
class Log:
    """What came back from the source, and what was changed on the way, in words."""

    back: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Drives:
    """Drives as they are and merged, both with the source's ids, and their controllers."""

    now: tuple[Drive, ...]
    now_controllers: tuple[Controller, ...]
    merged: tuple[Drive, ...]
    controllers: tuple[Controller, ...]


@dataclass(frozen=True, slots=True)
class Nics:
    """Adapters as they are and merged, both with the source's ids."""

    now: tuple[Nic, ...]
    merged: tuple[Nic, ...]


def three_way(now: T, written: T, source: T) -> T:
    """Return the source's word where nobody changed what was written, else what is now."""
    return source if now == written else now


def merged(now: S, written: S, source: S, fields: Sequence[str], where: str, log: Log) -> S:
    """Return ``now`` with those ``fields`` of the source that nobody changed since."""
    values: dict[str, Any] = {}
    for name in fields:
        here, was, first = (getattr(one, name) for one in (now, written, source))
        values[name] = three_way(here, was, first)
        if here != was and here != first:
            log.changed.append(f"{where}{name}")
        elif values[name] != here:
            log.back.append(f"{where}{name}")
    return msgspec.structs.replace(now, **values)


def merge_nics(
    now: tuple[Nic, ...], written: tuple[Nic, ...], source: tuple[Nic, ...], where: str, log: Log
) -> Nics:
    """Pair adapters by address, then by place, and merge each with its source."""
    pairs = _pair_nics(now, written)
    by_old = {old: nic for nic, old in pairs.items()}
    here = {nic.id: nic for nic in now}
    old = {nic.id: nic for nic in written}
    result: list[Nic] = []
    for first in source:
        if first.id in by_old:
            nic = here[by_old[first.id]]
            names = tuple(f for f in nic.__struct_fields__ if f not in _KEPT_OF_NICS)
            both = merged(nic, old[first.id], first, names, f"{where}adapter {first.id} ", log)
            result.append(msgspec.structs.replace(both, id=first.id))
        elif first.id in old:
            log.changed.append(f"{where}adapter {first.id} is gone")
        else:  # the way had no place for it
            result.append(first)
            log.back.append(f"{where}adapter {first.id}")
    taken = {nic.id.lower() for nic in result} | {nic.id.lower() for nic in source}
    known = {nic.id for nic in source}
    as_is: list[Nic] = []
    for nic in now:
        if pairs.get(nic.id, "") in known:
            as_is.append(msgspec.structs.replace(nic, id=pairs[nic.id]))
            continue
        added = msgspec.structs.replace(nic, id=unique(nic.id, taken))
        as_is.append(added)
        result.append(added)
        log.changed.append(f"{where}adapter {nic.name or nic.id} is new")
    return Nics(tuple(as_is), tuple(result))


def _pair_nics(now: tuple[Nic, ...], written: tuple[Nic, ...]) -> dict[str, str]:
    """Return the written adapter of each present one, by id."""
    pairs: dict[str, str] = {}
    addresses = {nic.mac: nic.id for nic in written if nic.mac}
    for nic in now:
        if nic.mac in addresses:
            pairs[nic.id] = addresses.pop(nic.mac)
    taken = set(pairs.values())
    rest = [nic for nic in written if nic.id not in taken]
    for nic in now:
        # One with an address of its own in place of one that had another is another adapter,
        # unless nobody gave that one an address.
        if (
            nic.id not in pairs
            and rest
            and not (nic.mac and rest[0].mac and len(now) != len(written))
        ):
            pairs[nic.id] = rest.pop(0).id
    return pairs


def merge_drives(
    now: Machine,
    written: Machine,
    source: Machine,
    files: tuple[Mapping[str, str], Mapping[str, str]],
    where: str,
    log: Log,
) -> Drives:
    """Pair drives by file, then by place; ``files`` are those of the disks now and as written."""
    pairs = pair_drives(now, written, *files)
    by_old = {old: drive for drive, old in pairs.items()}
    here = {d.id: d for d in now.drives}
    old = {d.id: d for d in written.drives}
    room = _Room(source.controllers)
    result: list[Drive] = []
    for first in source.drives:
        if (
            first.id in by_old
            and (drive := here[by_old[first.id]])
            and isinstance(drive, type(first))
        ):
            names = tuple(f for f in drive.__struct_fields__ if f not in _KEPT_OF_DRIVES)
            label = f"{where}drive {first.id} "
            both = merged(drive, old[first.id], first, names, label, log)
            controller, unit = first.controller, first.unit
            if _place(now, drive) != _place(written, old[first.id]):
                controller, unit = room.adopt(now, drive), drive.unit
                log.changed.append(f"{label}place")
            elif _place(now, drive) != _place(source, first):
                log.back.append(f"{label}place")
            result.append(
                msgspec.structs.replace(both, id=first.id, controller=controller, unit=unit)
            )
        elif first.id in old or isinstance(first, Disk):
            log.changed.append(f"{where}drive {first.id} is gone")
        else:  # the way had no place for it
            result.append(msgspec.structs.replace(first, file=None))
            log.back.append(f"{where}drive {first.id}")
    taken = {d.id.lower() for d in result} | {d.id.lower() for d in source.drives}
    known = {d.id for d in source.drives}
    as_is: list[Drive] = []
    for drive in now.drives:
        if pairs.get(drive.id, "") in known:
            as_is.append(msgspec.structs.replace(drive, id=pairs[drive.id]))
            continue
        added = msgspec.structs.replace(drive, id=unique(drive.id, taken))
        as_is.append(added)
        if drive.id in pairs and not isinstance(drive, Disk):
            continue  # kensho's own: the way needed it, the source did not have it
        result.append(msgspec.structs.replace(added, controller=room.adopt(now, drive)))
        log.changed.append(f"{where}drive {drive.name or drive.id} is new")
    return Drives(tuple(as_is), now.controllers, tuple(result), tuple(room.controllers))


def pair_drives(
    now: Machine, written: Machine, now_files: Mapping[str, str], old_files: Mapping[str, str]
) -> dict[str, str]:
    """Return the written drive of each present one, by id: by file, else by kind and place."""
    by_file = {file: drive for drive, file in old_files.items()}
    pairs = {drive: by_file.pop(file) for drive, file in now_files.items() if file in by_file}
    taken = set(pairs.values())
    for kind in (Disk, Cdrom):
        rest = [d for d in written.drives if isinstance(d, kind) and d.id not in taken]
        places = {_place(written, d): d.id for d in rest}
        for drive in now.drives:
            if isinstance(drive, kind) and drive.id not in pairs and _place(now, drive) in places:
                pairs[drive.id] = places.pop(_place(now, drive))
    floppies = [[d.id for d in m.drives if not isinstance(d, Disk | Cdrom)] for m in (now, written)]
    return pairs | dict(zip(*floppies, strict=False))


def _place(machine: Machine, drive: Drive) -> tuple[str, int, int]:
    controller = machine.controller(drive.controller)
    if controller is None:
        return ("", 0, drive.unit)
    return (controller.model.value, controller.index, drive.unit)


class _Room:
    """The source's controllers, and those that a changed or new drive brings along."""

    def __init__(self, controllers: tuple[Controller, ...]) -> None:
        self.controllers = list(controllers)

    def adopt(self, machine: Machine, drive: Drive) -> str:
        """Return the id of the controller that a present drive is on, brought along if need be."""
        wanted = machine.controller(drive.controller)
        if wanted is None:
            return drive.controller
        for controller in self.controllers:
            if (controller.model, controller.index) == (wanted.model, wanted.index):
                return controller.id
        taken = {c.index for c in self.controllers if c.bus is wanted.bus}
        index = next(i for i in range(len(taken) + 1) if i not in taken)
        index = wanted.index if wanted.index not in taken else index
        name = unique(wanted.id, {c.id.lower() for c in self.controllers})
        self.controllers.append(msgspec.structs.replace(wanted, id=name, index=index))
        return name
