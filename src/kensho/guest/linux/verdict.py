"""Will this kernel find its disk there? Told from its files, without a boot.

For every device the drivers are looked up as the kernel does it: the device's modalias in the
kernel's own index, then whether the module is in the kernel, in the initramfs (all it needs with
it), on the root file system alone, or nowhere.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable
from dataclasses import dataclass

from kensho.guest.devices import CONTROLLERS, NICS, REFUSING, TAKEN_OVER, Device
from kensho.guest.linux.initramfs.image import Initramfs
from kensho.guest.linux.modules.index import ModuleIndex, is_module, module_name
from kensho.model.machine import ControllerModel, NicModel


class Place(enum.StrEnum):
    """Where a driver is; the order is that of how late it is there."""

    KERNEL = "kernel"
    INITRAMFS = "initramfs"
    ROOT = "root"  #: only on the root file system: too late for the disk that one is on
    NOWHERE = "nowhere"


_ORDER = tuple(Place)
_NASH = b"#!/bin/nash"
_INSMOD = re.compile(r"^[ \t]*insmod[ \t]+(\S+\.ko)\b", re.MULTILINE)
_MOST_SCRIPT = 1 << 20


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found for a device: the latest place of all it needs.

    ``drivers`` are the modules that drive it, in the kernel or out; ``lacking`` those that are not
    where they have to be, or the modaliases that no driver of this kernel knows.
    """

    model: str
    place: Place
    works: bool
    drivers: tuple[str, ...]
    lacking: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel of the guest: what it was built with, and the initramfs it starts with, if any."""

    version: str
    index: ModuleIndex
    in_initramfs: frozenset[str] = frozenset()


def modules_in(initramfs: Initramfs, version: str) -> frozenset[str]:
    """Return the names of the modules for this kernel in an initramfs."""
    init = initramfs.get("init")
    if init is not None and bytes(init.data[:_MOST_SCRIPT]).startswith(_NASH):
        # Red Hat's up to 5: what the script names is loaded, and nothing else.
        loaded = _INSMOD.findall(bytes(init.data[:_MOST_SCRIPT]).decode("ascii", "replace"))
        return frozenset(module_name(path) for path in loaded if initramfs.get(path))
    return frozenset(module_files(initramfs, version))


def module_files(initramfs: Initramfs, version: str) -> dict[str, str]:
    """Return the paths of the modules for this kernel in an initramfs, by name."""
    folder = initramfs.real(f"lib/modules/{version}") + "/"
    return {
        module_name(name): name
        for name, entry in initramfs.files.items()
        if name.startswith(folder) and is_module(name) and not entry.is_folder
    }


def judge_controller(kernel: Kernel, model: ControllerModel, platform: str = "") -> Verdict | None:
    """Tell whether the kernel finds its root on this controller; None for what is not known.

    ``platform`` is the name of the one whose controller it is: see `TAKEN_OVER`.
    """
    device = CONTROLLERS.get(model)
    other = TAKEN_OVER.get(platform, {}).get(model)
    if other is not None and any(_has(kernel, name) for name in other.linux):
        device = other
    return None if device is None else _judge(kernel, model.value, device, at_start=True)


def judge_nic(kernel: Kernel, model: NicModel) -> Verdict | None:
    """Tell whether the kernel drives this adapter, by a module of the root file system at last."""
    device = NICS.get(model)
    return None if device is None else _judge(kernel, model.value, device, at_start=False)


def _judge(kernel: Kernel, name: str, device: Device, *, at_start: bool) -> Verdict:
    drivers: dict[str, None] = {}
    unknown: list[str] = []
    for modalias in device.modaliases:
        found = _drivers(kernel.index, modalias, device)
        # Any one that is there in time will do; that it is the first one is the kernel's choice.
        best = min(found, key=lambda n: _ORDER.index(_place(kernel, n)), default=None)
        if best is None:
            unknown.append(modalias)
        else:
            drivers[best] = None
    drivers |= dict.fromkeys(device.upper)
    drivers |= dict.fromkeys(name for name in device.under if name in kernel.index.files)
    places = {driver: _place(kernel, driver) for driver in drivers}
    worst = max(places.values(), key=_ORDER.index, default=Place.KERNEL)
    if unknown:
        worst = Place.NOWHERE
    in_time = {Place.KERNEL, Place.INITRAMFS} if at_start else set(_ORDER[:3])
    late = tuple(driver for driver, place in places.items() if place not in in_time)
    return Verdict(name, worst, worst in in_time, tuple(drivers), (*late, *unknown))


def _drivers(index: ModuleIndex, modalias: str, device: Device) -> tuple[str, ...]:
    found = tuple(name for name in index.drivers(modalias) if name not in REFUSING)
    # What is made for it is what the kernel takes, wherever that is.
    found = tuple(name for name in found if name in device.linux) or found
    # Kernels before 5.2 do not tell what the drivers in them are for: go by their names. virtio's has two
    # of them, the one for its bus and the one on that.
    bus = modalias.startswith("pci:")
    names = (
        name for name in device.linux if (name == "virtio_pci") is bus or len(device.linux) == 1
    )
    return found or tuple(name for name in names if name in index.builtin)


def _has(kernel: Kernel, name: str) -> bool:
    return name in kernel.index.builtin or name in kernel.index.files


def _place(kernel: Kernel, name: str) -> Place:
    """Return where a module is, together with all it cannot be loaded without."""
    if name in kernel.index.builtin:
        return Place.KERNEL
    if name not in kernel.index.files:
        return Place.NOWHERE
    needed: Iterable[str] = _needed(kernel.index, name)
    here = all(other in kernel.in_initramfs for other in needed)
    return Place.INITRAMFS if here else Place.ROOT


def _needed(index: ModuleIndex, name: str) -> set[str]:
    """Return a module and what it hard depends on; modules.dep lists all levels at once."""
    return {name, *(other for other in index.needs.get(name, ()) if other in index.files)}
