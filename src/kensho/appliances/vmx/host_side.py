"""What a VMX has of its host: devices passed through, shared folders, the clock, scheduling.

Keys as VMware's products write them. They stay among the extras, too: the neutral model says that
they are there, and only VMware knows what to do with them.
"""

from __future__ import annotations

import re

import msgspec

from kensho.appliances.vmx.keys import Keys
from kensho.model.host_side import Clock, HostDevice, HostDeviceKind, SharedFolder
from kensho.model.machine import Machine

_WORDS = frozenset({"", "all", "false"})


def add_host_side(machine: Machine, keys: Keys) -> Machine:
    """Return the machine with what it has of its host."""
    change = msgspec.structs.replace
    affinity = keys.peek("sched.cpu.affinity").lower()
    node = _number(keys, "numa.vcpu.maxpervirtualnode")
    cpu = change(
        machine.cpu,
        pinned=affinity not in _WORDS,
        numa_nodes=-(-machine.cpu.count // node) if node else 0,
    )
    large = keys.peek("sched.mem.lpage.enable1gpage").lower() == "true"
    return change(
        machine,
        cpu=cpu,
        memory=change(machine.memory, huge_pages=large),
        host_devices=tuple(_devices(keys, machine)),
        shared_folders=tuple(_folders(keys)),
        clock=_clock(keys),
        watchdog="vwdt" if keys.peek("vwdt.present").lower() == "true" else "",
    )


def _devices(keys: Keys, machine: Machine) -> list[HostDevice]:
    found: list[HostDevice] = []
    for number in keys.numbers("pcipassthru"):
        name = f"pcipassthru{number}"
        if keys.peek(f"{name}.present").lower() == "true":
            vgpu = keys.peek(f"{name}.vgpu")
            kind = HostDeviceKind.GPU if vgpu else HostDeviceKind.PCI
            text = vgpu or keys.peek(f"{name}.id") or keys.peek(f"{name}.deviceid")
            found.append(HostDevice(name, kind, text))
    found += [
        HostDevice(nic.id, HostDeviceKind.SRIOV, nic.network)
        for nic in machine.nics
        if keys.peek(f"{nic.id}.virtualdev").lower() == "sriov"
    ]
    for key in keys.names("usb.autoconnect.device"):
        if text := keys.peek(key):
            found.append(HostDevice(key, HostDeviceKind.USB, text))
    return found


def _folders(keys: Keys) -> list[SharedFolder]:
    found: list[SharedFolder] = []
    for number in keys.numbers("sharedfolder"):
        name = f"sharedfolder{number}"
        if keys.peek(f"{name}.enabled").lower() == "true":
            shown = keys.peek(f"{name}.guestname") or name
            found.append(SharedFolder(shown, keys.peek(f"{name}.hostpath")))
    return found


def _clock(keys: Keys) -> Clock | None:
    text = keys.peek("rtc.difffromutc")
    if not re.fullmatch(r"-?[0-9]{1,6}", text, re.ASCII):
        return None
    return Clock.LOCAL if int(text) else Clock.UTC


def _number(keys: Keys, key: str) -> int:
    text = keys.peek(key)
    return int(text) if re.fullmatch(r"[0-9]{1,4}", text, re.ASCII) else 0
