"""IDE and SCSI controllers of a machine of Hyper-V, their drives and what is in them.

Sources: as in ``words``. The IDE device has two controllers of two drives; each SCSI controller is a
device of its own whose drives are below ``controller0``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import msgspec

from kensho.appliances.hyperv import words
from kensho.appliances.hyperv.devices import Device
from kensho.appliances.hyperv.tree import Place
from kensho.appliances.ovf.elements import Notes
from kensho.model.appliance import DiskImage, File
from kensho.model.finding import Severity
from kensho.model.machine import Cdrom, Controller, ControllerModel, Disk, Drive, Floppy

_NUMBER = re.compile(r"(controller|drive)([0-9]{1,3})", re.IGNORECASE)
_MOST_UNITS = 64
#: A path that is no file: ``\\.\CDROM0``, and the names WMI has for drives of the host.
_HOST_DRIVE = re.compile(r"^\\\\[.?]\\|:Msvm_|^PHYSICALDRIVE", re.IGNORECASE)

#: Looks up a path of the host: returns the name to use, whether it is there, how many others fit.
Locate = Callable[[str], tuple[str, bool, int]]


@dataclass(slots=True)
class Media:
    """The files that drives refer to, listed once each."""

    locate: Locate
    notes: Notes
    files: dict[str, File] = field(default_factory=dict)  #: by path
    images: dict[str, DiskImage] = field(default_factory=dict)  #: by path

    def file(self, path: str, drive: str) -> str:
        """Return the id of the file that a path of the host means here."""
        if path not in self.files:
            name, there, others = self.locate(path)
            if others:
                self.notes.add(
                    "KF-473",
                    Severity.WARNING,
                    f"several files here could be {path}",
                    subject=drive,
                    action=f"{name} is taken",
                )
            elif not there:
                self.notes.add(
                    "KF-473",
                    Severity.NOTE,
                    f"{path} is a place on the host",
                    subject=drive,
                    action=f"looked for as {name} here, where it is not",
                )
            self.files[path] = File(f"file{len(self.files) + 1}", name)
        return self.files[path].id

    def disk(self, path: str, drive: str) -> str:
        """Return the id of the image of a virtual hard disk."""
        if path not in self.images:
            file = self.file(path, drive)
            suffix = path.rpartition(".")[2].lower()
            self.images[path] = DiskImage(f"disk-{file}", file, format=suffix)
        return self.images[path].id


def read_drives(
    devices: Iterable[Device], media: Media, order: dict[str, int], notes: Notes
) -> tuple[tuple[Controller, ...], tuple[Drive, ...]]:
    """Return controllers and drives; ``order`` is generation 1's boot order by kind."""
    controllers: list[Controller] = []
    drives: list[Drive] = []
    scsi = 0
    for device in devices:
        place = device.settings
        if device.type == words.IDE:
            found = [Controller(f"ide{n}", ControllerModel.IDE, n) for n in range(2)]
            controllers += found
            for number, channel in _numbered(place):
                if number < 2:
                    drives += _drives(channel, found[number], media, notes)
        elif device.type == words.SCSI:
            controller = Controller(f"scsi{scsi}", ControllerModel.HYPERV_SCSI, scsi)
            scsi += 1
            controllers.append(controller)
            for number, channel in _numbered(place):
                if number == 0:
                    drives += _drives(channel, controller, media, notes)
        elif device.type == words.FLOPPY:
            drives += _floppies(place, media)
    return tuple(controllers), tuple(_ordered(drives, order))


def _numbered(place: Place | None) -> list[tuple[int, Place]]:
    """Return the keys called ``controllerN`` or ``driveN``, each number once."""
    found: dict[int, Place] = {}
    for child in () if place is None else place.below():
        match = _NUMBER.fullmatch(child.key.name)
        if match is not None:
            found.setdefault(int(match[2]), child)
    return sorted(found.items())


def _drives(channel: Place, controller: Controller, media: Media, notes: Notes) -> list[Drive]:
    drives: list[Drive] = []
    for unit, place in _numbered(channel):
        kind = place.text("type").upper()
        path = place.text("pathname")
        drive = f"{controller.id}:{unit}"
        if kind in words.EMPTY or unit >= _MOST_UNITS:
            continue
        if kind == words.OPTICAL:
            drives.append(_cdrom(drive, controller, unit, path, media))
        elif kind == words.DISK and path:
            drives.append(_disk(drive, controller, unit, place, media, notes))
        elif kind == words.PHYSICAL or not path:
            _note_left_out(drive, kind, path, notes)
        else:
            notes.add(
                "KF-474",
                Severity.WARNING,
                f"{drive} is a {kind!r}",
                subject=drive,
                action="left out of the machine",
            )
    return drives


def _cdrom(drive: str, controller: Controller, unit: int, path: str, media: Media) -> Cdrom:
    if _HOST_DRIVE.search(path):
        return Cdrom(drive, controller.id, unit, host_device=path)
    return Cdrom(drive, controller.id, unit, media.file(path, drive) if path else None)


def _disk(
    drive: str, controller: Controller, unit: int, place: Place, media: Media, notes: Notes
) -> Disk:
    path = place.text("pathname")
    is_set = path.lower().endswith((".vhds", ".vhdset"))
    shared = is_set or place.flag("persistent_reservations_supported")
    if shared:
        notes.add(
            "KF-474",
            Severity.WARNING,
            f"{drive} is shared with other machines, for a cluster in the guests",
            subject=drive,
            action="a VHD set cannot be read: make a copy of its disk with Convert-VHD"
            if is_set
            else "read as this machine's own; take it over for one of them only",
        )
    image = media.disk(path, drive)
    return Disk(drive, image, controller.id, unit, shared=shared, read_only=place.flag("read_only"))


def _note_left_out(drive: str, kind: str, path: str, notes: Notes) -> None:
    physical = kind == words.PHYSICAL
    notes.add(
        "KF-474",
        Severity.WARNING,
        f"{drive} is a disk of the host itself{f', {path}' if path else ''}"
        if physical
        else f"{drive} is a drive without a file",
        subject=drive,
        action="left out; convert the disk on its own: kensho disk convert"
        if physical
        else "left out of the machine",
    )


def _floppies(place: Place | None, media: Media) -> list[Drive]:
    """Return drives with something in them: an empty one is in each generation 1 machine."""
    found: list[Drive] = []
    for number, channel in _numbered(place):
        for unit, drive in _numbered(channel):
            drive.text("type")
            path = drive.text("pathname")
            if number == 0 and path:
                found.append(Floppy(f"floppy{unit}", unit=unit, file=media.file(path, "floppy")))
    return found


def _ordered(drives: list[Drive], order: dict[str, int]) -> Iterable[Drive]:
    """Yield the drives, the first disk and the first DVD drive with their place in the order."""
    first = {
        kind: next((d.id for d in drives if isinstance(d, kind)), None) for kind in (Disk, Cdrom)
    }
    for drive in drives:
        if isinstance(drive, Disk) and drive.id == first[Disk]:
            yield msgspec.structs.replace(drive, boot_order=order.get("disk"))
        elif isinstance(drive, Cdrom) and drive.id == first[Cdrom]:
            yield msgspec.structs.replace(drive, boot_order=order.get("cdrom"))
        else:
            yield drive
