"""Facts of a machine beside its devices' places: what a form can say stays, the rest goes.

What goes is told by the rules, which compare before and after.
"""

from __future__ import annotations

from typing import Any

import msgspec

from kensho.model.machine import Controller, Disk, Machine
from kensho.platforms.base import Carries

#: Fields of a disk that not every form can say, with what stands for nothing.
DISK_MODES: dict[str, Any] = {
    "read_only": False,
    "independent": False,
    "nonpersistent": False,
    "shared": False,
    "solid_state": False,
    "cache": "",
    "iops": None,
    "bandwidth": None,
    "encrypted": False,
}


def keep_facts(machine: Machine, carries: Carries) -> Machine:
    """Return the machine with the facts that a form carries, and no others."""
    change = msgspec.structs.replace
    cpu, memory, video = machine.cpu, machine.memory, machine.video
    dynamic = carries.dynamic_memory and memory.minimum is not None
    if video is not None and not carries.video_3d:
        video = change(video, accelerated_3d=False)
    return change(
        machine,
        cpu=change(
            cpu,
            hot_add=cpu.hot_add and carries.cpu_hot_add,
            nested_virtualization=cpu.nested_virtualization and carries.nested_virtualization,
            reservation_hz=cpu.reservation_hz if carries.reservations else None,
            limit_hz=cpu.limit_hz if carries.reservations else None,
            model="",
            pinned=False,
            numa_nodes=0,
            limit_percent=None,
        ),
        memory=change(
            memory,
            hot_add=memory.hot_add and carries.memory_hot_add,
            reservation=memory.reservation if carries.reservations else None,
            limit=memory.limit
            if carries.reservations or (dynamic and carries.most_memory)
            else None,
            minimum=memory.minimum if dynamic else None,
            huge_pages=False,
        ),
        drives=tuple(
            _disk(d, machine.controller(d.controller), carries) if isinstance(d, Disk) else d
            for d in machine.drives
        ),
        video=video if carries.video else None,
        clock=machine.clock if carries.clock else None,
        host_devices=(),
        shared_folders=(),
        snapshots=(),
        watchdog="",
    )


def _disk(disk: Disk, controller: Controller | None, carries: Carries) -> Disk:
    gone = {k: v for k, v in DISK_MODES.items() if k not in carries.disk_modes}
    for mode, buses in carries.modes_on.items():
        if controller is None or controller.bus not in buses:
            gone[mode] = DISK_MODES[mode]
    if disk.cache not in carries.caches:
        gone["cache"] = ""
    return msgspec.structs.replace(disk, **gone)
