"""The disks, CD and floppy drives of a libvirt domain, and the controllers they are on.

Source: https://libvirt.org/formatdomain.html#hard-drives-floppy-disks-cdroms and, for a disk
without an address, virDomainDiskDefAssignAddress of libvirt 9.0. A channel of an IDE controller is
a controller of its own in the model, and so is every virtio or Xen disk.
"""

from __future__ import annotations

import re

import msgspec
from lxml import etree

from kensho.appliances.libvirt import words
from kensho.appliances.libvirt.notes import Notes, text_of, value
from kensho.appliances.libvirt.sources import Storage, image_of, medium_of
from kensho.appliances.limits import check_drives
from kensho.appliances.names import unique
from kensho.model.appliance import DiskImage, File
from kensho.model.finding import Severity
from kensho.model.machine import (
    Cdrom,
    Controller,
    ControllerModel,
    Disk,
    Drive,
    Floppy,
)
from kensho.platforms.base import CACHES
from kensho.platforms.kvm import LIBVIRT
from kensho.platforms.words import meaning

_DEVICE = re.compile(r"(xvd|[hsvf]d|nvme)([a-z]{1,4}|\d{1,4}(?=n\d|$))")
_MOST = 1 << 16
_ALONE = frozenset({"virtio"})  #: buses on which every drive is its own device


class Drives(msgspec.Struct, frozen=True):
    """The storage of one machine, and the files it refers to."""

    controllers: tuple[Controller, ...]
    drives: tuple[Drive, ...]
    images: tuple[DiskImage, ...]
    files: tuple[File, ...]


def read_drives(
    devices: etree._Element, kind: str, notes: Notes, ranks: dict[etree._Element, int]
) -> Drives:
    """Read the storage of a domain of type ``kind``; ``ranks`` is the boot order by element."""
    storage = Storage(notes, kind, _models(devices))
    disks = devices.findall("disk")
    check_drives(len(disks), notes.path)
    for element in disks:
        _read_drive(storage, element, ranks.get(element))
    for bus, index in sorted(storage.models):
        # A controller without drives is kept where the model has it; IDE's come with the board.
        if bus == "scsi" or (bus == "sata" and index):
            _controller(storage, bus, index)
    return Drives(
        tuple(storage.controllers.values()),
        tuple(storage.drives),
        tuple(storage.images.values()),
        tuple(storage.files.values()),
    )


def _models(devices: etree._Element) -> dict[tuple[str, int], str]:
    """Return what every controller is said to be, by type and index."""
    models: dict[tuple[str, int], str] = {}
    for element in devices.findall("controller"):
        index = _plain(element.get("index"))
        kind = element.get("type") or ""
        models.setdefault((kind, index or 0), (element.get("model") or "").lower())
    return models


def _plain(text: str | None) -> int | None:
    word = (text or "").strip()
    if not (word.isascii() and word.isdigit() and len(word) <= 5):
        return None
    return int(word) if int(word) <= _MOST else None


def _read_drive(storage: Storage, element: etree._Element, rank: int | None) -> None:
    notes = storage.notes
    device = value(element, "target", "dev")
    kind = element.get("device") or "disk"
    match = _DEVICE.match(device)
    prefix = match[1] if match else ""
    bus = value(element, "target", "bus") or words.BUS_BY_PREFIX.get(prefix, "")
    name = unique(device or kind, storage.names)
    if kind == "lun":
        if storage.kind in words.VMWARE:
            kind = "cdrom"  # libvirt's word for VMware's atapi-cdrom and cdrom-raw
        else:
            notes.note(
                "KF-139",
                Severity.WARNING,
                f"{name} is a LUN that takes the guest's own SCSI commands",
                subject=name,
                action="becomes a plain disk",
            )
    if kind == "floppy":
        bus = "fdc"
    if meaning(LIBVIRT.controllers, f"{bus}:") is None:
        notes.note(
            "KF-149",
            Severity.WARNING,
            f"{name} is a drive on the bus {bus[:40] or 'of no name'}",
            subject=name,
            action="left out of the machine; kept as text",
        )
        notes.keep(element)
        return
    index, unit = _address(storage, element, bus, match)
    if kind == "floppy":
        file = medium_of(storage, element, name)
        storage.drives.append(Floppy(name, unit=unit + 2 * index, file=file))
        return
    if bus == "scsi" and storage.kind in words.VMWARE:
        # libvirt's other way to say the controller's model for VMware's hosts.
        storage.models.setdefault((bus, index), value(element, "driver", "name").lower())
    controller = _controller(storage, bus, index)
    if kind == "cdrom":
        unit = _free(storage, controller, unit, name)
        file = medium_of(storage, element, name)
        host = value(element, "source", "dev")
        storage.drives.append(
            Cdrom(name, controller.id, unit, file, host_device=host, boot_order=rank)
        )
        return
    image = image_of(storage, element, name)
    if image is None:
        notes.keep(element)
        return
    storage.drives.append(
        Disk(
            name,
            image,
            controller.id,
            _free(storage, controller, unit, name),
            boot_order=rank,
            read_only=element.find("readonly") is not None,
            nonpersistent=element.find("transient") is not None,
            shared=element.find("shareable") is not None,
            solid_state=value(element, "target", "rotation_rate") == "1",
            cache=cache if (cache := value(element, "driver", "cache")) in CACHES else "",
            iops=_limit(element, "total_iops_sec"),
            bandwidth=_limit(element, "total_bytes_sec"),
            encrypted=element.find("encryption") is not None
            or element.find("source/encryption") is not None,
        )
    )


