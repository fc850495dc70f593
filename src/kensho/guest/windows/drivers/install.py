"""What an INF does for a device: files copied, services made, values set.

Spec, all of https://learn.microsoft.com/windows-hardware/drivers/install/: ``inf-ddinstall-section``,
``inf-ddinstall-services-section``, ``inf-addservice-directive``, ``inf-addreg-directive``,
``inf-copyfiles-directive``, ``inf-sourcedisksfiles-section``, ``inf-version-section``.
"""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass

from kensho.guest.windows.drivers.inf import Inf
from kensho.guest.windows.drivers.targets import architecture_sections, models_for
from kensho.guest.windows.hive import Type, Value, binary, dword, expand_sz, multi_sz, sz
from kensho.guest.windows.version import WindowsVersion

_ASSOCIATED = 0x2  #: SPSVCINST_ASSOCSERVICE: the service is the device's own
_TYPES = {
    0x00000: Type.SZ,
    0x10000: Type.MULTI_SZ,
    0x20000: Type.EXPAND_SZ,
    0x00001: Type.BINARY,
    0x10001: Type.DWORD,
}
_DELETES, _KEY_ONLY = 0x4, 0x10
_MAX_IDS = 4096


@dataclass(frozen=True, slots=True)
class Service:
    """A service as AddService makes it.

    ``binary`` is the driver's file name. ``values`` are (key below the service's own, value).
    ``own`` tells that it drives the device and is no helper beside it.
    """

    name: str
    binary: str
    type: int
    start: int
    error_control: int
    group: str
    values: tuple[tuple[str, Value], ...]
    own: bool


@dataclass(frozen=True, slots=True)
class Device:
    """A device of a Models section: its hardware and compatible ids, as written, in upper case."""

    description: str
    ids: tuple[str, ...]
    services: tuple[Service, ...]
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Version:
    """The section [Version]; ``date`` and ``version`` are DriverVer's."""

    provider: str
    class_name: str
    class_guid: str
    date: datetime.date
    version: tuple[int, ...]
    catalogs: tuple[tuple[str, str], ...]  #: (decoration in lower case or empty, file name)
    locked: bool

    @property
    def text(self) -> str:
        """The version for people: ``100.94.104.24800 of 2023-07-24``."""
        return f"{'.'.join(map(str, self.version))} of {self.date.isoformat()}"

    def catalog(self, architecture: str) -> str:
        """Return the catalogue's file name for an architecture, empty when there is none."""
        known = dict(self.catalogs)
        return known.get(f"nt{architecture}") or known.get("nt") or known.get("") or ""


def read_version_section(inf: Inf) -> Version:
    """Read [Version]; what is missing or odd is empty or the smallest there is."""
    date = datetime.date.min
    numbers: tuple[int, ...] = (0,)
    for line in inf.entries("Version", "DriverVer"):
        match = re.fullmatch(r"\s*(\d{1,2})[/-](\d{1,2})[/-](\d{4})\s*", line.value(0))
        if match is not None:
            try:
                date = datetime.date(int(match[3]), int(match[1]), int(match[2]))
            except ValueError:
                date = datetime.date.min
        if re.fullmatch(r"\d{1,5}(\.\d{1,5}){0,3}", line.value(1)):
            numbers = tuple(map(int, line.value(1).split(".")))
    catalogs = []
    for line in inf.lines("Version"):
        key, _, decoration = line.key.lower().partition(".")
        if key == "catalogfile":
            catalogs.append((decoration, base_name(line.value(0))))
    return Version(
        provider=inf.entry("Version", "Provider"),
        class_name=inf.entry("Version", "Class"),
        class_guid=inf.entry("Version", "ClassGuid").upper(),
        date=date,
        version=numbers,
        catalogs=tuple(catalogs),
        locked=_number(inf.entry("Version", "PnpLockdown")) == 1,
    )


def devices_for(inf: Inf, windows: WindowsVersion) -> tuple[Device, ...]:
    """Return the devices that an INF drives on this Windows, none when it is not for it."""
    found = []
    for models in models_for(inf, windows):
        for line in models.lines[:_MAX_IDS]:
            section = _first(inf, architecture_sections(line.value(0), windows.architecture))
            if not section or len(line.values) < 2:
                continue
            ids = tuple(dict.fromkeys(word.upper() for word in line.values[1:] if word))
            files = (*_files(inf, section), *_files(inf, f"{section}.coinstallers"))
            found.append(Device(line.key, ids, _services(inf, f"{section}.services"), files))
    return tuple(found)


