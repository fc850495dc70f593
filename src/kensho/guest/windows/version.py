"""Which Windows it is, told from its hives.

Source: https://learn.microsoft.com/windows/win32/sysinfo/operating-system-version; since Windows 10
the registry says 6.3 in ``CurrentVersion`` and the truth in two numbers beside it, and Windows 11 is
told by its build alone.
"""

from __future__ import annotations

import re

import msgspec

from kensho.guest.windows.control_sets import control_sets
from kensho.guest.windows.hive import Hive, Key
from kensho.model.errors import CorruptError

_ARCHITECTURES = {"amd64": "amd64", "x86": "x86", "arm64": "arm64", "ia64": "ia64"}
_FIRST_BUILD_OF_11 = 22000


class WindowsVersion(msgspec.Struct, frozen=True):
    """``major`` and ``minor`` are NT's (6.1 is Windows 7); ``product`` the name for people."""

    major: int
    minor: int
    build: int
    product: str = ""
    edition: str = ""
    server: bool = False
    architecture: str = ""  #: ``amd64``, ``x86``, ``arm64``, ``ia64``, empty when not told

    @property
    def nt(self) -> tuple[int, int]:
        """The version that drivers are made for."""
        return self.major, self.minor


def read_version(software: Hive, system: Hive) -> WindowsVersion:
    """Read the version. Raises CorruptError when the hives are no Windows'."""
    key = software.find(r"Microsoft\Windows NT\CurrentVersion")
    if key is None:
        raise CorruptError("the SOFTWARE hive tells no version", path=software.cells.path)
    match = re.match(r"(\d{1,3})\.(\d{1,3})", _text(key, "CurrentVersion"))
    build = _text(key, "CurrentBuildNumber") or _text(key, "CurrentBuild")
    if match is None or not build.isascii() or not build.isdecimal() or len(build) > 9:
        raise CorruptError("the SOFTWARE hive tells no version", path=software.cells.path)
    major, minor = int(match[1]), int(match[2])
    newer = key.value("CurrentMajorVersionNumber"), key.value("CurrentMinorVersionNumber")
    if newer[0] is not None and newer[1] is not None:
        major, minor = newer[0].number or major, newer[1].number or 0
    installed = _text(key, "InstallationType").lower()
    product = _text(key, "ProductName")
    server = "server" in (installed or product.lower())
    if int(build) >= _FIRST_BUILD_OF_11 and not server:
        product = product.replace("Windows 10", "Windows 11")
    return WindowsVersion(
        major, minor, int(build), product, _text(key, "EditionID"), server, _architecture(system)
    )


def _text(key: Key, name: str) -> str:
    value = key.value(name)
    return value.text.strip() if value is not None else ""


def _architecture(system: Hive) -> str:
    current = control_sets(system)[0]
    key = system.find(rf"{current}\Control\Session Manager\Environment")
    return _ARCHITECTURES.get(_text(key, "PROCESSOR_ARCHITECTURE").lower(), "") if key else ""
