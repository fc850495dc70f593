"""Where drives go that the descriptor does not place, or places where another one is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import msgspec

from kensho.appliances.ovf.elements import Notes
from kensho.appliances.ovf.items import Item
from kensho.appliances.ovf.quantities import to_int
from kensho.model.appliance import DiskImage
from kensho.model.finding import Severity
from kensho.model.machine import Bus, Controller, ControllerModel

MOST_UNITS = 1024  #: addresses beyond are no addresses
_XEN_DEVICE = re.compile(r"\bdevice\s*=\s*(\d{1,4})\b")
_NIL = re.compile(r"[0-]*")
_UNITS = {Bus.IDE: 2, Bus.SATA: 30, Bus.NVME: 15, Bus.SCSI: 16, Bus.FLOPPY: 2}
_SCSI_HOST_ID = 7  #: the controller's own address on a parallel bus
_ADDED = "sata-added"
#: oVirt's disk-interface.
_INTERFACES = {
    "ide": ControllerModel.IDE,
    "sata": ControllerModel.AHCI,
    "virtio": ControllerModel.VIRTIO_BLK,
    "virtio_scsi": ControllerModel.VIRTIO_SCSI,
}


class ImageInfo(msgspec.Struct, frozen=True):
    """What DiskSection says of a disk beside the `DiskImage`."""

    bootable: bool = False
    interface: str = ""  #: oVirt's disk-interface


class Content(msgspec.Struct, frozen=True):
    """What drives may refer to: disk images, what else is said of them, ids of files by href."""

    images: Mapping[str, DiskImage]
    infos: Mapping[str, ImageInfo]
    files: Mapping[str, str]
    xen: bool = False


class Places:
    """Which units of which controllers are taken while drives are being placed."""

    def __init__(self, controllers: Sequence[Controller], notes: Notes) -> None:
        self._controllers = {c.id: c for c in controllers}
        self._taken: dict[str, set[int]] = {}
        self._notes = notes

    def controllers(self) -> tuple[Controller, ...]:
        """Return all controllers, those added for drives without one last."""
        return tuple(self._controllers.values())

    def is_stated(self, item: Item) -> bool:
        """Tell whether the item names a controller and a unit."""
        return item.parent in self._controllers and to_int(item.address_on_parent) is not None

    def take(
        self, item: Item, content: Content, *, cdrom: bool, image: str = ""
    ) -> tuple[str, int]:
        """Return the controller and unit for a drive: as stated, else the best free ones."""
        controller = self._controllers.get(item.parent)
        stated = to_int(item.address_on_parent)
        if controller is None:
            controller, stated = self._without_parent(item, content, cdrom=cdrom, image=image)
        unit = stated if stated is not None and 0 <= stated < MOST_UNITS else None
        if unit is None or unit in self._taken.get(controller.id, set()):
            free = self._free_unit(controller)
            if item.parent in self._controllers:
                why = "no usable address" if unit is None else f"the taken address {unit}"
                self._notes.add(
                    "KF-115",
                    Severity.WARNING if unit is None else Severity.ERROR,
                    f"drive {item.id} has {why} on controller {controller.id}",
                    subject=item.id,
                    action=f"placed at {free}",
                )
            unit = free
        self._taken.setdefault(controller.id, set()).add(unit)
        return controller.id, unit

    def _without_parent(
        self, item: Item, content: Content, *, cdrom: bool, image: str
    ) -> tuple[Controller, int | None]:
        if content.xen and item.parent in {"", "0"}:
            device = _XEN_DEVICE.search(",".join(item.connections))
            stated = int(device[1]) if device else to_int(item.address_on_parent)
            return self._one_of(ControllerModel.XEN_VBD, "xen"), stated
        info = content.infos.get(image)
        model = _INTERFACES.get(info.interface.lower()) if info else None
        if model is not None:
            return self._one_of(model, model.value), None
        controller = self._best(cdrom=cdrom)
        what = f"the unknown parent {item.parent}" if not _is_nil(item.parent) else "no parent"
        self._notes.add(
            "KF-114",
            Severity.WARNING if what == "no parent" else Severity.ERROR,
            f"drive {item.id} has {what}",
            subject=item.id,
            action=f"placed on controller {controller.id} ({controller.model.value})",
        )
        return controller, None

    def _best(self, *, cdrom: bool) -> Controller:
        preferred = (Bus.IDE, Bus.SATA, Bus.SCSI) if cdrom else (Bus.SCSI, Bus.SATA, Bus.IDE)
        for bus in preferred if cdrom else (*preferred, Bus.NVME):
            for controller in self._controllers.values():
                is_full = self._free_unit(controller) >= _UNITS.get(bus, MOST_UNITS)
                if controller.bus is bus and not is_full:
                    return controller
        return self._one_of(ControllerModel.AHCI, _ADDED)

    def _one_of(self, model: ControllerModel, wanted_id: str) -> Controller:
        for controller in self._controllers.values():
            if controller.model is model:
                return controller
        while wanted_id in self._controllers:
            wanted_id += "-"
        bus = Controller(wanted_id, model).bus
        index = sum(c.bus is bus for c in self._controllers.values())
        self._controllers[wanted_id] = Controller(wanted_id, model, index)
        return self._controllers[wanted_id]

    def _free_unit(self, controller: Controller) -> int:
        taken = self._taken.get(controller.id, set())
        unit = 0
        while unit in taken or (controller.bus is Bus.SCSI and unit == _SCSI_HOST_ID):
            unit += 1
        return unit


def _is_nil(parent: str) -> bool:
    return _NIL.fullmatch(parent) is not None  # empty, 0, or oVirt's nil GUID
