"""One VirtualSystem: DSP0243 §7.2, §8."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from lxml import etree

from kensho.appliances.ovf.devices import read_devices
from kensho.appliances.ovf.dialects import xen
from kensho.appliances.ovf.dialects.scvmm import with_disks
from kensho.appliances.ovf.dialects.virtualbox import VboxMachine, read_vbox_machine
from kensho.appliances.ovf.dialects.vmware import is_taken, read_boot_order, read_config
from kensho.appliances.ovf.drives import read_storage, with_boot_order
from kensho.appliances.ovf.elements import (
    Notes,
    attribute,
    children,
    dialect,
    extra,
    is_true,
    local,
    required,
    section_kind,
    text,
)
from kensho.appliances.ovf.hardware import choose_hardware, hardware_sections, system_types
from kensho.appliances.ovf.items import ITEMS, read_items
from kensho.appliances.ovf.picking import Picked, pick
from kensho.appliances.ovf.places import Content
from kensho.appliances.ovf.products import property_values, read_eula, read_product
from kensho.appliances.ovf.quantities import read_cpu, read_memory, to_int
from kensho.appliances.ovf.ranges import read_ranges
from kensho.appliances.ovf.settings import read_firmware, read_guest
from kensho.appliances.ovf.texts import Texts
from kensho.model.appliance import DiskImage
from kensho.model.finding import Severity
from kensho.model.machine import (
    Cpu,
    Eula,
    Extra,
    HardwareSection,
    Machine,
    Memory,
    Product,
)
from kensho.model.selection import Selection

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_FILE = re.compile(r"(?:ovf:)?/{0,2}file/(.+)", re.IGNORECASE)
_PLAIN = frozenset({"Info", "Name", "System", "Label", "Description"})
_READ = frozenset(
    {
        *("AnnotationSection", "ProductSection", "EulaSection", "OperatingSystemSection"),
        *("VirtualHardwareSection", "BootOrderSection"),
    }
)


@dataclass(frozen=True, slots=True)
class Shared:
    """What the envelope gives all its machines."""

    content: Content
    properties: Mapping[str, str]
    texts: Texts
    configuration: str | None
    selection: Selection


def read_machine(
    system: etree._Element, shared: Shared, notes: Notes
) -> tuple[Machine, tuple[DiskImage, ...]]:
    """Read a machine, and the disk images that only its hardware describes."""
    machine_id = attribute(system, "id") or "vm"
    where = f"{local(system)}[{machine_id}]"
    sections = list(children(system))
    products = _products(sections, shared)
    hardware, extras, choices = _hardware(system, where, shared, notes)
    place = f"{where}/VirtualHardwareSection"
    picked = Picked() if hardware is None else pick(hardware, shared.configuration, place, notes)
    items = with_disks(
        read_items(picked.items, place, shared.texts, notes), shared.content.images, notes
    )
    item_extras = [*picked.others, *(e for item in items for e in item.extras)]
    types = system_types(hardware)
    vbox = read_vbox_machine(system)
    content = _content(shared.content, is_xen=xen.is_xen(types))
    storage = read_storage(items, content, notes)
    item_extras.extend(
        extra(element, f"{place}/{local(element)}[{item.id}]", notes)
        for element, item in zip(picked.items, items, strict=True)
        if item.id in storage.dropped
    )
    devices = read_devices(
        items, xen=content.xen, macs=vbox.macs if vbox is not None else (), notes=notes
    )
    config = read_config(hardware) if hardware is not None else {}
    properties = {
        **shared.properties,
        **property_values(products, dict(shared.selection.properties)),
    }
    tpm = devices.tpm or (vbox is not None and vbox.tpm)
    firmware = read_firmware(system, hardware, config, vbox, content, tpm=tpm)
    name = _name(system, hardware, shared.texts, machine_id)
    machine = Machine(
        id=machine_id,
        name=name,
        cpu=_cpu(read_cpu(items, properties, notes), config),
        memory=_memory(read_memory(items, properties, notes), config),
        firmware=firmware,
        guest=read_guest(sections, vbox, shared.texts),
        uuid=_uuid(system, hardware, vbox),
        controllers=storage.controllers,
        drives=with_boot_order(storage.drives, read_boot_order(system)),
        nics=devices.nics,
        serial_ports=devices.serial_ports,
        video=devices.video,
        sound=devices.sound,
        usb=devices.usb,
        others=devices.others,
        products=products,
        eulas=_eulas(sections, shared.texts),
        annotation=_annotation(system, sections, shared.texts),
        hardware_versions=types,
        hardware_sections=choices,
        ranges=read_ranges(picked.items, picked.bounds, notes),
        transports=tuple(attribute(hardware, "transport").split()),
        extras=(*extras, *item_extras, *_section_extras(sections, where, notes)),
    )
    return machine, storage.images


def _content(content: Content, *, is_xen: bool) -> Content:
    return Content(content.images, content.infos, content.files, xen=is_xen)


def _hardware(
    system: etree._Element, where: str, shared: Shared, notes: Notes
) -> tuple[etree._Element | None, list[Extra], tuple[HardwareSection, ...]]:
    """Return the VirtualHardwareSection to read, what is no item of it, and the choice there was."""
    found = hardware_sections(system)
    if not found:
        notes.add(
            "KF-112",
            Severity.ERROR,
            "the machine has no VirtualHardwareSection",
            subject=where,
            action="read without devices, with assumed processor and memory",
        )
    chosen, choices = choose_hardware(found, shared.selection, where, shared.texts, notes)
    place = f"{where}/VirtualHardwareSection"
    extras = [extra(other, place, notes) for other in found if other is not chosen]
    for element in children(chosen):
        if local(element) in {*ITEMS, *_PLAIN} or is_taken(element):
            continue
        extras.append(extra(element, f"{place}/{local(element)}", notes))
    return chosen, extras, choices


def _section_extras(sections: list[etree._Element], where: str, notes: Notes) -> list[Extra]:
    extras = []
    plain: list[str] = []
    for section in sections:
        kind = section_kind(section)
        if kind in _PLAIN or (kind in _READ and dialect(section) != "vbox"):
            if kind == "OperatingSystemSection":
                extras.extend(_os_extras(section, where, notes))
            continue
        if not len(section) and not text(section) and not section.attrib:
            continue
        if kind.endswith("Section") or dialect(section) != "ovf":
            note_unknown(section, kind, where, notes)
        else:
            plain.append(kind)
        extras.append(extra(section, f"{where}/{kind}", notes))
    if plain:
        notes.add(
            "KF-125",
            Severity.NOTE,
            f"elements that DSP0243 does not know: {', '.join(dict.fromkeys(plain))}",
            subject=where,
            action="kept as text, only the same vendor's products understand them",
        )
    return extras


def note_unknown(section: etree._Element, kind: str, where: str, notes: Notes) -> None:
    """Say that a section is kept and not understood; a warning if it must be understood."""
    severity = Severity.WARNING if required(section) else Severity.NOTE
    vendor = dialect(section)
    notes.add(
        "KF-125",
        severity,
        f"{vendor}:{kind} has no counterpart in the neutral machine",
        subject=where,
        action="kept as text"
        if vendor == "ovf"
        else "kept as text, only the same vendor's products understand it",
    )


def _os_extras(section: etree._Element, where: str, notes: Notes) -> list[Extra]:
    known = {"Info", "Description", "OSType"}
    return [
        extra(e, f"{where}/OperatingSystemSection/{local(e)}", notes)
        for e in children(section)
        if local(e) not in known
    ]


def _name(
    system: etree._Element, hardware: etree._Element | None, texts: Texts, machine_id: str
) -> str:
    name = texts.of(system, "Name")
    if name:
        return name
    identifier = ""
    for element in children(hardware, "System"):
        identifier = identifier or text(element, "VirtualSystemIdentifier")
    given = attribute(system, "id")
    return given or identifier or machine_id


def _uuid(
    system: etree._Element, hardware: etree._Element | None, vbox: VboxMachine | None
) -> str | None:
    systems = children(hardware, "System")
    guests = (s for s in children(system) if section_kind(s) == "OperatingSystemSection")
    candidates = (
        vbox.uuid if vbox is not None else "",
        attribute(system, "id"),
        *(text(element, "VirtualSystemIdentifier") for element in systems),
        *(attribute(section, "id") for section in guests),  # oVirt
    )
    return next((c.lower() for c in candidates if _UUID.fullmatch(c)), None)


def _cpu(cpu: Cpu, config: Mapping[str, str]) -> Cpu:
    cores = cpu.cores_per_socket
    if cores == 1:
        stated = to_int(config.get("cpuid.corespersocket", "")) or 1
        cores = stated if stated > 0 and cpu.count % stated == 0 else 1
    return Cpu(
        count=cpu.count,
        cores_per_socket=cores,
        reservation_hz=cpu.reservation_hz,
        limit_hz=cpu.limit_hz,
        hot_add=is_true(config.get("cpuhotaddenabled", "")),
        nested_virtualization=is_true(config.get("nestedhvenabled", "")),
    )


def _memory(memory: Memory, config: Mapping[str, str]) -> Memory:
    hot_add = is_true(config.get("memoryhotaddenabled", ""))
    return Memory(memory.size, memory.reservation, memory.limit, hot_add)


def _products(sections: list[etree._Element], shared: Shared) -> tuple[Product, ...]:
    return tuple(
        read_product(s, shared.configuration, shared.texts)
        for s in sections
        if section_kind(s) == "ProductSection"
    )


def _eulas(sections: list[etree._Element], texts: Texts) -> tuple[Eula, ...]:
    return tuple(read_eula(s, texts) for s in sections if section_kind(s) == "EulaSection")


def _annotation(system: etree._Element, sections: list[etree._Element], texts: Texts) -> str:
    found = [texts.of(s, "Annotation") for s in sections if section_kind(s) == "AnnotationSection"]
    return "\n\n".join(t for t in found if t) or texts.of(system, "Description")
