"""What a domain has of its host: devices, folders, processors and memory it is bound to, the clock.

Source: https://libvirt.org/formatdomain.html (hostdev, redirdev, filesystem, watchdog, cputune, numa,
memoryBacking, clock).
"""

from __future__ import annotations

import msgspec
from lxml import etree

from kensho.appliances.libvirt.notes import children, text_of, value
from kensho.model.host_side import Clock, HostDevice, HostDeviceKind, SharedFolder
from kensho.model.machine import Machine

_KINDS = {
    "pci": HostDeviceKind.PCI, "usb": HostDeviceKind.USB, "scsi": HostDeviceKind.SCSI,
    "scsi_host": HostDeviceKind.SCSI, "mdev": HostDeviceKind.GPU,
}  # fmt: skip
_CLOCKS = {"utc": Clock.UTC, "localtime": Clock.LOCAL}
_MOST_NAME = 80
_PERIOD = 100_000  #: microseconds, where a domain does not say


def add_host_side(machine: Machine, root: etree._Element) -> Machine:
    """Return the machine with what its domain has of the host."""
    change = msgspec.structs.replace
    cells = len(root.findall("cpu/numa/cell"))
    pinned = root.find("cputune/vcpupin") is not None or bool(value(root, "vcpu", "cpuset"))
    mode, model = value(root, "cpu", "mode"), text_of(root, "cpu/model")
    devices = root.find("devices")
    return change(
        machine,
        cpu=change(
            machine.cpu,
            model=model if mode in {"", "custom"} else mode,
            pinned=pinned,
            numa_nodes=cells,
            limit_percent=_percent(root, machine.cpu.count),
        ),
        memory=change(machine.memory, huge_pages=root.find("memoryBacking/hugepages") is not None),
        host_devices=tuple(_devices(devices)),
        shared_folders=tuple(_folders(devices)),
        clock=_CLOCKS.get(value(root, "clock", "offset")),
        watchdog=value(devices, "watchdog", "model"),
    )


def _percent(root: etree._Element, processors: int) -> int | None:
    """Return the limit: the quota of a processor, or of the whole domain, by its period."""
    for name, times in (("", processors), ("global_", 1)):
        quota, period = (
            text_of(root, f"cputune/{name}quota"),
            text_of(root, f"cputune/{name}period"),
        )
        if _is_number(quota):
            per = int(period) if _is_number(period) and int(period) else _PERIOD
            return int(quota) * 100 * times // per or None
    return None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 16


def _devices(devices: etree._Element | None) -> list[HostDevice]:
    found: list[HostDevice] = []
    for element in children(devices):
        number = len(found)
        match str(element.tag):
            case "hostdev":
                kind = _KINDS.get(element.get("type") or "", HostDeviceKind.OTHER)
                found.append(HostDevice(f"hostdev{number}", kind, _address(element)))
            case "interface" if element.get("type") == "hostdev":
                found.append(
                    HostDevice(f"hostdev{number}", HostDeviceKind.SRIOV, _address(element))
                )
            case "redirdev":
                kind = HostDeviceKind.USB_REDIRECTION
                found.append(HostDevice(f"hostdev{number}", kind, element.get("type") or ""))
            case "tpm" if value(element, "backend", "type") == "passthrough":
                found.append(HostDevice(f"hostdev{number}", HostDeviceKind.TPM))
    return found


def _address(element: etree._Element) -> str:
    """Return where the device is on the host, as its source says it."""
    source = element.find("source")
    if source is None:
        return (element.get("model") or "")[:_MOST_NAME]
    parts = [source, *source.iter("address", "vendor", "product", "adapter")]
    words = [f"{key!s}={value!s}" for part in parts for key, value in sorted(part.attrib.items())]
    return " ".join(words)[:_MOST_NAME]


def _folders(devices: etree._Element | None) -> list[SharedFolder]:
    if devices is None:
        return []
    return [
        SharedFolder(value(e, "target", "dir"), value(e, "source", "dir"))
        for e in devices.findall("filesystem")
    ]
