"""What the hives of a Windows list: services with its drivers among them, and installed programs.

Sources: https://learn.microsoft.com/windows-hardware/drivers/install/hklm-system-currentcontrolset-services-registry-tree
and https://learn.microsoft.com/windows/win32/msi/uninstall-registry-key.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from kensho.guest.package import Package
from kensho.guest.windows.hive import Hive, Key

_STARTS = ("boot", "system", "automatic", "demand", "disabled")
_DRIVER = 0x1 | 0x2 | 0x8  #: of Type: kernel, file system, recognizer
_UNINSTALL = (
    r"Microsoft\Windows\CurrentVersion\Uninstall",
    r"Wow6432Node\Microsoft\Windows\CurrentVersion\Uninstall",
)
_MOST_TEXT = 300


class Service(msgspec.Struct, frozen=True, omit_defaults=True):
    """A service or, with ``driver``, a driver: ``start`` is boot, system, automatic, demand, disabled.

    ``image`` is its program as the registry has it, empty where Windows goes by the name.
    """

    name: str
    start: str = ""
    driver: bool = False
    image: str = ""


def services_of(system: Hive, control_set: str) -> Iterator[Service]:
    """Yield the services of a control set, by name. What the hive raises."""
    services = system.find(rf"{control_set}\Services")
    found = services.subkeys() if services is not None else ()
    for key in sorted(found, key=lambda key: key.name.lower()):
        kind, start = key.value("Type"), key.value("Start")
        if kind is None or kind.number is None:
            continue  # settings of a service that has its program elsewhere
        number = start.number if start is not None else None
        yield Service(
            key.name,
            _STARTS[number] if number is not None and number < len(_STARTS) else "",
            bool(kind.number & _DRIVER),
            _text(key, "ImagePath"),
        )


def programs_of(software: Hive) -> tuple[Package, ...]:
    """Return what "Programs and Features" lists, by name; both of a 64-bit Windows' lists."""
    found: dict[tuple[str, str], Package] = {}
    for number, path in enumerate(_UNINSTALL):
        folder = software.find(path)
        for key in folder.subkeys() if folder is not None else ():
            name, hidden = _text(key, "DisplayName"), key.value("SystemComponent")
            if name and not (hidden is not None and hidden.number == 1):
                version = _text(key, "DisplayVersion")
                architecture = "x86" if number else ""
                found.setdefault((name, version), _program(key, name, version, architecture))
    return tuple(found[key] for key in sorted(found))


def _program(key: Key, name: str, version: str, architecture: str) -> Package:
    return Package(name, version, architecture, publisher=_text(key, "Publisher"))


def _text(key: Key, name: str) -> str:
    value = key.value(name)
    text = value.text.strip() if value is not None else ""
    return "".join(c for c in text if c.isprintable())[:_MOST_TEXT]
