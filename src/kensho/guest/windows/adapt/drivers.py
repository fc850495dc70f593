r"""Drivers that start with Windows, for every controller that the targets have.

Enabled are those in Windows' own box: ``Start`` 0, ``StartOverride`` gone, and up to Windows 7 the
hardware ids in the ``CriticalDeviceDatabase``; since Windows 8 the ``DriverDatabase`` has all of the
box in it. The control sets changed are the current one and the one that is started by default;
``LastKnownGood`` stays as it is: it is what the user asks for where those two do not start.

A driver's file that is missing is taken from where Windows keeps a copy of each: the driver store
since Vista, before that the cabinets in ``Driver Cache``, those of service packs first (KB 314082 has it
done by hand).
"""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path

from kensho.guest.devices import CONTROLLERS
from kensho.guest.windows.adapt.guest import WindowsGuest
from kensho.guest.windows.control_sets import control_sets
from kensho.guest.windows.drivers.unpack import unpack_cab
from kensho.guest.windows.inbox import (
    BOOT_START,
    VISTA,
    InBox,
    enable_in_box,
    start_with_windows,
    starts_of,
)
from kensho.guest.windows.installed import STAND_INS_OF_XEN, SUPPLIED
from kensho.guest.windows.services import DISABLED
from kensho.model.errors import KenshoError
from kensho.model.finding import Severity
from kensho.model.machine import ControllerModel

_STORE = "System32/DriverStore/FileRepository"
_CACHES = ("Driver Cache/i386", "Driver Cache/amd64")
_CABINETS = ("sp3.cab", "sp2.cab", "sp1.cab", "driver.cab")
_MOST = 32 << 20
_MOST_CABINET = 256 << 20
#: The way home, and what is left to start from where a better driver fails.
_ALWAYS = (ControllerModel.IDE, ControllerModel.AHCI)
_KEPT_IN = {"storahci": "mshdc.inf_", "msahci": "mshdc.inf_", "intelide": "mshdc.inf_",
            "pciide": "mshdc.inf_", "atapi": "mshdc.inf_", "vmbus": "wvmbus.inf_",
            "storvsc": "wstorvsc.inf_"}  # fmt: skip


def plan_drivers(guest: WindowsGuest) -> None:
    """Enable the drivers in the box; one that lacks its file is a finding (KF-886)."""
    wanted = {*guest.aims.controllers, *_ALWAYS}
    if ControllerModel.XEN_VBD in wanted:
        wanted |= {*STAND_INS_OF_XEN}

    def has_file(path: str) -> bool:
        file = f"{guest.folder}/{path.replace(chr(92), '/')}"
        return guest.exists(file) or _from_store(guest, file) or _from_cabinet(guest, file)

    enabled = enable_in_box(guest.registry, guest.version, wanted=wanted, has_file=has_file)
    lacking: dict[str, list[InBox]] = {}
    for driver, problem in enabled.lacking:
        if "no such service" not in problem:
            lacking.setdefault(problem, []).append(driver)
    for problem, drivers in lacking.items():
        names = ", ".join(driver.service for driver in drivers)
        models = dict.fromkeys(m for d in drivers for m in d.serves if m in CONTROLLERS)
        remedy = (
            "copy it there out of Driver Cache\\i386\\driver.cab (expand -F:NAME; where it is there,"
            " kensho does it with cabextract), then adapt again"
            if guest.version.nt < VISTA
            else "repair it in Windows (sfc /scannow), then adapt again"
        )
        guest.draft.note(
            "KF-886", Severity.WARNING,
            f"{names} cannot be enabled: {problem}; it is for {', '.join(models)}", remedy,
        )  # fmt: skip


def plan_installed(guest: WindowsGuest) -> None:
    """Let drivers that somebody installed start with Windows again, for controllers of the targets.

    Windows keeps those back, too, that it has not met the device of (``StartOverride``), as on a
    machine that came from KVM. Those that are disabled stay so. Xen's need a bus of their own.
    """
    system = guest.registry
    wanted = {*guest.aims.controllers} - {ControllerModel.XEN_VBD}
    for control_set in control_sets(system.hive):
        starts = starts_of(system.hive, control_set)
        for service, model in SUPPLIED.items():
            if model in wanted and starts.get(service) not in {None, BOOT_START, DISABLED}:
                start_with_windows(system, control_set, service, guest.has_file)


def _from_store(guest: WindowsGuest, file: str) -> bool:
    """Plan a driver's file out of the driver store; tell whether there was one."""
    if guest.version.nt < VISTA:
        return False
    name = file.rpartition("/")[2]
    service = name.lower().removesuffix(".sys")
    package = _KEPT_IN.get(service, f"{service}.inf_")
    store = guest.real(f"{guest.folder}/{_STORE}")
    # Of several versions the last is taken: their names end with a hash, so any is as good.
    found = [
        path
        for folder in sorted(guest.names.below(store))
        if folder.lower().startswith(f"{package}{guest.version.architecture}_")
        and guest.draft.exists(path := guest.real(f"{store}/{folder}/{name}"))
    ]
    if not found:
        return False
    try:
        content = guest.draft.read(found[-1], _MOST)
    except KenshoError:
        return False  # compressed in a way that is not read
    guest.draft.write(guest.real(file), content, "a driver of Windows' own, from its driver store")
    return True


def _from_cabinet(guest: WindowsGuest, file: str) -> bool:
    """Plan a driver's file out of a cabinet of XP's or Server 2003's; tell whether there was one."""
    if guest.version.nt >= VISTA:
        return False
    name = file.rpartition("/")[2]
    for folder, cabinet in itertools.product(_CACHES, _CABINETS):
        path = guest.real(f"{guest.folder}/{folder}/{cabinet}")
        if not guest.draft.exists(path):
            continue
        try:
            content = _unpacked(guest.draft.read(path, _MOST_CABINET), name)
        except KenshoError:
            continue  # cabextract is missing, or the cabinet is damaged: the finding says what to do
        if content:
            guest.draft.write(
                guest.real(file), content, f"a driver of Windows' own, from {cabinet}"
            )
            return True
    return False


def _unpacked(cabinet: bytes, name: str) -> bytes:
    """Return one file of a cabinet, empty where there is none."""
    with tempfile.TemporaryDirectory(prefix="kensho-") as work:
        source, folder = Path(work) / "in.cab", Path(work) / "out"
        source.write_bytes(cabinet)
        folder.mkdir()
        unpack_cab(source, folder, only=name)
        found = [path for path in folder.iterdir() if path.name.lower() == name.lower()]
        return found[0].read_bytes() if found and found[0].stat().st_size <= _MOST else b""
