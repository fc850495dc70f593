"""The drives and adapters of a machine in an XVA: VBD with its VDI, VIF with its network."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from kensho.appliances.mac import normal_mac
from kensho.appliances.ovf.elements import Notes
from kensho.appliances.xva.blocks import MAX_SIZE
from kensho.appliances.xva.kept import DIALECT, kept_of
from kensho.appliances.xva.objects import NULL, Objects, Row
from kensho.model.appliance import DiskImage, File, Network
from kensho.model.errors import CorruptError
from kensho.model.finding import Severity
from kensho.model.machine import (
    Cdrom,
    Controller,
    ControllerModel,
    Disk,
    Drive,
    Extra,
    Floppy,
    Nic,
    NicModel,
)

_CONTROLLER = "xen"
_MOST_UNITS = 4096
_DEVICE = re.compile(r"(?:xvd|hd|sd)([a-z]{1,2})")
Images = dict[str, tuple[DiskImage, File]]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a disk's content is: a name for the model and the format, empty to look at it."""

    href: str
    format: str


Locate = Callable[[Row], Place]


def read_drives(
    vbds: Sequence[Row],
    objects: Objects,
    order: str,
    notes: Notes,
    images: Images,
    locate: Locate,
) -> tuple[tuple[Controller, ...], tuple[Drive, ...], list[Extra]]:
    """Return the controller, the drives by their number, and what is kept of their records.

    ``order`` is the boot order, of c, d and n; images that drives use are added to ``images``.
    """
    drives: list[Drive] = []
    kept: list[Extra] = []
    taken: set[int] = set()
    for vbd in sorted(vbds, key=_unit):
        unit = _free(_unit(vbd), taken, vbd, notes)
        drive_id = f"vbd{unit}"
        kind = vbd.text("type").lower()
        vdi = objects.get("vdi", {}).get(vbd.text("VDI"))
        if kind == "floppy":
            drives.append(Floppy(drive_id))
            continue
        rank = _rank(order, "d" if kind == "cd" else "c")
        kept.extend(kept_of("VBD", vbd, str(unit), notes))
        if kind == "cd":
            drives.append(Cdrom(drive_id, _CONTROLLER, unit, boot_order=_once(drives, rank, Cdrom)))
            continue
        if vdi is None:
            missing = vbd.text("VDI") or NULL
            notes.add(
                "KF-116",
                Severity.ERROR,
                f"drive {unit} refers to {missing!r}, which is not in the export",
                subject=drive_id,
                action="left out",
            )
            taken.discard(unit)
            continue
        image = _image(vdi, notes, images, locate)
        kept.extend(kept_of("VDI", vdi, str(unit), notes))
        drives.append(
            Disk(
                drive_id,
                image,
                _CONTROLLER,
                unit,
                boot_order=_once(drives, rank, Disk),
                name=vdi.text("name_label"),
                read_only=vbd.text("mode").upper() == "RO",
                shared=vdi.flag("sharable"),
            )
        )
    drives = _bootable_first(drives, vbds)
    used = any(not isinstance(drive, Floppy) for drive in drives)
    controllers = (Controller(_CONTROLLER, ControllerModel.XEN_VBD),) if used else ()
    return controllers, tuple(drives), kept


def _bootable_first(drives: list[Drive], vbds: Sequence[Row]) -> list[Drive]:
    """Return the drives with the place in the boot order on the bootable disk, not the first."""
    marked = {_unit(vbd) for vbd in vbds if vbd.flag("bootable") and vbd.text("type") != "CD"}
    disks = [drive for drive in drives if isinstance(drive, Disk)]
    if len(marked) != 1 or not disks:
        return drives
    rank = next((disk.boot_order for disk in disks if disk.boot_order), None)
    unit = marked.pop()
    if disks[0].unit == unit or all(disk.unit != unit for disk in disks):
        return drives
    return [
        msgspec.structs.replace(d, boot_order=(rank or 1) if d.unit == unit else None)
        if isinstance(d, Disk)
        else d
        for d in drives
    ]


def _unit(vbd: Row) -> int:
    """Return a drive's number: its userdevice as a number or as a name such as ``xvdb``."""
    text = vbd.text("userdevice") or vbd.text("device")
    number = int(text) if re.fullmatch(r"[0-9]{1,4}", text, re.ASCII) else _MOST_UNITS
    if match := _DEVICE.fullmatch(text):
        number = -1
        for letter in match[1]:
            number = (number + 1) * 26 + ord(letter) - ord("a")
    return min(number, _MOST_UNITS)


def _free(unit: int, taken: set[int], vbd: Row, notes: Notes) -> int:
    if unit < _MOST_UNITS and unit not in taken:
        taken.add(unit)
        return unit
    free = next(n for n in range(_MOST_UNITS * 2) if n not in taken)
    taken.add(free)
    notes.add(
        "KF-115",
        Severity.WARNING,
        f"a drive has the place {vbd.text('userdevice')[:60]!r}, which is none or taken",
        subject=vbd.ref,
        action=f"it gets {free}",
    )
    return free


def _rank(order: str, letter: str) -> int | None:
    place = order.lower().find(letter)
    return None if place < 0 else place + 1


def _once(drives: Sequence[Drive], rank: int | None, kind: type[Disk | Cdrom]) -> int | None:
    """Return the rank for the first drive of its kind, None for the others."""
    return None if any(isinstance(drive, kind) for drive in drives) else rank


def _image(vdi: Row, notes: Notes, images: Images, locate: Locate) -> str:
    if vdi.ref not in images:
        size = vdi.number("virtual_size", MAX_SIZE)
        if not size:
            raise CorruptError(
                f"{vdi.text('virtual_size')[:60]!r} is no size of a disk",
                path=notes.path,
                field="virtual_size",
            )
        place = locate(vdi)
        image = DiskImage(vdi.ref, vdi.ref, size, place.format)
        images[vdi.ref] = (image, File(vdi.ref, place.href))
    return vdi.ref


def read_nics(
    vifs: Sequence[Row],
    objects: Objects,
    order: str,
    notes: Notes,
    networks: dict[str, Network],
) -> tuple[tuple[Nic, ...], list[Extra]]:
    """Return the adapters by their number, and what is kept of their records and networks."""
    nics: list[Nic] = []
    kept: list[Extra] = []
    for vif in sorted(vifs, key=lambda row: row.number("device", 999) or 0):
        device = vif.text("device")
        number = device if device.isascii() and device.isdigit() else str(len(nics))
        if any(nic.id == f"vif{number}" for nic in nics):
            number = f"{number}-{len(nics)}"
        network = objects.get("network", {}).get(vif.text("network"))
        name = "" if network is None else network.text("name_label") or network.text("bridge")
        if network is not None and name:
            networks.setdefault(name, Network(name, network.text("name_description")))
            if bridge := network.text("bridge"):
                kept.append(Extra(DIALECT, f"network/bridge/{name}", bridge))
        stated = vif.text("MAC")
        mac = normal_mac(stated)
        if stated and mac is None:
            notes.add(
                "KF-127",
                Severity.WARNING,
                f"the adapter's address {stated[:60]!r} is no MAC address",
                subject=f"vif{number}",
                action="ignored",
            )
        nics.append(
            Nic(
                f"vif{number}",
                NicModel.XEN,
                network=name,
                mac=mac,
                connected=vif.text("locking_mode") != "disabled",
                boot_order=None if nics else _rank(order, "n"),
            )
        )
        kept.extend(kept_of("VIF", vif, number, notes))
    return tuple(nics), list(dict.fromkeys(kept))
