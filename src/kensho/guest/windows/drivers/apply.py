r"""Chosen drivers put into a Windows: files, services that start with the kernel, where to look.

Every package gets a folder below ``%SystemRoot%\Drivers\kensho``, which is named in ``DevicePath``:
Plug and Play looks there for what it finds at the first start (https://learn.microsoft.com/
windows-hardware/drivers/install/where-setup-searches-for-drivers). Drivers of disk controllers are
registered as well, so that Windows finds its disk by them at once.
"""

from __future__ import annotations

from kensho.guest.edit.draft import Draft
from kensho.guest.windows.changes import Editor
from kensho.guest.windows.control_sets import control_sets
from kensho.guest.windows.drivers.choose import ChosenDriver, DriverPlan
from kensho.guest.windows.hive import Hive, expand_sz
from kensho.guest.windows.inbox import BOOT_START
from kensho.guest.windows.inject import Driver, register
from kensho.guest.windows.version import WindowsVersion

FOLDER = "Drivers/kensho"  #: below the folder of Windows
_CURRENT = r"Microsoft\Windows\CurrentVersion"
_INF = r"%SystemRoot%\inf"  #: what DevicePath is without any


def add_drivers(
    plan: DriverPlan,
    windows: WindowsVersion,
    folder: str,
    system: Editor,
    software: Editor,
    draft: Draft,
) -> tuple[str, ...]:
    r"""Put drivers into the Windows whose folder is ``folder`` (``/Windows``).

    Return their INFs as Windows names them, ``%SystemRoot%\Drivers\…``, for `drivers_script`.
    A driver that this Windows starts with already stays as it is.
    """
    draft.findings += plan.findings
    places = []
    for driver in plan.drivers:
        for name, data in driver.files:
            draft.write(f"{folder}/{FOLDER}/{driver.name}/{name}", data, f"driver {driver.name}")
        for boot in driver.boot:
            if not _there(system.hive, draft, folder, boot):
                _start_with(driver, boot, windows, folder, system, draft)
        places.append("\\".join(("%SystemRoot%", *FOLDER.split("/"), driver.name)))
    if places:
        _look_in(software, places)
    infs = (driver.inf for driver in plan.drivers)
    return tuple(rf"{place}\{inf}" for place, inf in zip(places, infs, strict=True))


def _start_with(
    driver: ChosenDriver,
    boot: Driver,
    windows: WindowsVersion,
    folder: str,
    system: Editor,
    draft: Draft,
) -> None:
    draft.write(
        f"{folder}/System32/drivers/{boot.sys}",
        driver.file(boot.sys),
        f"driver {driver.name}, which Windows starts with",
    )
    register(system, windows, boot)


def _there(system: Hive, draft: Draft, folder: str, boot: Driver) -> bool:
    """Tell whether Windows has the driver and starts with it, whoever put it there."""
    key = system.find(rf"{control_sets(system)[0]}\Services\{boot.service}")
    start = key.value("Start") if key is not None else None
    if start is None or start.number != BOOT_START:
        return False
    return draft.exists(f"{folder}/System32/drivers/{boot.sys}")


def _look_in(software: Editor, places: list[str]) -> None:
    key = software.hive.find(_CURRENT)
    value = key.value("DevicePath") if key is not None else None
    known = [part for part in (value.text if value is not None else _INF).split(";") if part]
    lower = {part.lower() for part in known}
    known += [place for place in places if place.lower() not in lower]
    software.set(_CURRENT, expand_sz("DevicePath", ";".join(known)))
