r"""The service that runs the adaptation's scripts at the first start, and then removes itself.

``%SystemRoot%\kensho\firstboot`` gets ``service.exe`` (source and build in ``firstboot/service``),
``firstboot.cmd``, ``scripts`` and ``files``; what was run is moved to ``done``, what was said is in
``firstboot.log``. Source: "HKLM\SYSTEM\CurrentControlSet\Services Registry Tree".
"""

from __future__ import annotations

from kensho.guest.windows.adapt.guest import WindowsGuest
from kensho.guest.windows.adapt.services import platforms_left
from kensho.guest.windows.control_sets import control_sets
from kensho.guest.windows.firstboot.scheduler import (
    FIRSTBOOT_CMD,
    PROGRAMS,
    SERVICE,
    batch,
    check_file,
    named,
    program_bytes,
)
from kensho.guest.windows.firstboot.scripts import disks_online_script, remove_tools_script
from kensho.guest.windows.hive import dword, expand_sz, multi_sz, sz
from kensho.model.finding import Severity

FOLDER = "kensho/firstboot"  #: below the folder of Windows
_OWN_PROCESS, _AUTOMATIC, _IGNORE = 0x10, 2, 0


def plan_first_boot(guest: WindowsGuest) -> None:
    """Plan the service with what the steps before want to be run; nothing when that is nothing.

    Where there is no program for the architecture, that is a finding (KF-915). Raises UsageError
    for a script or file that cannot be.
    """
    several = len(guest.opened.volumes.tables) > 1
    more = (
        disks_online_script(guest.version) if several else None,
        remove_tools_script(platforms_left(guest)) if guest.aims.remove_tools else None,
    )
    scripts = named([*guest.scripts, *(script for script in more if script is not None)])
    if not scripts:
        return
    architecture = guest.version.architecture
    program = PROGRAMS.get(architecture)
    if program is None:
        guest.draft.note(
            "KF-915", Severity.WARNING,
            f"there is no first-boot service for the architecture {architecture!r}",
            f"what it would have done is yours to do: {', '.join(scripts)}",
        )  # fmt: skip
        return
    if architecture == "arm64":
        guest.draft.note(
            "KF-915", Severity.NOTE,
            "the first-boot service is a 32-bit program on this ARM64 Windows, which was never tried",
            f"after the first start, look into {FOLDER}/firstboot.log below the folder of Windows",
        )  # fmt: skip
    _write(guest, "service.exe", program_bytes(program))
    _write(guest, "firstboot.cmd", batch(FIRSTBOOT_CMD))
    for file in guest.files:
        _write(guest, f"files/{check_file(file.name)}", file.data)
    for name, text in scripts.items():
        _write(guest, f"scripts/{name}", batch(text))
    for control_set in control_sets(guest.registry.hive):
        _add_service(guest, control_set)


def _write(guest: WindowsGuest, name: str, data: bytes) -> None:
    path = guest.real(f"{guest.folder}/{FOLDER}/{name}")
    guest.draft.write(path, data, "runs once at the first start")


def _add_service(guest: WindowsGuest, control_set: str) -> None:
    program = "\\".join(("%SystemRoot%", *FOLDER.split("/"), "service.exe"))
    guest.registry.set(
        rf"{control_set}\Services\{SERVICE}",
        dword("Type", _OWN_PROCESS),
        dword("Start", _AUTOMATIC),
        dword("ErrorControl", _IGNORE),
        expand_sz("ImagePath", f'"{program}"'),
        sz("ObjectName", "LocalSystem"),
        sz("DisplayName", "kensho first boot"),
        sz("Description", "Finishes the move of this machine, once, and then removes itself."),
        multi_sz("DependOnService", ("RpcSs",)),
    )
