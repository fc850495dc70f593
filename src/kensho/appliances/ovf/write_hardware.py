"""The VirtualHardwareSection of one machine (DSP0243 1.1 §8; DSP1041 … DSP1057 for the items)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count

from lxml import etree

from kensho.appliances.ovf.write_dialects.base import Device, Dialect, HardwareVersion
from kensho.appliances.ovf.write_xml import VMW, VSSD, child, item, ovf, vmw_config
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

#: What VMware's display adapter has at most, in bytes and screens.
MOST_VIDEO_MEMORY, MOST_DISPLAYS = 128 * MIB, 10

_BUS_TITLE = {Bus.IDE: "IDE", Bus.SATA: "SATA", Bus.SCSI: "SCSI", Bus.NVME: "NVMe"}
_MOST_CAPTION = 64  #: CIM_ManagedElement.Caption
#: VMware numbers adapters from here on; others ignore it.
_FIRST_NIC_ADDRESS = 7


def add_hardware(
    system: etree._Element, machine: Machine, ident: str, disk_ids: Mapping[str, str], d: Dialect
) -> None:
    """Append the section. ``ident`` is the machine's ovf:id, ``disk_ids`` image id to ovf:diskId.

    Raises UnsupportedError naming the controller or adapter that ``d`` has no word for, and
    when two drives share a place or a drive has no controller.
    """
    transport = {"transport": " ".join(machine.transports)} if machine.transports else {}
    section = child(system, "VirtualHardwareSection", **transport)
    child(section, "Info", "Virtual hardware requirements")
    _add_system(section, machine, ident, d)
    numbers = count(1)
    _add_processor(section, machine, next(numbers), d)
    _add_memory(section, machine, next(numbers), d)
    parents = {c.id: next(numbers) for c in machine.controllers}
    for controller in machine.controllers:
        _add_controller(section, controller, parents[controller.id], machine, d)
    _add_drives(section, machine, parents, disk_ids, numbers, d)
    for position, nic in enumerate(machine.nics):
        _add_nic(section, nic, position, next(numbers), machine, d)
    _add_others(section, machine, numbers, d)
    vmw_config(section, _firmware_settings(machine, d))


def hardware_version(machine: Machine, versions: tuple[HardwareVersion, ...]) -> HardwareVersion:
    """Return the first version that holds the machine, the last one when none does."""
    for version in versions:
        fits = machine.cpu.count <= version.cpus and machine.memory.size <= version.memory
        if fits and (version.secure_boot or not machine.firmware.secure_boot):
            return version
    return versions[-1]


def memory_size(machine: Machine, step: int) -> int:
    """Return the memory in bytes as a whole number of ``step``, rounded down, at least one."""
    return max(1, machine.memory.size // step) * step


def _add_system(section: etree._Element, machine: Machine, ident: str, d: Dialect) -> None:
    system = child(section, "System")
    for name, text in (
        ("ElementName", "Virtual Hardware Family"),
        ("InstanceID", "0"),
        ("VirtualSystemIdentifier", ident),
        ("VirtualSystemType", hardware_version(machine, d.hardware).name),
    ):
        etree.SubElement(system, f"{{{VSSD}}}{name}").text = text


def _add_processor(section: etree._Element, machine: Machine, number: int, d: Dialect) -> None:
    cpu = machine.cpu
    title = f"{cpu.count} virtual CPU(s)"
    element = item(
        section,
        {
            **_head(number, title, "Number of Virtual CPUs", Device(3)),
            "AllocationUnits": "hertz * 10^6",
            "VirtualQuantity": cpu.count,
        },
    )
    if cpu.cores_per_socket > 1 and "coresPerSocket" in d.config:
        cores = etree.SubElement(element, f"{{{VMW}}}CoresPerSocket")
        cores.set(ovf("required"), "false")
        cores.text = str(cpu.cores_per_socket)


def _add_memory(section: etree._Element, machine: Machine, number: int, d: Dialect) -> None:
    mebibytes = memory_size(machine, d.memory_step) // MIB
    item(
        section,
        {
            **_head(number, f"{mebibytes} MB of memory", "Memory Size", Device(4)),
            # Written exactly so: VirtualBox compares the text, others assume MiB anyway.
            "AllocationUnits": "byte * 2^20",
            "VirtualQuantity": mebibytes,
        },
    )


def _add_controller(
    section: etree._Element, controller: Controller, number: int, machine: Machine, d: Dialect
) -> None:
    device = d.controllers.get(controller.model)
    if device is None:
        raise UnsupportedError(
            f"{d.name} has no controller {controller.model.value} ({machine.name})",
            field=controller.id,
        )
    title = f"{_BUS_TITLE[controller.bus]} Controller"
    element = item(
        section,
        {
            **_head(number, f"{title} {controller.index}", title, device),
            "Address": controller.index,
        },
    )
    _slot(element, controller.pci_slot, d)


def _add_drives(
    section: etree._Element,
    machine: Machine,
    parents: Mapping[str, int],
    disk_ids: Mapping[str, str],
    numbers: Iterator[int],
    d: Dialect,
) -> None:
    taken: set[tuple[int, int]] = set()
    titles = {Disk: count(1), Cdrom: count(1), Floppy: count(1)}
    for drive in machine.drives:
        if isinstance(drive, Floppy):
            if d.floppy is not None:
                title = drive.name or f"Floppy {next(titles[Floppy])}"
                head = _head(next(numbers), title, "Floppy Drive", d.floppy)
                item(section, {**head, "AutomaticAllocation": False}, required=False)
            continue
        parent = parents.get(drive.controller)
        if parent is None or (parent, drive.unit) in taken:
            what = "has no controller" if parent is None else "has the place of another drive"
            raise UnsupportedError(f"drive of {machine.name} {what}", field=drive.id)
        taken.add((parent, drive.unit))
        place = {"AddressOnParent": drive.unit, "Parent": parent}
        if isinstance(drive, Disk):
            title = drive.name or f"Hard Disk {next(titles[Disk])}"
            head = _head(next(numbers), title, "Disk Image", Device(17))
            resource = f"ovf:/disk/{disk_ids[drive.image]}"
            item(section, {**head, **place, "HostResource": resource})
        else:
            title = drive.name or f"CD-ROM {next(titles[Cdrom])}"
            head = _head(next(numbers), title, "CD-ROM Drive", d.cdrom)
            item(section, {**head, **place, "AutomaticAllocation": False}, required=False)


def _add_nic(
    section: etree._Element, nic: Nic, position: int, number: int, machine: Machine, d: Dialect
) -> None:
    device = d.nics.get(nic.model)
    if device is None:
        model = nic.vendor_model if nic.model is NicModel.UNKNOWN else nic.model.value
        raise UnsupportedError(
            f"{d.name} has no adapter {model or 'unknown'} ({machine.name})", field=nic.id
        )
    title = nic.name or f"Network adapter {position + 1}"
    network = nic.network or d.network
    element = item(
        section,
        {
            **_head(number, title, f"{device.subtype} adapter on {network}", device),
            "Address": nic.mac,
            "AddressOnParent": _FIRST_NIC_ADDRESS + position,
            # Xen Orchestra drops adapters that are not allocated automatically.
            "AutomaticAllocation": nic.connected or not d.says_disconnected,
            "Connection": network,
        },
    )
    _slot(element, nic.pci_slot, d)


def _add_others(
    section: etree._Element, machine: Machine, numbers: Iterator[int], d: Dialect
) -> None:
    """Append what a machine can do without; no importer is required to understand it."""
    written: set[Device] = set()
    for usb in machine.usb:
        device = d.usb.get(usb.model)
        if device is not None and device not in written:
            written.add(device)
            title = f"USB Controller{' (xHCI)' if device.subtype.endswith('xhci') else ''}"
            head = _head(next(numbers), title, title, device)
            element = item(section, {**head, "Address": 0}, required=False)
            if device.subtype.endswith("ehci") and "ehciEnabled" in d.config:
                high_speed = any(u.model == "ehci" for u in machine.usb)
                vmw_config(element, [("ehciEnabled", "true" if high_speed else "false")])
    if d.serial is not None:
        for port in machine.serial_ports:
            title = f"Serial port {port.index + 1}"
            head = _head(next(numbers), title, "Serial Port", d.serial)
            # Where it ends is a matter of the new host: the port is there, unconnected.
            item(section, {**head, "AutomaticAllocation": False}, required=False)
    sound = d.sound.get(machine.sound.model) if machine.sound else None
    if sound is not None:
        head = _head(next(numbers), "Sound card", "Sound Card", sound)
        item(section, {**head, "AutomaticAllocation": False}, required=False)
    if machine.video is not None and d.video is not None:
        head = _head(next(numbers), "Video card", "Video Card", d.video)
        element = item(section, {**head, "AutomaticAllocation": False}, required=False)
        vmw_config(element, _video_settings(machine.video, d))


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


def _slot(element: etree._Element, slot: int | None, d: Dialect) -> None:
    if slot is not None and "slotInfo.pciSlotNumber" in d.config:
        vmw_config(element, [("slotInfo.pciSlotNumber", str(slot))])


def _head(number: int, name: str, description: str, device: Device) -> dict[str, str | int | None]:
    """Return what every item has. Some importers want ElementName, some Caption: both are there."""
    return {
        "Caption": name[:_MOST_CAPTION],
        "Description": description,
        "ElementName": name,
        "InstanceID": number,
        "ResourceSubType": device.subtype or None,
        "ResourceType": device.type,
    }
