"""What a Proxmox VE configuration has of its host: devices, folders, processors, memory, the clock.

Source: qm.conf(5) (hostpci, usb, virtiofs, affinity, numa, hugepages, balloon, localtime, watchdog).
The options stay among the extras, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import msgspec

from kensho.appliances.proxmox.conf import properties
from kensho.model.host_side import Clock, HostDevice, HostDeviceKind, SharedFolder, Snapshot
from kensho.model.machine import Machine
from kensho.model.units import MIB


def add_host_side(
    machine: Machine, options: Mapping[str, str], snapshots: Iterable[str]
) -> Machine:
    """Return the machine with what its configuration has of the host."""
    change = msgspec.structs.replace
    cells = sum(bool(re.fullmatch("numa[0-9]{1,2}", key, re.ASCII)) for key in options)
    balloon = options.get("balloon", "")
    least = int(balloon) * MIB if re.fullmatch("[0-9]{1,9}", balloon, re.ASCII) else 0
    return change(
        machine,
        cpu=change(
            machine.cpu,
            model=properties(options.get("cpu", ""), "cputype").get("cputype", ""),
            pinned="affinity" in options,
            limit_percent=_percent(options.get("cpulimit", "")),
            numa_nodes=cells or (machine.cpu.sockets if options.get("numa") == "1" else 0),
        ),
        memory=change(
            machine.memory,
            minimum=least if 0 < least < machine.memory.size else None,
            huge_pages="hugepages" in options,
        ),
        host_devices=tuple(_devices(options)),
        shared_folders=tuple(
            SharedFolder(key, options[key])
            for key in options
            if re.fullmatch("virtiofs[0-9]{1,2}", key, re.ASCII)
        ),
        snapshots=tuple(Snapshot(name) for name in snapshots),
        clock=_clock(options),
        watchdog=properties(options.get("watchdog", ""), "model").get("model", ""),
    )


def _percent(text: str) -> int | None:
    """Return a number of processors, such as 1.5, in percent of one."""
    if not re.fullmatch(r"[0-9]{1,5}(\.[0-9]{1,4})?", text, re.ASCII):
        return None
    return round(float(text) * 100) or None


def _clock(options: Mapping[str, str]) -> Clock | None:
    """Return what is stated; without a word Proxmox VE goes by the guest's kind."""
    return {"1": Clock.LOCAL, "0": Clock.UTC}.get(options.get("localtime", ""))


def _devices(options: Mapping[str, str]) -> list[HostDevice]:
    found = []
    for key, value in options.items():
        if re.fullmatch("hostpci[0-9]{1,2}", key, re.ASCII):
            words = properties(value, "host")
            shows = words.get("x-vga") == "1" or "mdev" in words
            kind = HostDeviceKind.GPU if shows else HostDeviceKind.PCI
            found.append(HostDevice(key, kind, words.get("host") or words.get("mapping", "")))
        elif re.fullmatch("usb[0-9]{1,2}", key, re.ASCII):
            host = properties(value, "host").get("host", "")
            spice = host.lower() == "spice"
            kind = HostDeviceKind.USB_REDIRECTION if spice else HostDeviceKind.USB
            found.append(HostDevice(key, kind, host))
    return found
