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
from kensho.guest.windows.hive import binary, dword, expand_sz, multi_sz, sz
from kensho.guest.windows.inbox import BOOT_START, SCSI_CLASS
from kensho.guest.windows.version import WindowsVersion
from kensho.model.errors import UsageError

_KERNEL_DRIVER, _NORMAL = 1, 1  # Type and ErrorControl
_SIGNED = b"\x01\xff\x00\x00"  # how well the id matches: best, and the package is trusted
_PROCESSORS = {"x86": 0, "arm64": 12, "amd64": 9}
_PLAIN = re.compile(r"[A-Za-z0-9_]{1,32}")
_ID = re.compile(r"VEN_[0-9A-F]{4}&DEV_[0-9A-F]{4}(&SUBSYS_[0-9A-F]{8})?(&REV_[0-9A-F]{2})?")


@dataclass(frozen=True, slots=True)
class Driver:
    """A driver for disks: ``service`` names it and ``service.sys``; ``ids`` are PCI hardware ids."""

    service: str
    ids: tuple[str, ...]


def register(system: Editor, version: WindowsVersion, driver: Driver) -> None:
    r"""Register a driver whose file lies in ``System32\drivers``.

    Raises UsageError for a name or an id that is none.
    """
    if not _PLAIN.fullmatch(driver.service):
        raise UsageError(f"{driver.service[:80]!r} cannot be a driver's name")
    for identity in driver.ids:
        if not _ID.fullmatch(identity):
            raise UsageError(f"{identity[:80]!r} is no PCI hardware id (VEN_1234&DEV_5678)")
    database = system.hive.find("DriverDatabase") is not None
    for control_set in control_sets(system.hive):
        _add_service(system, control_set, driver)
        if not database:
            _bind_critical_device(system, control_set, driver)
    if database:
        _bind_in_database(system, version, driver)


def _add_service(system: Editor, control_set: str, driver: Driver) -> None:
    path = rf"{control_set}\Services\{driver.service}"
    system.set(
        path,
        dword("Type", _KERNEL_DRIVER),
        dword("Start", BOOT_START),
        dword("ErrorControl", _NORMAL),
        sz("Group", "SCSI miniport"),
        expand_sz("ImagePath", rf"system32\drivers\{driver.service}.sys"),
    )
    system.delete_key(rf"{path}\StartOverride")


def _bind_critical_device(system: Editor, control_set: str, driver: Driver) -> None:
    for identity in driver.ids:
        system.set(
            rf"{control_set}\Control\CriticalDeviceDatabase\PCI#{identity}",
            sz("Service", driver.service),
            sz("ClassGUID", SCSI_CLASS),
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
    system.set(root, binary("Version", _version_of(version)))
    system.set(
        rf"{root}\Configurations\{configuration}",
        dword("ConfigFlags", 0),
        sz("Service", driver.service),
    )
    for identity in driver.ids:
        system.set(rf"DriverDatabase\DeviceIds\PCI\{identity}", binary(inf, _SIGNED))
        system.set(rf"{root}\Descriptors\PCI\{identity}", sz("Configuration", configuration))


def _version_of(version: WindowsVersion) -> bytes:
    """Return the head of a package: processor, class, date and version of the driver (unknown)."""
    processor = _PROCESSORS.get(version.architecture, _PROCESSORS["amd64"])
    guid = uuid.UUID(SCSI_CLASS).bytes_le
    return struct.pack("<BBHI", 0, 0xFF, processor, 0) + guid + bytes(24)
