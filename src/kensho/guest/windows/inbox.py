r"""The drivers for disks that Windows itself brings, and how they are made to start with it.

An installed Windows starts only the drivers of the controllers it has seen: others it has on disk,
and they wait on demand (``Start`` 3, or since Windows 8 ``StartOverride``). Enabled here are those
of every controller that a hypervisor offers, so that the machine finds its disk on any of them.

Sources: "HKLM\SYSTEM\CurrentControlSet\Services Registry Tree" of the Windows driver documentation
(``Start``, ``Type``, ``Group``); KB 314082 (``CriticalDeviceDatabase``, Windows up to 7); the drivers'
own INF files (mshdc.inf, lsi_sas.inf, stornvme.inf, wstorvsc.inf) for services and ids.
"""

from __future__ import annotations

from dataclasses import dataclass

from kensho.guest.windows.changes import Editor
from kensho.guest.windows.control_sets import control_sets
from kensho.guest.windows.hive import dword, sz
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
    """A driver in the box of Windows ``first`` to ``last`` (NT's versions).

    ``serves`` are the controllers it is for; ``ids`` the hardware ids it is bound by up to Windows 7.
    """

    service: str
    serves: tuple[C, ...]
    first: tuple[int, int] = XP
    last: tuple[int, int] = NEWEST
    class_guid: str = SCSI_CLASS
    ids: tuple[str, ...] = ()


_IDE = (C.IDE, C.PIIX3, C.PIIX4, C.ICH6)
_CHANNELS = ("Primary_IDE_Channel", "Secondary_IDE_Channel", "*PNP0600")
_INTEL = ("PCI#VEN_8086&DEV_7010", "PCI#VEN_8086&DEV_7111", "PCI#VEN_8086&DEV_266F")

IN_BOX: tuple[InBox, ...] = (
    InBox("atapi", _IDE, class_guid=IDE_CLASS, ids=_CHANNELS),
    InBox("intelide", _IDE, class_guid=IDE_CLASS, ids=_INTEL),
    InBox("pciide", _IDE, class_guid=IDE_CLASS, ids=("PCI#CC_0101",)),
    InBox("msahci", (C.AHCI,), VISTA, SEVEN, IDE_CLASS, ("PCI#CC_0106",)),
    InBox("storahci", (C.AHCI,), EIGHT),
    InBox("stornvme", (C.NVME,), EIGHT_1),
    InBox("symmpi", (C.LSILOGIC,), XP, SERVER_2003, ids=("PCI#VEN_1000&DEV_0030",)),
    InBox("LSI_SCSI", (C.LSILOGIC,), VISTA, SEVEN, ids=("PCI#VEN_1000&DEV_0030",)),
    InBox("LSI_SAS", (C.LSISAS,), VISTA, ids=("PCI#VEN_1000&DEV_0054",)),
    InBox("vmbus", (C.HYPERV_SCSI,), SEVEN),
    InBox("storvsc", (C.HYPERV_SCSI,), SEVEN),
)


def in_box(version: WindowsVersion) -> tuple[InBox, ...]:
    """Return the drivers that this Windows has in its box."""
    return tuple(driver for driver in IN_BOX if driver.first <= version.nt <= driver.last)


def enable_in_box(system: Editor, version: WindowsVersion) -> tuple[C, ...]:
    """Let the drivers in the box start with Windows; return the controllers it then boots from.

    Only services that the hive has are enabled: one without its driver's file would stop Windows
    where it matters (``ErrorControl`` 3), and Setup has made a service for each file.
    """
    served: dict[C, bool] = {}
    sets = control_sets(system.hive)
    for driver in in_box(version):
        present = [_enable(system, name, driver, version) for name in sets]
        for model in driver.serves:
            # A controller needs all of its drivers: the bus' and the disk's.
            served[model] = served.get(model, True) and present[0]
    return tuple(model for model, whole in served.items() if whole)


def _enable(system: Editor, control_set: str, driver: InBox, version: WindowsVersion) -> bool:
    path = rf"{control_set}\Services\{driver.service}"
    if system.hive.find(path) is None:
        return False
    system.set(path, dword("Start", BOOT_START))
    # What says, installation by installation, that the driver is not wanted after all.
    system.delete_key(rf"{path}\StartOverride")
    if version.nt < _BOUND_BY_DATABASE:
        for identity in driver.ids:
            system.set(
                rf"{control_set}\Control\CriticalDeviceDatabase\{identity}",
                sz("Service", driver.service),
                sz("ClassGUID", driver.class_guid),
            )
    return True
