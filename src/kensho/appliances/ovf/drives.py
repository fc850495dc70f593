"""Storage controllers and the drives on them: DSP0243 §8.3, §9.1."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import msgspec

from kensho.appliances.ovf import resources
from kensho.appliances.ovf.elements import Notes
from kensho.appliances.ovf.items import Item, Resource
from kensho.appliances.ovf.places import MOST_UNITS, Content, ImageInfo, Places
from kensho.appliances.ovf.quantities import read_capacity, to_int
from kensho.model.appliance import DiskImage
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

DISKS = frozenset(
    {
        Resource.DISK,
        Resource.STORAGE_EXTENT,
        Resource.LOGICAL_DISK,
        Resource.STORAGE_VOLUME,
    }
)
CDROMS = frozenset({Resource.CD, Resource.DVD})
DRIVES = DISKS | CDROMS | {Resource.FLOPPY}

_HOST_RESOURCE = re.compile(r"(?:ovf:)?/{0,2}(disk|file)/(.+)", re.IGNORECASE)


class Storage(msgspec.Struct, frozen=True):
    """Controllers, drives, disk images that only an item describes, and items left out."""

    controllers: tuple[Controller, ...]
    drives: tuple[Drive, ...]
    images: tuple[DiskImage, ...]
    dropped: tuple[str, ...]


def read_storage(items: Sequence[Item], content: Content, notes: Notes) -> Storage:
    """Read controllers and drives; every drive ends on a controller and a unit of its own."""
    controllers = read_controllers(items, notes)
    places = Places(controllers, notes)
    images: list[DiskImage] = []
    dropped: list[str] = []
    wanted = [item for item in items if item.type in DRIVES]
    # Drives whose place is stated go first, so that the others do not take it.
    order = sorted(range(len(wanted)), key=lambda n: not places.is_stated(wanted[n]))
    read: dict[int, Drive] = {}
    for number in order:
        item = wanted[number]
        if item.type == Resource.FLOPPY:
            read[number] = _floppy(item, content, places)
        elif item.type in CDROMS:
            controller, unit = places.take(item, content, cdrom=True)
            file, host = _medium(item, content, notes)
            boot = _boot_order(item)
            read[number] = Cdrom(item.id, controller, unit, file, host, boot, item.name)
        else:
            image = _disk_image(item, content, notes)
            if image is None:
                dropped.append(item.id)
                continue
            if image.id not in content.images:
                images.append(image)
            controller, unit = places.take(item, content, cdrom=False, image=image.id)
            read[number] = Disk(
                item.id,
                image.id,
                controller,
                unit,
                boot_order=_boot_order(item),
                name=item.name,
                read_only=item.value("isreadonly").lower() == "true",
                required=item.required,
                cache="writethrough"
                if item.value("backing.writethrough").lower() == "true"
                else "",
            )
    drives = [read[number] for number in sorted(read)]
    kept = tuple(_with_boot_disks(drives, content.infos))
    return Storage(places.controllers(), kept, tuple(images), tuple(dropped))


def read_controllers(items: Sequence[Item], notes: Notes) -> tuple[Controller, ...]:
    """Read the controllers; ``index`` is the address where that is a number not taken yet."""
    found: list[Controller] = []
    taken: set[tuple[Bus, int]] = set()
    for item in items:
        model = controller_model(item)
        if model is None:
            continue
        words = resources.alternatives(item.subtype)
        if len(words) > 1:
            notes.add(
                "KF-122",
                Severity.NOTE,
                f"controller {item.id} may be {item.subtype}",
                subject=item.id,
                action=f"read as {model.value}",
            )
        bus = Controller(item.id, model).bus
        stated = to_int(item.address)
        if stated is None:
            stated = to_int(item.bus_number)
        index = stated if stated is not None and 0 <= stated < MOST_UNITS else 0
        while (bus, index) in taken:
            index += 1
        taken.add((bus, index))
        slot = to_int(item.value("slotinfo.pcislotnumber"))
        found.append(Controller(item.id, model, index, item.subtype, slot))
    return tuple(found)


def controller_model(item: Item) -> ControllerModel | None:
    """Return the controller an item is, None when it is something else."""
    match item.type:
        case Resource.IDE:
            return resources.lookup(resources.IDE, item.subtype) or ControllerModel.IDE
        case Resource.SCSI:
            return resources.lookup(resources.SCSI, item.subtype) or ControllerModel.SCSI
        case Resource.OTHER_STORAGE:
            if item.value("type") and item.value("type") != "controller":
                return None  # oVirt's graphics card
            known = resources.lookup(resources.STORAGE, item.subtype)
            words = f"{item.subtype} {item.name} {item.description}".lower()
            if known is None and "nvdimm" not in words:
                if "nvme" in words:
                    return ControllerModel.NVME
                if "sata" in words or "ahci" in words:
                    return ControllerModel.AHCI
            return known
        case _:
            return None


def _floppy(item: Item, content: Content, places: Places) -> Floppy:
    file, _ = _medium(item, content, None)
    if places.is_stated(item):
        controller, unit = places.take(item, content, cdrom=False)
        return Floppy(item.id, controller, unit, file, item.name)
    return Floppy(item.id, "", to_int(item.address_on_parent) or 0, file, item.name)


def _host_resource(item: Item) -> tuple[str, str]:
    """Return (``disk`` or ``file``, id), or (empty, the vendor's text)."""
    for host in item.hosts:
        match = _HOST_RESOURCE.fullmatch(host)
        if match:
            return match[1].lower(), match[2]
    return "", item.hosts[0] if item.hosts else ""


def _medium(item: Item, content: Content, notes: Notes | None) -> tuple[str | None, str]:
    """Return (file id of the inserted medium, host device)."""
    kind, target = _host_resource(item)
    if kind == "disk" and target in content.images:
        return content.images[target].file, ""
    if kind == "file":
        known = content.files.get(target)
        if known is not None:
            return known, ""
    if kind and notes is not None:
        _dangling(item, target, "the drive is kept empty", notes)
        return None, ""
    return None, target if not kind else ""


def _disk_image(item: Item, content: Content, notes: Notes) -> DiskImage | None:
    """Return the image a disk holds; None, and a finding, when it refers to nothing."""
    kind, target = _host_resource(item)
    if kind == "disk" and target in content.images:
        return content.images[target]
    if kind == "file" and target in content.files:
        return DiskImage(f"file-{target}", file=content.files[target])
    if not kind:
        found = _by_ovirt_path(item, target, content)
        if found is not None:
            return found
        size = read_capacity(item.quantity, item.units, {}, item.id, notes) if item.units else None
        if size:
            return DiskImage(f"new-{item.id}", capacity=size)
    _dangling(item, target, "left out of the machine, kept as text", notes)
    return None


def _by_ovirt_path(item: Item, target: str, content: Content) -> DiskImage | None:
    """Find oVirt's disk: InstanceId is the diskId, HostResource the file's href."""
    if item.id in content.images:
        return content.images[item.id]
    file = content.files.get(target) if target else None
    return next((i for i in content.images.values() if file and i.file == file), None)


def _dangling(item: Item, target: str, action: str, notes: Notes) -> None:
    what = f"refers to {target!r}, which is not in the package" if target else "refers to nothing"
    severity = Severity.ERROR if item.required else Severity.NOTE
    action = action if item.required else f"{action}; the package does not require it"
    notes.add("KF-116", severity, f"drive {item.id} {what}", subject=item.id, action=action)


def _boot_order(item: Item) -> int | None:
    order = to_int(item.value("bootorder"))  # oVirt; 0 means none
    if order is not None and order > 0:
        return order
    return 1 if item.value("boot").lower() == "true" else None  # IBM


def _with_boot_disks(drives: Sequence[Drive], infos: Mapping[str, ImageInfo]) -> Sequence[Drive]:
    """Give a boot order to the disks that DiskSection calls bootable, unless an item gave an order."""
    if any(isinstance(d, Disk) and d.boot_order is not None for d in drives):
        return drives
    number = 0
    result: list[Drive] = []
    for drive in drives:
        info = infos.get(drive.image) if isinstance(drive, Disk) else None
        if isinstance(drive, Disk) and info is not None and info.bootable:
            number += 1
            result.append(msgspec.structs.replace(drive, boot_order=number))
        else:
            result.append(drive)
    return result


def with_boot_order(drives: Sequence[Drive], first: Sequence[str]) -> tuple[Drive, ...]:
    """Return the drives with the boot order that the ids in ``first`` give, if any is there."""
    ranks = {drive_id: number for number, drive_id in enumerate(first, 1)}
    if not any(drive.id in ranks for drive in drives):
        return tuple(drives)
    return tuple(
        drive
        if isinstance(drive, Floppy)
        else msgspec.structs.replace(drive, boot_order=ranks.get(drive.id))
        for drive in drives
    )