def _limit(element: etree._Element, name: str) -> int | None:
    text = text_of(element, f"iotune/{name}")
    return int(text) or None if text.isascii() and text.isdigit() and len(text) < 16 else None


def _address(
    storage: Storage,
    element: etree._Element,
    bus: str,
    match: re.Match[str] | None,
) -> tuple[int, int]:
    """Return the controller's index among those of its bus, and the unit on it."""
    number = _number_of(match[2]) if match else 0
    if bus in _ALONE or bus == "nvme":
        model = meaning(LIBVIRT.controllers, f"{bus}:")
        used = [d for d in storage.drives if _on_bus(storage, d, model)]
        return len(used), 0
    if bus == "xen":
        return 0, number  # one name, one number: xvdc is the third also where there is no second
    address = element.find("address[@type='drive']")
    if address is None:
        wide = bus == "scsi" and storage.kind in words.VMWARE
        index, unit = divmod(number, words.WIDE_SCSI if wide else words.PER_CONTROLLER[bus])
        if wide:
            unit += unit >= words.WIDE_SCSI_OWN
        return (index * 2 + unit // 2, unit % 2) if bus == "ide" else (index, unit)
    index = _plain(address.get("controller")) or 0
    channel = _plain(address.get("bus")) or 0
    target = _plain(address.get("target")) or 0
    unit = _plain(address.get("unit")) or 0
    if bus == "ide":
        return min(index * 2 + channel, _MOST), unit
    return index, target or unit  # chips with targets have unit 0 on each


def _number_of(letters: str) -> int:
    if letters.isdigit():
        return int(letters)
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("a") + 1
    return number - 1


def _on_bus(storage: Storage, drive: Drive, model: ControllerModel | None) -> bool:
    controller = storage.controllers.get(drive.controller)
    return controller is not None and controller.model is model


def _controller(storage: Storage, bus: str, index: int) -> Controller:
    """Return the controller, which is made on first use."""
    controller_id = f"{bus}{index}"
    if controller_id not in storage.controllers:
        word = storage.models.get((bus, index // 2 if bus == "ide" else index), "")
        model = _model(storage, bus, word)
        storage.controllers[controller_id] = Controller(controller_id, model, index, word)
    return storage.controllers[controller_id]


def _model(storage: Storage, bus: str, word: str) -> ControllerModel:
    if bus == "scsi" and storage.kind in words.VMWARE and word in {"", "auto", "lsilogic"}:
        return ControllerModel.LSILOGIC
    model = meaning(LIBVIRT.controllers, f"{bus}:{word}")
    if model is None and bus != "scsi":
        model = meaning(LIBVIRT.controllers, f"{bus}:")
    return model or ControllerModel.SCSI


def _free(storage: Storage, controller: Controller, unit: int, name: str) -> int:
    """Return the unit, or the next free one when it is taken."""
    chosen = unit
    while (controller.id, chosen) in storage.taken:
        chosen += 1
    if chosen != unit:
        storage.notes.note(
            "KF-115",
            Severity.WARNING,
            f"{name} is on unit {unit} of {controller.id}, where another drive is",
            subject=name,
            action=f"placed on unit {chosen}",
        )
    storage.taken.add((controller.id, chosen))
    return chosen
