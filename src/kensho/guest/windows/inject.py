r"""Drivers for disks that the user supplies, made known to a Windows that is not running.

What Setup would do with the driver's INF on a running Windows, as far as it takes for the first start:
a service that starts with the kernel, and the binding of the hardware's ids to it. Plug and Play
installs the rest then. Sources: "HKLM\SYSTEM\CurrentControlSet\Services Registry Tree"; the bindings
are ``CriticalDeviceDatabase`` (KB 314082) up to Windows 7 and ``DriverDatabase`` since Windows 8, the
layout of which Microsoft does not document: it is that of a Windows that has such a driver.
"""

from __future__ import annotations

import re
import struct
import uuid
from dataclasses import dataclass

from kensho.guest.windows.changes import Editor
from kensho.guest.windows.control_sets import control_sets
from kensho.guest.windows.hive import Value, binary, dword, expand_sz, multi_sz, sz
from kensho.guest.windows.inbox import BOOT_START, IDE_CLASS, SCSI_CLASS
from kensho.guest.windows.version import WindowsVersion
from kensho.model.errors import UsageError

_KERNEL_DRIVER, _NORMAL = 1, 1  # Type and ErrorControl
_SIGNED = b"\x01\xff\x00\x00"  # how well the id matches: best, and the package is trusted
_PROCESSORS = {"x86": 0, "arm64": 12, "amd64": 9}
_PLAIN = re.compile(r"[A-Za-z0-9_]{1,32}")
_FILE = re.compile(r"[A-Za-z0-9_.-]{1,64}\.sys", re.IGNORECASE)
_CLASS = re.compile(r"\{[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}\}", re.IGNORECASE)
_ID = re.compile(r"[A-Z0-9_]{1,32}\\[!-~]{1,200}")
_PCI = re.compile(
    r"PCI\\(VEN_[0-9A-F]{4}&DEV_[0-9A-F]{4}(&SUBSYS_[0-9A-F]{8})?(&REV_[0-9A-F]{2})?|CC_[0-9A-F]{4,6})"
)
#: Classes of the drivers that disks are found by.
BOOT_CLASSES = (SCSI_CLASS, IDE_CLASS)


@dataclass(frozen=True, slots=True)
class Driver:
    r"""A driver for disks.

    ``ids`` are hardware ids with their bus (``PCI\VEN_1AF4&DEV_1001``), ``file`` is its name in
    ``System32\drivers``, the service's by default. ``values`` are (key below the service's, value).
    """

    service: str
    ids: tuple[str, ...]
    file: str = ""
    class_guid: str = SCSI_CLASS
    group: str = "SCSI miniport"
    error_control: int = _NORMAL
    values: tuple[tuple[str, Value], ...] = ()

    @property
    def sys(self) -> str:
        """The driver's file."""
        return self.file or f"{self.service}.sys"


def is_pci(identity: str) -> bool:
    """Tell whether a hardware id is of a device on PCI, in upper case as Windows has it."""
    return _PCI.fullmatch(identity) is not None


def register(system: Editor, version: WindowsVersion, driver: Driver) -> None:
    r"""Register a driver whose file lies in ``System32\drivers``.

    Raises what `check_driver` raises.
    """
    check_driver(driver)
    database = system.hive.find("DriverDatabase") is not None
    for control_set in control_sets(system.hive):
        _add_service(system, control_set, driver)
        if not database:
            _bind_critical_device(system, control_set, driver)
    if database:
        _bind_in_database(system, version, driver)


def check_driver(driver: Driver) -> None:
    """Raise UsageError for a name or an id that is none."""
    if not _PLAIN.fullmatch(driver.service) or not _FILE.fullmatch(driver.sys):
        raise UsageError(f"{driver.service[:80]!r}, {driver.sys[:80]!r} cannot be a driver's names")
    if not _CLASS.fullmatch(driver.class_guid):
        raise UsageError(f"{driver.class_guid[:80]!r} is no class of devices")
    for identity in driver.ids:
        if not _ID.fullmatch(identity) or identity.count("\\") != 1:
            raise UsageError(rf"{identity[:80]!r} is no hardware id (PCI\VEN_1234&DEV_5678)")


def _add_service(system: Editor, control_set: str, driver: Driver) -> None:
    path = rf"{control_set}\Services\{driver.service}"
    system.set(
        path,
        dword("Type", _KERNEL_DRIVER),
        dword("Start", BOOT_START),
        dword("ErrorControl", driver.error_control),
        sz("Group", driver.group),
        expand_sz("ImagePath", rf"system32\drivers\{driver.sys}"),
    )
    for below, value in driver.values:
        system.set(rf"{path}\{below}" if below else path, value)
    system.delete_key(rf"{path}\StartOverride")


def _bind_critical_device(system: Editor, control_set: str, driver: Driver) -> None:
    for identity in driver.ids:
        system.set(
            rf"{control_set}\Control\CriticalDeviceDatabase\{identity.replace(chr(92), '#')}",
            sz("Service", driver.service),
            sz("ClassGUID", driver.class_guid),
        )


def _bind_in_database(system: Editor, version: WindowsVersion, driver: Driver) -> None:
    inf = f"{driver.service.lower()}.inf"
    # The hash of the package's folder in the driver store, of which there is none yet.
    package = f"{inf}_{version.architecture or 'amd64'}_0000000000000000"
    configuration = f"{driver.service.lower()}_conf"
    system.set(
        rf"DriverDatabase\DriverInfFiles\{inf}",
        multi_sz("", (package,)),
        sz("Active", package),
        multi_sz("Configurations", (configuration,)),
    )
    root = rf"DriverDatabase\DriverPackages\{package}"
    system.set(root, binary("Version", _version_of(version, driver.class_guid)))
    system.set(
        rf"{root}\Configurations\{configuration}",
        dword("ConfigFlags", 0),
        sz("Service", driver.service),
    )
    for identity in driver.ids:
        system.set(rf"DriverDatabase\DeviceIds\{identity}", binary(inf, _SIGNED))
        system.set(rf"{root}\Descriptors\{identity}", sz("Configuration", configuration))


def _version_of(version: WindowsVersion, class_guid: str) -> bytes:
    """Return the head of a package: processor, class, date and version of the driver.

    These two are left at nothing, so that the INF beats this entry when Plug and Play looks for one.
    """
    processor = _PROCESSORS.get(version.architecture, _PROCESSORS["amd64"])
    guid = uuid.UUID(class_guid).bytes_le
    return struct.pack("<BBHI", 0, 0xFF, processor, 0) + guid + bytes(24)
