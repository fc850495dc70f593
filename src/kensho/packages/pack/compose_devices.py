"""The devices of an ova-compose file as hardware items."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from lxml import etree

from kensho.appliances.ovf.elements import text
from kensho.model.errors import UsageError
from kensho.packages.edit.controllers import free_unit
from kensho.packages.edit.disks import add_image
from kensho.packages.edit.files import add_file
from kensho.packages.edit.items import instance, new_item
from kensho.packages.edit.payload import Payload
from kensho.packages.edit.scope import Scope
from kensho.packages.edit.tree import vendor
from kensho.packages.edit.values import unknown
from kensho.packages.pack.documents import as_struct
from kensho.packages.pack.finish import plain
from kensho.packages.pack.spec import Plain

#: Type → (ResourceType, usual ResourceSubType, description).
TYPES = {
    "cpus": (3, "", "Virtual CPUs"),
    "memory": (4, "", "Virtual Memory"),
    "ide_controller": (5, "", "IDE Controller"),
    "scsi_controller": (6, "VirtualSCSI", "SCSI Controller"),
    "sata_controller": (20, "vmware.sata.ahci", "SATA Controller"),
    "nvme_controller": (20, "vmware.nvme.controller", "NVMe Controller"),
    "ethernet": (10, "VmxNet3", "Ethernet Adapter"),
    "floppy": (14, "", "Floppy Drive"),
    "cd_drive": (15, "vmware.cdrom.remotepassthrough", "CD Drive"),
    "hard_disk": (17, "", "Hard Disk"),
    "usb_controller": (23, "vmware.usb.ehci", "USB Controller"),
    "usb3_controller": (23, "vmware.usb.xhci", "USB 3 Controller"),
    "video_card": (24, "", "Video Card"),
    "vmci": (1, "vmware.vmci", "VMCI"),
}
_CONNECTED = {"cd_drive": False, "floppy": False, "ethernet": True, "video_card": False}
_UNITS = {
    "byte": 1,
    **{f"{name}B": 1 << (10 * n) for n, name in enumerate("KMGT", 1)},
    **{f"byte * 2^{10 * n}": 1 << (10 * n) for n in range(1, 5)},
}
_RESERVED = ("cpus", "memory", "config")


class Device(msgspec.Struct, frozen=True):
    """A device of the hardware section."""

    type: str = ""
    number: int | None = None
    size: int | None = None
    subtype: str | None = None
    parent: str | None = None
    network: str | None = None
    image: str | None = None
    disk_image: str | None = None
    raw_image: str | None = None
    disk_capacity: int | None = None
    units: str | None = None
    disk_id: str = ""
    file_id: str = ""
    connected: bool | None = None
    configuration: str | None = None
    config: dict[str, Plain | None] = {}  #: None says that a setting is not wanted


@dataclass(frozen=True, slots=True)
class Devices:
    """The hardware section, the names of networks by key, and where files are."""

    hardware: dict[str, Any]
    networks: dict[str, str]
    base: Path


def add_devices(scope: Scope, payload: Payload, hardware: etree._Element, devices: Devices) -> None:
    """Add every device, in the order of the file, parents by their keys."""
    made: dict[str, etree._Element] = {}
    for key, given in devices.hardware.items():
        if key == "config":
            continue
        device = _device(key, given)
        if device.type not in TYPES:
            raise unknown(f"{key}: no type of device is {device.type!r}", device.type, TYPES)
        made[key] = _add(scope, payload, hardware, key, device, devices, made)


def _device(key: str, given: object) -> Device:
    if isinstance(given, int) and key in _RESERVED:
        return Device(type=key, number=given, size=given)
    device = as_struct(given, Device, Path(f"hardware.{key}"))
    return msgspec.structs.replace(device, type=key) if key in _RESERVED else device


def _add(
    scope: Scope,
    payload: Payload,
    hardware: etree._Element,
    key: str,
    device: Device,
    devices: Devices,
    made: dict[str, etree._Element],
) -> etree._Element:
    type_, usual, description = TYPES[device.type]
    fields: dict[str, str | int | bool | None] = {
        "Description": description,
        "ElementName": key,
        "ResourceSubType": (device.subtype or usual) or None,
        "ResourceType": type_,
    }
    if device.type in {"cpus", "memory"}:
        fields["AllocationUnits"] = "hertz * 10^6" if device.type == "cpus" else "byte * 2^20"
        quantity = device.number if device.type == "cpus" else device.size
        if not quantity or quantity < 1:
            raise UsageError(f"hardware.{key}: how many? ({device.type})")
        fields["VirtualQuantity"] = quantity
    if device.type in _CONNECTED:
        connected = _CONNECTED[device.type] if device.connected is None else device.connected
        fields["AutomaticAllocation"] = connected
    if device.type.endswith("_controller") and type_ != 23:
        same = [i for i in made.values() if text(i, "ResourceType") == str(type_)]
        fields["Address"] = len(same)
    if device.type == "ethernet":
        fields["Connection"] = _network(key, device, devices)
    if device.type in {"cd_drive", "hard_disk"}:
        parent = made.get(device.parent or "")
        if parent is None:
            raise unknown(f"{key}: there is no parent {device.parent!r}", device.parent or "", made)
        unit = free_unit(hardware, parent)
        if unit is None:
            raise UsageError(f"{key}: the controller {device.parent} is full")
        fields |= {"Parent": instance(parent), "AddressOnParent": unit}
    if device.type == "hard_disk":
        fields["HostResource"] = f"ovf:/disk/{_disk(scope, payload, key, device, devices.base)}"
    elif device.image is not None:
        ident = add_file(scope, payload, _find(devices.base, device.image), ident=device.file_id)
        fields["HostResource"] = f"ovf:/file/{ident}"
    configurations = (device.configuration or "").split()
    item = new_item(hardware, fields, configurations=configurations)
    for name, value in device.config.items():
        if value is not None:
            vendor(item, "Config", {"key": name, "value": plain(value)})
    return item


def _network(key: str, device: Device, devices: Devices) -> str:
    if device.network not in devices.networks:
        name = device.network or ""
        raise unknown(f"{key}: there is no network {name!r}", name, devices.networks)
    return devices.networks[device.network]


def _disk(scope: Scope, payload: Payload, key: str, device: Device, base: Path) -> str:
    """Add the image or the empty disk; return its diskId. An image may be of any format."""
    options = {"id": device.disk_id, "file-id": device.file_id}
    if device.units is not None and device.units not in _UNITS:
        raise unknown(f"{key}: no unit is {device.units!r}", device.units, _UNITS)
    given = [name for name in (device.raw_image, device.disk_image) if name is not None]
    if given:
        found = [name for name in given if Path(_find(base, name)).exists()]
        return add_image(scope, payload, _find(base, (found or given)[0]), options)
    if device.disk_capacity is None:
        raise UsageError(f"{key}: a disk needs disk_image, raw_image or disk_capacity")
    size = device.disk_capacity * _UNITS[device.units or "MB"]
    return add_image(scope, payload, "", {**options, "size": f"{size}B"})


def _find(base: Path, name: str) -> str:
    """Return a file beside the YAML file, or else in the working folder as for ova-compose."""
    if "://" in name or (base / name).exists():
        return name if "://" in name else str(base / name)
    return name if Path(name).exists() else str(base / name)
