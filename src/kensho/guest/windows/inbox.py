r"""The drivers for disks that Windows itself brings, and how they are made to start with it.

An installed Windows starts only the drivers of the controllers it has seen: others it has on disk,
and they wait on demand (``Start`` 3, or since Windows 8 ``StartOverride``). Enabled here are those
of every controller that a hypervisor offers, so that the machine finds its disk on any of them.

Sources: "HKLM\SYSTEM\CurrentControlSet\Services Registry Tree" of the Windows driver documentation
(``Start``, ``Type``, ``Group``); KB 314082 (``CriticalDeviceDatabase``, Windows up to 7, and the services
of IDE's drivers in XP); the drivers' own INF files (mshdc.inf, lsi_sas.inf, stornvme.inf, wstorvsc.inf)
for services and ids. That the buses are overridden like the drivers where a machine had none (a
second generation machine of Hyper-V has no PCI) is known from machines that did not start after such
a move: https://github.com/Azure/SAP-on-Azure-Scripts-and-Utilities/issues/147.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass

from kensho.guest.devices import CONTROLLERS
from kensho.guest.windows.changes import Editor
from kensho.guest.windows.control_sets import control_sets
from kensho.guest.windows.hive import Hive, Key, dword, expand_sz, sz
from kensho.guest.windows.version import WindowsVersion
from kensho.model.machine import ControllerModel as C

IDE_CLASS = "{4D36E96A-E325-11CE-BFC1-08002BE10318}"
SCSI_CLASS = "{4D36E97B-E325-11CE-BFC1-08002BE10318}"
BOOT_START = 0
_BOUND_BY_DATABASE = (6, 2)  #: from Windows 8 on, where a driver belongs is in DriverDatabase

XP, SERVER_2003, VISTA, SEVEN, EIGHT, EIGHT_1 = (5, 1), (5, 2), (6, 0), (6, 1), (6, 2), (6, 3)
NEWEST = (99, 0)


@dataclass(frozen=True, slots=True)
class InBox:
    r"""A driver in the box of Windows ``first`` to ``last`` (NT's versions).

    ``serves`` are the controllers it is for; ``ids`` the hardware ids it is bound by up to Windows 7.
    """

    service: str
    serves: tuple[C, ...]
    first: tuple[int, int] = XP
    last: tuple[int, int] = NEWEST
    class_guid: str = SCSI_CLASS
    ids: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()  #: files beside its own, in ``System32\drivers``


@dataclass(frozen=True, slots=True)
class Enabled:
    """The controllers that Windows starts from now, and the drivers that could not be enabled: why."""

    controllers: tuple[C, ...]
    lacking: tuple[tuple[InBox, str], ...] = ()


_IDE = (C.IDE, C.PIIX3, C.PIIX4, C.ICH6)
_CHANNELS = ("Primary_IDE_Channel", "Secondary_IDE_Channel", "*PNP0600")
_INTEL = ("PCI#VEN_8086&DEV_7010", "PCI#VEN_8086&DEV_7111", "PCI#VEN_8086&DEV_266F")

IN_BOX: tuple[InBox, ...] = (
    InBox("atapi", _IDE, class_guid=IDE_CLASS, ids=_CHANNELS),
    InBox("intelide", _IDE, class_guid=IDE_CLASS, ids=_INTEL, needs=("pciidex.sys",)),
    InBox("pciide", _IDE, class_guid=IDE_CLASS, ids=("PCI#CC_0101",), needs=("pciidex.sys",)),
    InBox("msahci", (C.AHCI,), VISTA, SEVEN, IDE_CLASS, ("PCI#CC_0106",)),
    InBox("storahci", (C.AHCI,), EIGHT),
    InBox("stornvme", (C.NVME,), EIGHT_1),
    InBox("symmpi", (C.LSILOGIC,), XP, SERVER_2003, ids=("PCI#VEN_1000&DEV_0030",)),
    InBox("LSI_SCSI", (C.LSILOGIC,), VISTA, SEVEN, ids=("PCI#VEN_1000&DEV_0030",)),
    InBox("LSI_SAS", (C.LSISAS,), VISTA, ids=("PCI#VEN_1000&DEV_0054",)),
    InBox("vmbus", (C.HYPERV_SCSI,), SEVEN),
    InBox("storvsc", (C.HYPERV_SCSI,), SEVEN),
)


#: Buses that Windows 8 and later override as well where a machine has none.
_PCI, _BUSES = "pci", ("pci", "vpci")
#: XP and Server 2003 have services for IDE only where Setup saw it: group and place in it by KB 314082.
_MERGED = {
    "atapi": ("SCSI miniport", 25),
    "intelide": ("System Bus Extender", 4),
    "pciide": ("System Bus Extender", 3),
}


def in_box(version: WindowsVersion) -> tuple[InBox, ...]:
    """Return the drivers that this Windows has in its box."""
    return tuple(driver for driver in IN_BOX if driver.first <= version.nt <= driver.last)


def served_in_box(
    version: WindowsVersion, boot: Collection[str], services: Collection[str]
) -> tuple[C, ...]:
    """Return the controllers that are served when ``boot`` start with Windows, of all ``services``.

    Names are in lower case. A controller needs all of its drivers: the bus' and the disk's.
    """
    served: dict[C, bool] = {}
    no_pci = _PCI in services and _PCI not in boot
    for driver in in_box(version):
        for model in driver.serves:
            unreached = no_pci and bool(CONTROLLERS[model].chips)
            ready = driver.service.lower() in boot and not unreached
            served[model] = served.get(model, True) and ready
    return tuple(model for model, whole in served.items() if whole)


def starts_of(system: Hive, control_set: str) -> dict[str, int | None]:
    """Return each service's name in lower case and when it starts, ``StartOverride`` looked at.

    It has a number for each hardware configuration; which one is another machine's, nobody knows, so
    that the latest counts.
    """
    found: dict[str, int | None] = {}
    key = system.find(rf"{control_set}\Services")
    for service in key.subkeys() if key is not None else ():
        value, override = service.value("Start"), service.subkey("StartOverride")
        over = [v.number for v in override.values()] if override is not None else []
        start = value.number if value is not None else None
        found[service.name.lower()] = max((n for n in over if n is not None), default=start)
    return found


def enable_in_box(
    system: Editor,
    version: WindowsVersion,
    *,
    wanted: Collection[C] | None = None,
    has_file: Callable[[str], bool] = lambda _: True,
) -> Enabled:
    r"""Let the drivers in the box start with Windows: those for ``wanted`` controllers, or all.

    ``has_file`` tells of a path below the system's root (``System32\drivers\atapi.sys``) whether it is
    there: a driver without its file would stop Windows where it matters (``ErrorControl`` 3).
    """
    sets = control_sets(system.hive)
    lacking: list[tuple[InBox, str]] = []
    for driver in in_box(version):
        if wanted is not None and not set(driver.serves) & set(wanted):
            continue
        for control_set in sets:
            problem = _enable(system, control_set, driver, version, has_file)
            if problem and control_set == sets[0]:
                lacking.append((driver, problem))
    if version.nt >= _BOUND_BY_DATABASE:
        for control_set, bus in itertools.product(sets, _BUSES):
            start_with_windows(system, control_set, bus, has_file)
    starts = starts_of(system.hive, sets[0])
    boot = {name for name, start in starts.items() if start == BOOT_START}
    return Enabled(served_in_box(version, boot, starts), tuple(lacking))


def start_with_windows(
    system: Editor, control_set: str, service: str, has_file: Callable[[str], bool]
) -> str:
    """Let a driver that is installed start with Windows; return why it cannot."""
    path = rf"{control_set}\Services\{service}"
    key = system.hive.find(path)
    if key is None:
        return "Windows has no such service"
    problem = lacks_file(key, service, has_file)
    if problem:
        return problem
    system.set(path, dword("Start", BOOT_START))
    # What says, installation by installation, that the driver is not wanted after all.
    system.delete_key(rf"{path}\StartOverride")
    return ""


def lacks_file(key: Key | None, service: str, has_file: Callable[[str], bool]) -> str:
    """Return what a driver's file is that is not there, empty when it is; ``key`` is the service's."""
    image = key.value("ImagePath") if key is not None else None
    file = image_path(image.text if image is not None else "", service)
    if file and has_file(file):
        return ""
    return f"its file is not there: {file or (image.text if image else '')}"


def _enable(
    system: Editor,
    control_set: str,
    driver: InBox,
    version: WindowsVersion,
    has_file: Callable[[str], bool],
) -> str:
    """Enable a driver in one control set; return why it cannot be."""
    path = rf"{control_set}\Services\{driver.service}"
    key = system.hive.find(path)
    merged = driver.service in _MERGED and version.nt < VISTA
    if key is None and not merged:
        return "Windows has no such service"
    problem = lacks_file(key, driver.service, has_file)
    if problem:
        return problem
    for file in (rf"System32\drivers\{name}" for name in driver.needs):
        if not has_file(file):
            return f"its file is not there: {file}"
    if merged:
        _merge(system, path, driver.service)
    start_with_windows(system, control_set, driver.service, has_file)
    if version.nt < _BOUND_BY_DATABASE:
        for identity in driver.ids:
            system.set(
                rf"{control_set}\Control\CriticalDeviceDatabase\{identity}",
                sz("Service", driver.service),
                sz("ClassGUID", driver.class_guid),
            )
    return ""


def _merge(system: Editor, path: str, service: str) -> None:
    """Fill in what the service lacks of the values that KB 314082 gives it."""
    group, tag = _MERGED[service]
    key = system.hive.find(path)
    for value in (
        dword("Type", 1),
        dword("ErrorControl", 1),
        sz("Group", group),
        dword("Tag", tag),
        expand_sz("ImagePath", rf"System32\drivers\{service}.sys"),
    ):
        if key is None or key.value(value.name) is None:
            system.set(path, value)


def image_path(image: str, service: str) -> str:
    r"""Return a driver's file below the system's root; empty where it is elsewhere.

    ``image`` is the service's ``ImagePath``; without one it is ``System32\drivers`` and the service's
    name (the driver documentation, "Services Registry Tree").
    """
    if not image:
        return rf"System32\drivers\{service}.sys"
    match = re.fullmatch(
        r"(?:\\?systemroot\\|%systemroot%\\|\\\?\?\\[a-z]:\\win(?:dows|nt)\\)?((?:system32|inf)\\.+)",
        image.strip(),
        re.IGNORECASE,
    )
    return match[1] if match is not None and ".." not in match[1] else ""
