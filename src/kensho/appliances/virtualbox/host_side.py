"""What VirtualBox's settings have of the host: folders, devices, the clock, and the snapshots.

Source: VirtualBox-settings.xsd (RTC, SharedFolder, DeviceFilter, HostPci, MemoryBalloon). The clock
shows local time unless the settings say UTC.
"""

from __future__ import annotations

import msgspec
from lxml import etree

from kensho.appliances.ovf.elements import attribute, child, children, is_true, local
from kensho.appliances.virtualbox.media import plain_uuid
from kensho.model.host_side import Clock, HostDevice, HostDeviceKind, SharedFolder, Snapshot
from kensho.model.machine import Machine
from kensho.model.units import MIB


def add_host_side(
    machine: Machine, element: etree._Element, hardware: etree._Element | None
) -> Machine:
    """Return the machine with what its Hardware has of the host; ``element`` is Machine itself."""
    inside = () if hardware is None else tuple(hardware.iter())
    named = [(local(e), e) for e in inside]
    rtc = next((e for name, e in named if name == "RTC"), None)
    utc = attribute(rtc, "localOrUTC").lower() == "utc"
    change = msgspec.structs.replace
    balloon = next((attribute(e, "size") for name, e in named if name == "MemoryBalloon"), "")
    taken = (
        int(balloon) * MIB if balloon.isascii() and balloon.isdigit() and len(balloon) < 9 else 0
    )
    cap = attribute(child(hardware, "CPU"), "executionCap")
    limited = cap.isascii() and cap.isdigit() and 0 < int(cap[:4]) < 100
    smallest = machine.memory.size - taken
    return change(
        machine,
        cpu=change(
            machine.cpu, limit_percent=int(cap[:4]) * machine.cpu.count if limited else None
        ),
        memory=change(machine.memory, minimum=smallest if taken and smallest > 0 else None),
        clock=None if hardware is None else Clock.UTC if utc else Clock.LOCAL,
        shared_folders=tuple(
            SharedFolder(attribute(e, "name"), attribute(e, "hostPath"))
            for name, e in named
            if name == "SharedFolder"
        ),
        host_devices=tuple(_devices(hardware, named)),
        snapshots=tuple(
            Snapshot(attribute(e, "name"), plain_uuid(attribute(e, "uuid")))
            for e in element.iter()
            if local(e) == "Snapshot"
        ),
    )


def _devices(
    hardware: etree._Element | None, named: list[tuple[str, etree._Element]]
) -> list[HostDevice]:
    found = [
        HostDevice(f"usb{n}", HostDeviceKind.USB, attribute(e, "name"))
        for n, (name, e) in enumerate(named)
        if name == "DeviceFilter" and is_true(attribute(e, "active"))
    ]
    passed = child(child(hardware, "HostPci"), "Devices")
    found += [
        HostDevice(f"pci{n}", HostDeviceKind.PCI, attribute(e, "host"))
        for n, e in enumerate(children(passed, "Device"))
    ]
    return found
