r"""An installed Windows by its files: version, what it starts from, whether it was shut down.

Sources: the registry as in `version.py`, `inbox.py`, `services.py`; hiberfil.sys begins with
``hibr`` when it holds a system to be resumed, which Fast Startup leaves behind as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kensho.guest.files.tree import GuestFiles
from kensho.guest.package import Package
from kensho.guest.windows.control_sets import control_sets
from kensho.guest.windows.hive import Hive, open_hive
from kensho.guest.windows.inbox import BOOT_START, in_box, served_in_box, starts_of
from kensho.guest.windows.listed import Service, programs_of, services_of
from kensho.guest.windows.services import OWN
from kensho.guest.windows.version import WindowsVersion, read_version
from kensho.model.errors import KenshoError
from kensho.model.machine import ControllerModel as C
from kensho.model.machine import GuestOs

_FOLDERS = ("/Windows", "/WINNT")
_MAX_HIVE = 512 << 20
_MAX_NAMES = 64
#: Drivers that vendors supply, and what they are for; nothing else is needed with them.
SUPPLIED = {
    "viostor": C.VIRTIO_BLK,
    "vioscsi": C.VIRTIO_SCSI,
    "pvscsi": C.PVSCSI,
    "xenvbd": C.XEN_VBD,
}
STAND_INS_OF_XEN = (C.PIIX3, C.NVME)
#: (NT's version, server) → row of ``kensho.model.guest_os``; NT 10 is told apart by its build.
_ROWS = {
    ((5, 0), False): "win2k", ((5, 1), False): "winxp", ((5, 2), False): "winxp",
    ((5, 2), True): "win2k3", ((6, 0), False): "winvista", ((6, 0), True): "win2k8",
    ((6, 1), False): "win7", ((6, 1), True): "win2k8r2", ((6, 2), False): "win8",
    ((6, 2), True): "win2k12", ((6, 3), False): "win8.1", ((6, 3), True): "win2k12r2",
}  # fmt: skip
_SERVERS = ((26100, "win2k25"), (20348, "win2k22"), (17763, "win2k19"), (0, "win2k16"))
_HIVES = (
    "SYSTEM",
    "SOFTWARE",
    "SAM",
    "SECURITY",
    "DEFAULT",
    "COMPONENTS",
    "DRIVERS",
    "ELAM",
    "BBI",
)
_FIRST_BUILD_OF_11 = 22000


@dataclass(frozen=True, slots=True)
class Installed:
    """What was found.

    ``controllers`` are those it starts from as it is, ``tools`` the platforms whose services it has;
    ``hibernated`` tells that it was not shut down but put to sleep.
    """

    folder: str
    version: WindowsVersion
    hostname: str
    boot_drivers: tuple[str, ...]
    controllers: tuple[C, ...]
    tools: tuple[str, ...]
    static_addresses: int
    hibernated: bool
    services: tuple[Service, ...] = ()
    programs: tuple[Package, ...] = ()

    @property
    def guest(self) -> GuestOs:
        """The nearest row of ``kensho.model.guest_os``."""
        return GuestOs(
            _row(self.version),
            version=f"{self.version.major}.{self.version.minor}.{self.version.build}",
            description=self.version.product,
        )


def windows_folder(files: GuestFiles) -> str:
    """Return the folder of an installed Windows, empty when there is none."""
    for folder in _FOLDERS:
        if files.exists(f"{folder}/System32/config/SOFTWARE"):
            return folder
    return ""


def hives_of(files: GuestFiles, folder: str) -> tuple[str, ...]:
    """Return the paths of the registry's hives that are there, those of users left out."""
    config = f"{folder}/System32/config"
    known = {name.upper() for name in _HIVES}
    return tuple(
        f"{config}/{name}" for name in files.names_or_none(config) if name.upper() in known
    )


def load_hive(files: GuestFiles, folder: str, name: str) -> Hive:
    """Open a hive of ``System32/config`` with its logs; what reading and `open_hive` raise."""
    path = f"{folder}/System32/config/{name}"
    logs = [
        files.read(path + suffix, _MAX_HIVE)
        for suffix in (".LOG", ".LOG1", ".LOG2")
        if files.exists(path + suffix)
    ]
    return open_hive(files.read(path, _MAX_HIVE), logs, path=path)


def read_installed(files: GuestFiles, folder: str) -> Installed:
    """Return what the hives and files of a Windows tell; CorruptError kinds when they do not."""
    system = load_hive(files, folder, "SYSTEM")
    software = load_hive(files, folder, "SOFTWARE")
    version = read_version(software, system)
    current = control_sets(system)[0]
    starts = starts_of(system, current)
    boot = tuple(sorted(name for name, start in starts.items() if start == BOOT_START))
    return Installed(
        folder=folder,
        version=version,
        hostname=_hostname(system, current),
        boot_drivers=boot,
        controllers=controllers_of(version, starts),
        tools=tuple(sorted(p for p, names in OWN.items() if names & set(starts))),
        static_addresses=_static(system, current),
        hibernated=_hibernated(files),
        services=tuple(services_of(system, current)),
        programs=programs_of(software),
    )


def controllers_of(version: WindowsVersion, starts: Mapping[str, int | None]) -> tuple[C, ...]:
    """Return the controllers that a Windows starts from, by when its services start.

    Xen shows the first disks of a machine on an emulated controller as well, until its drivers
    take over: on IDE under a BIOS, XenServer on NVMe under UEFI. A Windows that has drivers for both
    (NVMe where it has one at all) starts there without Xen's.
    """
    boot = {name for name, start in starts.items() if start == BOOT_START}
    served = dict.fromkeys(served_in_box(version, boot, starts))
    served |= dict.fromkeys(model for service, model in SUPPLIED.items() if service in boot)
    known = {model for driver in in_box(version) for model in driver.serves}
    if all(model in served for model in STAND_INS_OF_XEN if model in known):
        served[C.XEN_VBD] = None
    return tuple(served)


def _hostname(system: Hive, current: str) -> str:
    key = system.find(rf"{current}\Control\ComputerName\ComputerName")
    value = key.value("ComputerName") if key is not None else None
    return value.text.strip()[:_MAX_NAMES] if value is not None else ""


def _static(system: Hive, current: str) -> int:
    """Return how many adapters have addresses that no DHCP server gave."""
    key = system.find(rf"{current}\Services\Tcpip\Parameters\Interfaces")
    count = 0
    for interface in key.subkeys() if key is not None else ():
        dhcp, address = interface.value("EnableDHCP"), interface.value("IPAddress")
        has_address = address is not None and any(a not in {"", "0.0.0.0"} for a in address.strings)  # noqa: S104
        if dhcp is not None and dhcp.number == 0 and has_address:
            count += 1
    return count


def _hibernated(files: GuestFiles) -> bool:
    try:
        return files.head("/hiberfil.sys", 4).lower() == b"hibr"
    except KenshoError:
        return False


def _row(version: WindowsVersion) -> str:
    if version.nt >= (10, 0):
        if version.server:
            row = next(row for build, row in _SERVERS if version.build >= build)
        else:
            row = "win11" if version.build >= _FIRST_BUILD_OF_11 else "win10"
    else:
        row = _ROWS.get((version.nt, version.server), "windows")
    narrow = {"winxp", "win2k3", "winvista", "win2k8", "win7", "win8", "win8.1", "win10", "windows"}
    return f"{row}-32" if version.architecture == "x86" and row in narrow else row
