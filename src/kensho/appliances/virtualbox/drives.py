"""StorageControllers and what is attached to them, and where older settings had drives.

Source: VirtualBox-settings.xsd (TStorageController, TStorageControllerDevice; deprecated:
THardDiskAttachment, TDVDDrive, TFloppyDrive, TSATAController). An IDE controller has two channels
(``port``) of two drives (``device``); the neutral model has a controller for each channel.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec
from lxml import etree

from kensho.appliances.limits import check_drives
from kensho.appliances.ovf.elements import Notes, attribute, child, children, is_true, local
from kensho.appliances.virtualbox.media import Media, plain_uuid
from kensho.model.finding import Severity
from kensho.model.machine import (
    Bus,
    Cdrom,
    Controller,
    ControllerModel,
    Disk,
    Drive,
    Floppy,
)
from kensho.platforms.virtualbox import VBOX
from kensho.platforms.words import meaning

_MOST_PORTS = 256
_ATTACHED = frozenset({"AttachedDevice", "HardDiskAttachment"})
#: Where VirtualBox's firmware looks for a hard disk first.
_BUS_RANK = (Bus.IDE, Bus.SATA, Bus.SCSI, Bus.NVME)


@dataclass(slots=True)
class _Reading:
    media: Media
    notes: Notes
    controllers: dict[str, Controller] = field(default_factory=dict)
    drives: list[Drive] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)  #: places of drives
    counts: dict[Bus, int] = field(default_factory=dict)

    def controller(self, model: ControllerModel, word: str) -> Controller:
        """Add a controller, the next one of its bus."""
        bus = Controller("", model).bus
        index = self.counts.get(bus, 0)
        self.counts[bus] = index + 1
        found = Controller(f"{bus.value}{index}", model, index, word)
        self.controllers[found.id] = found
        return found


def read_drives(
    state: etree._Element, media: Media, order: dict[str, int], notes: Notes
) -> tuple[tuple[Controller, ...], tuple[Drive, ...]]:
    """Return the storage of a Machine or Snapshot element.

    ``order`` is the boot order by VirtualBox's word for a kind of device, from 1.
    """
    reading = _Reading(media, notes)
    hardware = child(state, "Hardware")
    # Hardware holds them since settings 1.19, the machine itself did before.
    stored = child(hardware, "StorageControllers")
    if stored is None:
        stored = child(state, "StorageControllers")
    places = (stored, child(state, "HardDiskAttachments"))
    found = (e for place in places if place is not None for e in place.iter())
    check_drives(sum(local(e) in _ATTACHED for e in found), notes.path)
    if stored is None:
        _read_old_disks(reading, state, hardware)
    for element in children(stored, "StorageController"):
        _read_controller(reading, element)
    _read_old_drives(reading, hardware)
    controllers = tuple(reading.controllers.values())
    return controllers, tuple(_ordered(reading, order))


def _read_controller(reading: _Reading, element: etree._Element) -> None:
    word = attribute(element, "type")
    name = attribute(element, "name") or word
    model = meaning(VBOX.controllers, word)
    if model is ControllerModel.FLOPPY:
        for device in children(element, "AttachedDevice"):
            _read_floppy(reading, device, _number(device, "device"))
        return
    if model is None:
        model = ControllerModel.AHCI
        kind = "a USB controller" if word.lower() == "usb" else f"of the unknown type {word!r}"
        reading.notes.add(
            "KF-234",
            Severity.WARNING,
            f"the storage controller {name!r} is {kind}",
            subject=name,
            action="its drives are read as on a SATA controller",
        )
    first = reading.controller(model, word)
    channels = {0: first}
    if first.bus is Bus.IDE:
        channels[1] = reading.controller(model, word)
    for device in children(element, "AttachedDevice"):
        port, number = _number(device, "port"), _number(device, "device")
        controller, unit = (channels[min(port, 1)], number) if len(channels) > 1 else (first, port)
        _attach(reading, attribute(device, "type") or "HardDisk", device, controller, unit)


def _attach(
    reading: _Reading, kind: str, device: etree._Element, controller: Controller, unit: int
) -> None:
    drive = f"{controller.id}:{unit}"
    if drive in reading.taken:
        reading.notes.add(
            "KF-115",
            Severity.ERROR,
            f"two drives are at {drive}",
            subject=drive,
            action="the second one is left out",
        )
        return
    reading.taken.add(drive)
    if kind == "DVD":
        host = attribute(child(device, "HostDrive"), "src")
        uuid = _medium(device)
        file = reading.media.image_file(uuid, drive) if uuid else None
        reading.drives.append(Cdrom(drive, controller.id, unit, file, host))
    elif kind == "Floppy":
        _read_floppy(reading, device, unit)
    elif kind == "HardDisk":
        solid_state = is_true(attribute(device, "nonrotational"))
        _attach_disk(reading, _medium(device), controller, unit, solid_state=solid_state)
    else:
        reading.notes.add(
            "KF-234", Severity.WARNING, f"{drive} is a {kind!r}", subject=drive, action="left out"
        )


def _attach_disk(
    reading: _Reading, uuid: str, controller: Controller, unit: int, *, solid_state: bool
) -> None:
    drive = f"{controller.id}:{unit}"
    if not uuid:
        reading.notes.add(
            "KF-116",
            Severity.ERROR,
            f"{drive} is a disk without a medium",
            subject=drive,
            action="left out of the machine",
        )
        return
    image, base = reading.media.disk(uuid, drive)
    reading.drives.append(
        Disk(
            drive,
            image,
            controller.id,
            unit,
            read_only=base.kind == "Readonly",
            independent=base.kind == "Writethrough",
            nonpersistent=base.kind == "Immutable",
            shared=base.kind == "Shareable",
            solid_state=solid_state,
        )
    )


def _read_floppy(reading: _Reading, device: etree._Element, unit: int) -> None:
    name = f"floppy{unit}"
    uuid = _medium(device)
    file = reading.media.image_file(uuid, name) if uuid else None
    reading.drives.append(Floppy(name, unit=unit, file=file))


def _medium(device: etree._Element) -> str:
    return plain_uuid(attribute(child(device, "Image"), "uuid"))


def _read_old_disks(
    reading: _Reading, state: etree._Element, hardware: etree._Element | None
) -> None:
    """Read settings up to 1.6: a fixed IDE controller, and a SATA one when it is used."""
    word = attribute(child(child(hardware, "BIOS"), "IDEController"), "type") or "PIIX3"
    model = meaning(VBOX.controllers, word) or ControllerModel.IDE
    ide = [reading.controller(model, word) for _ in range(2)]
    sata: Controller | None = None
    for element in children(child(state, "HardDiskAttachments"), "HardDiskAttachment"):
        channel, number = _number(element, "channel"), _number(element, "device")
        uuid = plain_uuid(attribute(element, "hardDisk"))
        if attribute(element, "bus").lower() == "sata":
            sata = sata or reading.controller(ControllerModel.AHCI, "AHCI")
            _attach_disk(reading, uuid, sata, channel, solid_state=False)
        else:
            _attach_disk(reading, uuid, ide[min(channel, 1)], number, solid_state=False)


def _read_old_drives(reading: _Reading, hardware: etree._Element | None) -> None:
    """Read settings up to 1.8, whose one DVD drive is always the secondary master."""
    for element in children(hardware, "DVDDrive"):
        channels = [c for c in reading.controllers.values() if c.bus is Bus.IDE][:2]
        while len(channels) < 2:
            channels.append(reading.controller(ControllerModel.PIIX3, "PIIX3"))
        _attach(reading, "DVD", element, channels[1], 0)
    for element in children(hardware, "FloppyDrive"):
        if attribute(element, "enabled").lower() != "false":
            _read_floppy(reading, element, 0)


def _ordered(reading: _Reading, order: dict[str, int]) -> Iterator[Drive]:
    """Yield the drives, the first hard disk and the first DVD drive with their place in boot order."""
    ranked = sorted(reading.drives, key=lambda d: _rank(reading, d))
    first = {
        kind: next((d.id for d in ranked if isinstance(d, kind)), None) for kind in (Disk, Cdrom)
    }
    for drive in reading.drives:
        if isinstance(drive, Disk) and drive.id == first[Disk]:
            yield msgspec.structs.replace(drive, boot_order=order.get("HardDisk"))
        elif isinstance(drive, Cdrom) and drive.id == first[Cdrom]:
            yield msgspec.structs.replace(drive, boot_order=order.get("DVD"))
        else:
            yield drive


def _rank(reading: _Reading, drive: Drive) -> tuple[int, int, int]:
    controller = reading.controllers.get(drive.controller)
    if controller is None:
        return (len(_BUS_RANK), 0, drive.unit)
    return (_BUS_RANK.index(controller.bus), controller.index, drive.unit)


def _number(element: etree._Element, name: str) -> int:
    text = attribute(element, name)
    if not (text.isascii() and text.isdigit() and len(text) < 6):
        return 0
    return min(int(text), _MOST_PORTS)
