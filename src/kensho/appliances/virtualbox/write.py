"""Write a machine of VirtualBox: ``NAME.vbox`` beside VDI disks, to be registered as it lies there.

Source: VirtualBox-settings.xsd and the user manual (VBoxManage registervm). Settings of version
1.19 are VirtualBox 7.0's, which later releases read and bring up to date; 1.18 are 6.1's, without
a TPM. Media are known by their UUIDs: those in MediaRegistry are the ones in the VDI files.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping

from lxml import etree

from kensho.appliances.mapped import boot_ranks, only_machine
from kensho.appliances.names import file_stem
from kensho.appliances.ovf.write_xml import clean
from kensho.appliances.package import Document, PlacedDisk
from kensho.appliances.virtualbox.write_devices import (
    NAMESPACE,
    add,
    add_audio,
    add_display,
    add_network,
    add_ports,
    add_usb,
    braced,
    flag,
    tag,
)
from kensho.appliances.virtualbox.write_extras import add_kept, kept_elements, start_from
from kensho.appliances.virtualbox.write_media import OWN_NAMESPACE, add_media
from kensho.appliances.virtualbox.write_storage import add_storage
from kensho.model import guest_os
from kensho.model.appliance import Appliance
from kensho.model.host_side import Clock
from kensho.model.machine import Cdrom, Firmware, Machine
from kensho.model.units import MIB

_SETTINGS = {"6.1": "1.18"}  #: by release
_LATEST = "1.19"
#: What neither a folder nor VirtualBox's list of machines can be called.
_NOT_IN_NAMES = re.compile(r'[\\/:*?"<>|\x00-\x1f\x7f]+')
_BOOT_PLACES = 4


def render(appliance: Appliance, disks: Mapping[str, PlacedDisk]) -> tuple[Document, ...]:
    """Return ``NAME.vbox``.

    Raises UnsupportedError for several machines and for a device VirtualBox does not have.
    """
    machine = only_machine(appliance, "VirtualBox")
    version = next((_SETTINGS[v] for v in machine.hardware_versions if v in _SETTINGS), _LATEST)
    root = etree.Element(tag("VirtualBox"), nsmap={None: NAMESPACE})  # type: ignore[dict-item]
    root.set("version", f"{version}-linux")
    element = add(
        root,
        "Machine",
        uuid=braced(_machine_uuid(machine)),
        name=_name(machine),
        OSType=guest_os.to_vendor(machine.guest.id, "vbox"),
        snapshotFolder="Snapshots",
    )
    if machine.annotation.strip():
        add(element, "Description").text = clean(machine.annotation)
    kept = kept_elements(machine.extras)
    registry = add(element, "MediaRegistry")
    add_media(registry, appliance, machine, disks)
    hardware = add(element, "Hardware")
    _add_hardware(hardware, machine, kept, version)
    add_network(hardware, machine, appliance)
    add_ports(hardware, machine)
    add_audio(hardware, machine, version)
    add_kept(hardware, kept, "Machine/Hardware/")
    # They moved into Hardware with 1.19.
    add_storage(element if version == "1.18" else hardware, appliance, machine, disks)
    add_kept(element, kept, "Machine/")
    etree.cleanup_namespaces(root)  # those of settings as they were
    etree.indent(root)
    data = etree.tostring(root.getroottree(), xml_declaration=True, encoding="UTF-8")
    return (Document(f"{file_stem(appliance.name)}.vbox", data + b"\n"),)


def _name(machine: Machine) -> str:
    return " ".join(_NOT_IN_NAMES.sub(" ", clean(machine.name)).split()).strip(".") or "machine"


def _machine_uuid(machine: Machine) -> uuid.UUID:
    try:
        return uuid.UUID(machine.uuid or "")
    except ValueError:
        return uuid.uuid5(OWN_NAMESPACE, machine.name)


def _add_hardware(
    hardware: etree._Element, machine: Machine, kept: Mapping[str, etree._Element], version: str
) -> None:
    uefi = machine.firmware.kind is Firmware.UEFI
    _add_cpu(start_from(hardware, kept, "CPU"), machine)
    add(hardware, "Memory", RAMSize=str(max(4, machine.memory.size // MIB)))
    if uefi:
        add(hardware, "Firmware", type="EFI")
    _add_boot(add(hardware, "Boot"), machine)
    add_display(start_from(hardware, kept, "Display"), machine)
    bios = start_from(hardware, kept, "BIOS")
    for old in [e for e in bios if etree.QName(e).localname in {"NVRAM", "Logo"}]:
        bios.remove(old)
    apic = [e for e in bios if etree.QName(e).localname == "IOAPIC"]
    (apic[0] if apic else add(bios, "IOAPIC")).set("enabled", "true")
    if not any(etree.QName(e).localname == "SmbiosUuidLittleEndian" for e in bios):
        add(bios, "SmbiosUuidLittleEndian", enabled="true")
    if machine.firmware.tpm and version != "1.18":
        add(hardware, "TrustedPlatformModule", type="v2_0", location="")
    add_usb(hardware, machine)
    clock = machine.clock
    if clock is None:
        windows = guest_os.get(machine.guest.id).family == "windows"
        clock = Clock.LOCAL if windows else Clock.UTC
    add(hardware, "RTC", localOrUTC="local" if clock is Clock.LOCAL else "UTC")


def _add_cpu(cpu: etree._Element, machine: Machine) -> None:
    cpu.set("count", str(machine.cpu.count))
    cpu.set("hotplug", flag(machine.cpu.hot_add))
    present = {etree.QName(e).localname for e in cpu}
    for name in ("PAE", "LongMode"):
        if name not in present:
            add(cpu, name, enabled="true")
    for old in [e for e in cpu if etree.QName(e).localname == "NestedHWVirt"]:
        cpu.remove(old)
    if machine.cpu.nested_virtualization:
        add(cpu, "NestedHWVirt", enabled="true")


def _add_boot(boot: etree._Element, machine: Machine) -> None:
    ranks = boot_ranks(machine)
    words = {d.id: "DVD" if isinstance(d, Cdrom) else "HardDisk" for d in machine.drives}
    words |= {nic.id: "Network" for nic in machine.nics}
    order = [words[device] for device in sorted(ranks, key=ranks.__getitem__)]
    order = list(dict.fromkeys(order))[:_BOOT_PLACES]
    order += ["None"] * (_BOOT_PLACES - len(order))
    for position, device in enumerate(order, 1):
        add(boot, "Order", position=str(position), device=device)
