r"""Drivers that the user supplies: files, services that start with the kernel, where Windows looks.

Every package gets a folder below ``%SystemRoot%\Drivers\kensho``, which is named in ``DevicePath``:
Plug and Play looks there for what it finds at the first start (https://learn.microsoft.com/
windows-hardware/drivers/install/where-setup-searches-for-drivers), and a script adds them to the driver
store. Drivers of disk controllers are registered as well, so that Windows finds its disk by them at once.
A driver that this Windows starts with already stays as it is.
"""

from __future__ import annotations

import re

from kensho.guest.windows.adapt.guest import WindowsGuest
from kensho.guest.windows.control_sets import control_sets
from kensho.guest.windows.drivers.choose import plan_drivers
from kensho.guest.windows.drivers.plan import ChosenDriver
from kensho.guest.windows.firstboot.plan import FirstBootFile
from kensho.guest.windows.firstboot.scripts import drivers_script, install_msi_script
from kensho.guest.windows.hive import expand_sz
from kensho.guest.windows.inbox import BOOT_START, starts_of
from kensho.guest.windows.inject import Driver, register
from kensho.model.finding import Severity

FOLDER = "Drivers/kensho"  #: below the folder of Windows
_CURRENT = r"Microsoft\Windows\CurrentVersion"
_INF = r"%SystemRoot%\inf"  #: what DevicePath is without any
_AGENT = "qemu-ga.msi"


def plan_supplied(guest: WindowsGuest) -> None:
    """Choose among ``Aims.drivers``, and put what was chosen in; raises what `plan_drivers` does."""
    plan = plan_drivers(
        guest.aims.drivers, guest.version, allow_unsigned=guest.aims.unsigned_drivers
    )
    guest.draft.findings += plan.findings
    for driver in plan.drivers:
        for name, data in driver.files:
            path = f"{guest.folder}/{FOLDER}/{driver.name}/{name}"
            guest.draft.write(guest.real(path), data, f"driver {driver.name}")
        for boot in driver.boot:
            _start_with(guest, driver, boot)
    if plan.drivers:
        places = ["\\".join(("%SystemRoot%", *FOLDER.split("/"), d.name)) for d in plan.drivers]
        _look_in(guest, places)
        infs = [rf"{place}\{d.inf}" for place, d in zip(places, plan.drivers, strict=True)]
        script = drivers_script(guest.version, infs)
        guest.scripts.extend([script] if script is not None else ())
    if guest.aims.agents and not plan.agent:
        guest.draft.note(
            "KF-917", Severity.NOTE, "no medium has QEMU's guest agent for this Windows",
            "--drivers virtio-win.iso has it; other platforms' tools are theirs to install",
        )  # fmt: skip
    elif guest.aims.agents:
        guest.files.append(FirstBootFile(_AGENT, plan.agent))
        guest.scripts.append(install_msi_script("qemu-agent", _AGENT))


def _start_with(guest: WindowsGuest, driver: ChosenDriver, boot: Driver) -> None:
    if _starts_already(guest, boot):
        return
    path = f"{guest.folder}/System32/drivers/{boot.sys}"
    why = f"driver {driver.name}, which Windows starts with"
    guest.draft.write(guest.real(path), driver.file(boot.sys), why)
    register(guest.registry, guest.version, boot)


def _starts_already(guest: WindowsGuest, boot: Driver) -> bool:
    """Tell whether Windows starts with the driver, which may be in its driver store."""
    hive = guest.registry.hive
    current = control_sets(hive)[0]
    if starts_of(hive, current).get(boot.service.lower()) != BOOT_START:
        return False
    key = hive.find(rf"{current}\Services\{boot.service}")
    value = key.value("ImagePath") if key is not None else None
    image = value.text if value is not None else rf"System32\drivers\{boot.sys}"
    below = re.sub(r"^(\\SystemRoot|%SystemRoot%)?\\", "", image, flags=re.IGNORECASE)
    return guest.exists(f"{guest.folder}/{below.replace(chr(92), '/')}")


def _look_in(guest: WindowsGuest, places: list[str]) -> None:
    key = guest.software.hive.find(_CURRENT)
    value = key.value("DevicePath") if key is not None else None
    known = [part for part in (value.text if value is not None else _INF).split(";") if part]
    lower = {part.lower() for part in known}
    known += [place for place in places if place.lower() not in lower]
    guest.software.set(_CURRENT, expand_sz("DevicePath", ";".join(known)))