def base_name(path: str) -> str:
    """Return the last part of a path that an INF names."""
    return re.split(r"[\\/]", path.strip())[-1]


def source_folders(inf: Inf, architecture: str) -> dict[str, str]:
    r"""Return where the medium has files, by name in lower case: a folder with ``\``, or empty."""
    disks: dict[str, str] = {}
    for section in ("SourceDisksNames", f"SourceDisksNames.{architecture}"):
        for line in inf.lines(section):
            disks[line.key.lower()] = line.value(3)
    found: dict[str, str] = {}
    for section in ("SourceDisksFiles", f"SourceDisksFiles.{architecture}"):
        for line in inf.lines(section):
            parts = (disks.get(line.value(0).lower(), ""), line.value(1))
            found[line.key.lower()] = "\\".join(p.strip("\\") for p in parts if p.strip("\\"))
    return found


def _first(inf: Inf, names: tuple[str, ...]) -> str:
    return next((name for name in names if name and name.lower() in inf.sections), "")


def _files(inf: Inf, section: str) -> tuple[str, ...]:
    """Return the files that are copied, by their names on the medium."""
    found: dict[str, None] = {}
    for line in inf.entries(section, "CopyFiles"):
        for word in line.values:
            if word.startswith("@"):
                found[base_name(word[1:])] = None
                continue
            for copied in inf.lines(word):
                found[base_name(copied.value(1) or copied.value(0) or copied.key)] = None
    return tuple(name for name in found if name)


def _services(inf: Inf, section: str) -> tuple[Service, ...]:
    found = []
    for line in inf.entries(section, "AddService"):
        install = line.value(2)
        if not line.value(0) or not install:
            continue
        values: list[tuple[str, Value]] = []
        for added in inf.entries(install, "AddReg"):
            for name in added.values:
                values += _values(inf, name)
        found.append(
            Service(
                name=line.value(0),
                binary=base_name(inf.entry(install, "ServiceBinary")),
                type=_number(inf.entry(install, "ServiceType")),
                start=_number(inf.entry(install, "StartType"), 3),
                error_control=_number(inf.entry(install, "ErrorControl"), 1),
                group=inf.entry(install, "LoadOrderGroup"),
                values=tuple(values),
                own=bool(_number(line.value(1)) & _ASSOCIATED),
            )
        )
    return tuple(found)


def _values(inf: Inf, section: str) -> list[tuple[str, Value]]:
    """Return what AddReg sets below the service's key (HKR); other roots are PnP's to set."""
    found = []
    for line in inf.lines(section):
        root, key, name = (line.value(index) for index in range(3))
        flags = _number(line.value(3))
        if root.upper() != "HKR" or flags & (_DELETES | _KEY_ONLY):
            continue
        value = _value(name, _TYPES.get(flags & 0x30001), line.values[4:])
        if value is not None:
            found.append((key.strip("\\"), value))
    return found


def _value(name: str, kind: Type | None, words: tuple[str, ...]) -> Value | None:
    first = words[0] if words else ""
    if kind is Type.SZ:
        return sz(name, first)
    if kind is Type.EXPAND_SZ:
        return expand_sz(name, first)
    if kind is Type.MULTI_SZ:
        return multi_sz(name, [word for word in words if word])
    if kind is Type.DWORD:
        if len(words) == 4:  # also allowed: its four bytes
            return dword(
                name, int.from_bytes(bytes(_number(w, 0, 16) & 255 for w in words), "little")
            )
        return dword(name, _number(first) & 0xFFFFFFFF)
    if kind is Type.BINARY:
        return binary(name, bytes(_number(word, 0, 16) & 255 for word in words if word))
    return None


def _number(text: str, default: int = 0, base: int = 0) -> int:
    text = text.strip().lower()
    try:
        if base == 0 and text.lstrip("-").isdecimal():
            return int(text[:12])
        return int(text[:20], base)
    except ValueError:
        return default
