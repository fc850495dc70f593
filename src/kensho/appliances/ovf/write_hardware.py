"""The VirtualHardwareSection of one machine (DSP0243 1.1 §8; DSP1041 … DSP1057 for the items)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any

from kensho.appliances.ovf.sections.hardware import VirtualHardwareSection
from kensho.appliances.ovf.sections.items import Item
from kensho.appliances.ovf.sections.parts import Unknown, message
from kensho.appliances.ovf.sections.system import System
from kensho.appliances.ovf.write_dialects.base import (
    Device,
    Dialect,
    memory_size,
)
from kensho.appliances.ovf.write_dialects.vmware import MOST_DISPLAYS, MOST_VIDEO_MEMORY
from kensho.appliances.ovf.write_extras import kept_settings
from kensho.appliances.ovf.write_xml import extension, vmw_config
from kensho.model.errors import UnsupportedError
from kensho.model.machine import (
    Bus,
    Cdrom,
    Controller,
    Disk,
    Firmware,
    Floppy,
    Machine,
    Nic,
    NicModel,
    Video,
)
from kensho.model.units import KIB, MIB
from kensho.platforms.versions import to_write

_BUS_TITLE = {Bus.IDE: "IDE", Bus.SATA: "SATA", Bus.SCSI: "SCSI", Bus.NVME: "NVMe"}
_MOST_CAPTION = 64  #: CIM_ManagedElement.Caption
#: VMware numbers adapters from here on; others ignore it.
_FIRST_NIC_ADDRESS = 7


def hardware(
    machine: Machine, ident: str, disk_ids: Mapping[str, str], d: Dialect
) -> VirtualHardwareSection:
    """Return the section. ``ident`` is the machine's ovf:id, ``disk_ids`` image id to ovf:diskId.

    Raises UnsupportedError naming the controller or adapter that ``d`` has no word for, and
    when two drives share a place or a drive has no controller.
    """
    settings = tuple(_firmware_settings(machine, d))
    kept = kept_settings(machine.extras, {key for key, _ in settings})
    return VirtualHardwareSection(
        info=message("Virtual hardware requirements"),
        system=System(
            element_name="Virtual Hardware Family",
            instance_id="0",
            virtual_system_identifier=ident,
            virtual_system_type=to_write(d.hardware, machine).name,
        ),
        items=tuple(_items(machine, disk_ids, d)),
        transport=" ".join(machine.transports),
        unknown=(*vmw_config(settings), *kept),
    )


def _items(machine: Machine, disk_ids: Mapping[str, str], d: Dialect) -> Iterator[Item]:
    numbers = count(1)
    yield _processor(machine, next(numbers), d)
    yield _memory(machine, next(numbers), d)
    parents = {c.id: next(numbers) for c in machine.controllers}
    for controller in machine.controllers:
        yield _controller(controller, parents[controller.id], machine, d)
    yield from _drives(machine, parents, disk_ids, numbers, d)
    for position, nic in enumerate(machine.nics):
        yield _nic(nic, position, next(numbers), machine, d)
    yield from _others(machine, numbers, d)


def _processor(machine: Machine, number: int, d: Dialect) -> Item:
    cpu = machine.cpu
    cores = cpu.cores_per_socket > 1 and "coresPerSocket" in d.config
    return _item(
        number,
        f"{cpu.count} virtual CPU(s)",
        "Number of Virtual CPUs",
        Device(3),
        allocation_units="hertz * 10^6",
        virtual_quantity=cpu.count,
        unknown=(extension("vmw", "CoresPerSocket", str(cpu.cores_per_socket)),) if cores else (),
    )


def _memory(machine: Machine, number: int, d: Dialect) -> Item:
    mebibytes = memory_size(machine, d.memory_step) // MIB
    return _item(
        number,
        f"{mebibytes} MB of memory",
        "Memory Size",
        Device(4),
        # Written exactly so: VirtualBox compares the text, others assume MiB anyway.
        allocation_units="byte * 2^20",
        virtual_quantity=mebibytes,
    )


def _controller(controller: Controller, number: int, machine: Machine, d: Dialect) -> Item:
    device = d.controllers.get(controller.model)
    if device is None:
        raise UnsupportedError(
            f"{d.name} has no controller {controller.model.value} ({machine.name})",
            field=controller.id,
        )
    title = f"{_BUS_TITLE[controller.bus]} Controller"
    return _item(
        number,
        f"{title} {controller.index}",
        title,
        device,
        address=str(controller.index),
        unknown=_slot(controller.pci_slot, d),
    )


def _drives(
    machine: Machine,
    parents: Mapping[str, int],
    disk_ids: Mapping[str, str],
    numbers: Iterator[int],
    d: Dialect,
) -> Iterator[Item]:
    taken: set[tuple[int, int]] = set()
    titles = {Disk: count(1), Cdrom: count(1), Floppy: count(1)}
    for drive in machine.drives:
        if isinstance(drive, Floppy):
            if d.floppy is not None:
                title = drive.name or f"Floppy {next(titles[Floppy])}"
                yield _optional(next(numbers), title, "Floppy Drive", d.floppy)
            continue
        parent = parents.get(drive.controller)
        if parent is None or (parent, drive.unit) in taken:
            what = "has no controller" if parent is None else "has the place of another drive"
            raise UnsupportedError(f"drive of {machine.name} {what}", field=drive.id)
        taken.add((parent, drive.unit))
        place = {"address_on_parent": str(drive.unit), "parent": str(parent)}
        if isinstance(drive, Disk):
            title = drive.name or f"Hard Disk {next(titles[Disk])}"
            resource = (f"ovf:/disk/{disk_ids[drive.image]}",)
            number = next(numbers)
            yield _item(number, title, "Disk Image", Device(17), host_resource=resource, **place)
        else:
            title = drive.name or f"CD-ROM {next(titles[Cdrom])}"
            yield _optional(next(numbers), title, "CD-ROM Drive", d.cdrom, **place)


def _nic(nic: Nic, position: int, number: int, machine: Machine, d: Dialect) -> Item:
    device = d.nics.get(nic.model)
    if device is None:
        model = nic.vendor_model if nic.model is NicModel.UNKNOWN else nic.model.value
        raise UnsupportedError(
            f"{d.name} has no adapter {model or 'unknown'} ({machine.name})", field=nic.id
        )
    network = nic.network or d.network
    return _item(
        number,
        nic.name or f"Network adapter {position + 1}",
        f"{device.subtype} adapter on {network}",
        device,
        address=nic.mac or "",
        address_on_parent=str(_FIRST_NIC_ADDRESS + position),
        # Xen Orchestra drops adapters that are not allocated automatically.
        automatic_allocation=nic.connected or not d.says_disconnected,
        connection=(network,),
        unknown=_slot(nic.pci_slot, d),
    )


def _others(machine: Machine, numbers: Iterator[int], d: Dialect) -> Iterator[Item]:
    """Yield what a machine can do without; no importer is required to understand it."""
    written: set[Device] = set()
    for usb in machine.usb:
        device = d.usb.get(usb.model)
        if device is not None and device not in written:
            written.add(device)
            title = f"USB Controller{' (xHCI)' if device.subtype.endswith('xhci') else ''}"
            speed = device.subtype.endswith("ehci") and "ehciEnabled" in d.config
            enabled = "true" if any(u.model == "ehci" for u in machine.usb) else "false"
            yield _item(
                next(numbers),
                title,
                title,
                device,
                address="0",
                required=False,
                unknown=vmw_config([("ehciEnabled", enabled)] if speed else ()),
            )
    if d.serial is not None:
        for port in machine.serial_ports:
            title = f"Serial port {port.index + 1}"
            # Where it ends is a matter of the new host: the port is there, unconnected.
            yield _optional(next(numbers), title, "Serial Port", d.serial)
    sound = d.sound.get(machine.sound.model) if machine.sound else None
    if sound is not None:
        yield _optional(next(numbers), "Sound card", "Sound Card", sound)
    if machine.video is not None and d.video is not None:
        settings = vmw_config(_video_settings(machine.video, d))
        yield _optional(next(numbers), "Video card", "Video Card", d.video, unknown=settings)


def _video_settings(video: Video, d: Dialect) -> Iterator[tuple[str, str]]:
    settings = [("numDisplays", str(min(video.displays, MOST_DISPLAYS)))]
    if video.accelerated_3d:
        settings.append(("enable3DSupport", "true"))
    if video.memory is not None:
        settings.append(("videoRamSizeInKB", str(min(video.memory, MOST_VIDEO_MEMORY) // KIB)))
    return ((key, value) for key, value in sorted(settings) if key in d.config)


def _firmware_settings(machine: Machine, d: Dialect) -> Iterator[tuple[str, str]]:
    firmware = machine.firmware
    uefi = firmware.kind is Firmware.UEFI
    if "firmware" in d.config:
        yield "firmware", "efi" if uefi else "bios"
    if uefi and "bootOptions.efiSecureBootEnabled" in d.config:
        yield "bootOptions.efiSecureBootEnabled", "true" if firmware.secure_boot else "false"


def _slot(slot: int | None, d: Dialect) -> tuple[Unknown, ...]:
    said = slot is not None and "slotInfo.pciSlotNumber" in d.config
    return vmw_config([("slotInfo.pciSlotNumber", str(slot))] if said else ())


def _item(number: int, name: str, description: str, device: Device, **more: Any) -> Item:
    """Return an item. Some importers want ElementName, some Caption: both are there."""
    return Item(
        caption=name[:_MOST_CAPTION],
        description=description,
        element_name=name,
        instance_id=str(number),
        resource_sub_type=device.subtype,
        resource_type=device.type,
        **more,
    )


def _optional(number: int, name: str, description: str, device: Device, **more: Any) -> Item:
    """Return an item that need not be understood, nor connected to anything."""
    return _item(
        number, name, description, device, required=False, automatic_allocation=False, **more
    )
