"""Storage controllers of VirtualBox and what is attached to them, as they are written.

Source: VirtualBox-settings.xsd (see ``drives.py``). The neutral model has an IDE controller for
each channel, VirtualBox one with two.
"""

from __future__ import annotations

from collections.abc import Mapping

from lxml import etree

from kensho.appliances.mapped import controller_of, not_supported, placed_disk
from kensho.appliances.package import PlacedDisk
from kensho.appliances.virtualbox.write_devices import add, braced, flag
from kensho.appliances.virtualbox.write_media import image_uuid, medium_uuid
from kensho.model.appliance import Appliance
from kensho.model.machine import Bus, Cdrom, ControllerModel, Disk, Drive, Floppy, Machine
from kensho.platforms.virtualbox import VBOX
from kensho.platforms.words import controller_word

#: Ports that a controller always has, by its type; of the others as many as are used.
_FIXED_PORTS = {"LsiLogic": 16, "BusLogic": 16, "PIIX4": 2, "PIIX3": 2, "ICH6": 2, "I82078": 1}
_TITLES = {Bus.IDE: "IDE", Bus.SATA: "SATA", Bus.SCSI: "SCSI", Bus.NVME: "NVMe"}


def add_storage(
    parent: etree._Element,
    appliance: Appliance,
    machine: Machine,
    disks: Mapping[str, PlacedDisk],
) -> None:
    """Add StorageControllers; UnsupportedError for a controller VirtualBox does not have."""
    stored = add(parent, "StorageControllers")
    places: dict[tuple[str, int], list[tuple[int, int, Drive]]] = {}
    for drive in machine.drives:
        if isinstance(drive, Floppy):
            places.setdefault(("I82078", 0), []).append((0, drive.unit, drive))
            continue
        controller = controller_of(machine, drive)
        word = controller_word(VBOX.controllers, controller.model)
        if word is None or controller.model is ControllerModel.FLOPPY:
            raise not_supported("VirtualBox", drive, controller.model.value)
        if controller.bus is Bus.IDE:
            key, port, unit = (word, 0), controller.index, drive.unit
        else:
            key, port, unit = (word, controller.index), drive.unit, 0
        places.setdefault(key, []).append((port, unit, drive))
    names: dict[str, int] = {}
    for (word, _index), attached in places.items():
        ports = max(port for port, _, _ in attached) + 1
        element = add(
            stored,
            "StorageController",
            name=_title(word, machine, attached, names),
            type=word,
            PortCount=str(_FIXED_PORTS.get(word, ports)),
            useHostIOCache=flag(word in {"PIIX4", "PIIX3", "ICH6", "I82078"}),
            Bootable="true",
        )
        for port, unit, drive in sorted(attached, key=lambda place: place[:2]):
            _attach(element, port, unit, drive, appliance, disks)


def _title(
    word: str, machine: Machine, attached: list[tuple[int, int, Drive]], names: dict[str, int]
) -> str:
    controller = machine.controller(attached[0][2].controller)
    title = "Floppy" if controller is None else _TITLES.get(controller.bus, word)
    names[title] = names.get(title, 0) + 1
    return title if names[title] == 1 else f"{title} {names[title]}"


def _attach(
    controller: etree._Element,
    port: int,
    unit: int,
    drive: Drive,
    appliance: Appliance,
    disks: Mapping[str, PlacedDisk],
) -> None:
    kind = {Disk: "HardDisk", Cdrom: "DVD", Floppy: "Floppy"}[type(drive)]
    element = add(controller, "AttachedDevice", type=kind)
    if isinstance(drive, Disk):
        element.set("hotpluggable", "false")
        if drive.solid_state:
            element.set("nonrotational", "true")
    element.set("port", str(port))
    element.set("device", str(unit))
    if isinstance(drive, Disk):
        add(element, "Image", uuid=braced(medium_uuid(placed_disk(drive, disks))))
    elif (file := appliance.file(drive.file)) is not None:
        add(element, "Image", uuid=braced(image_uuid(file.href)))
