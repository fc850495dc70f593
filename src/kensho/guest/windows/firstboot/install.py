r"""The first-boot service put into a Windows: its program, its scripts, its entry in the registry.

``%SystemRoot%\kensho\firstboot`` gets ``service.exe`` (source and build in ``service/``),
``firstboot.cmd``, ``scripts`` and ``files``; what was run is moved to ``done``, what was said is in
``firstboot.log``. Sources: "HKLM\SYSTEM\CurrentControlSet\Services Registry Tree"; "File System
Redirector" for a 32-bit program on a 64-bit Windows.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kensho.guest.edit.draft import Draft
from kensho.guest.windows.changes import Editor
from kensho.guest.windows.control_sets import control_sets
from kensho.guest.windows.firstboot.plan import REBOOT, RETRY, FirstBootScript
from kensho.guest.windows.hive import dword, expand_sz, multi_sz, sz
from kensho.guest.windows.version import WindowsVersion
from kensho.model.errors import UsageError
from kensho.model.finding import Severity

SERVICE = "kensho-firstboot"
FOLDER = "kensho/firstboot"  #: below the folder of Windows
_OWN_PROCESS, _AUTOMATIC, _IGNORE = 0x10, 2, 0
_PLAIN = re.compile(r"[a-z0-9][a-z0-9-]{0,47}")
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
_MAX_ORDER = 9999
#: Which of the programs a Windows runs. ARM64 runs 32-bit ones, which find their way to its own cmd.
_PROGRAMS = {"x86": "service32.exe", "amd64": "service64.exe", "arm64": "service32.exe"}

FIRSTBOOT_CMD = f"""\
@echo off
rem Made by kensho. Runs each script in "scripts" once, by name, and then removes its own service.
rem A script that exits with {RETRY} is run again at the next start, five times at most; after one
rem that exits with {REBOOT} Windows is started anew before the next.
setlocal EnableExtensions DisableDelayedExpansion
cd /d "%~dp0" || exit /b 1
set "WAITING="
set "RESTART="
echo [%DATE% %TIME%] started
if not exist done mkdir done
for /f "delims=" %%f in ('dir /b /on "scripts\\*.cmd" 2^>nul') do call :one "%%f"
if defined RESTART goto restart
if defined WAITING goto waiting
echo [%DATE% %TIME%] all done
sc.exe delete {SERVICE}
exit /b 0

:restart
echo [%DATE% %TIME%] Windows starts anew
shutdown.exe -r -f -t 5
exit /b 0

:waiting
echo [%DATE% %TIME%] the rest waits for the next start
exit /b 0

:one
if defined RESTART exit /b 0
echo [%DATE% %TIME%] %~1
"%ComSpec%" /d /c "scripts\\%~1"
set "CODE=%ERRORLEVEL%"
echo [%DATE% %TIME%] %~1: exit code %CODE%
if not %CODE%==249 goto ended
set "TRY="
for %%n in (1 2 3 4 5) do if not defined TRY if not exist "done\\%~1.try%%n" set "TRY=%%n"
if not defined TRY goto ended
echo %TRY%>"done\\%~1.try%TRY%"
set "WAITING=1"
exit /b 0
:ended
move /y "scripts\\%~1" "done\\%~1" >nul
rem One that cannot be moved must not start Windows anew again and again.
if %CODE%==250 if not exist "scripts\\%~1" set "RESTART=1"
exit /b 0
"""


@dataclass(frozen=True, slots=True)
class FirstBootFile:
    r"""A file for the scripts, which find it as ``%~dp0..\files\NAME``."""

    name: str
    data: bytes


def add_first_boot(
    scripts: Sequence[FirstBootScript],
    windows: WindowsVersion,
    folder: str,
    system: Editor,
    draft: Draft,
    files: Sequence[FirstBootFile] = (),
) -> bool:
    """Plan the service and its scripts for the Windows in ``folder`` (``/Windows``); False for none.

    Nothing is planned without scripts, nor for an architecture that there is no program for, which is a
    finding. Raises UsageError for a script or file that cannot be.
    """
    if not scripts:
        return False
    program = _PROGRAMS.get(windows.architecture)
    if program is None:
        draft.note(
            "KF-915",
            Severity.WARNING,
            f"there is no first-boot service for the architecture {windows.architecture!r}",
            "what it would have done is yours to do: " + ", ".join(s.name for s in scripts),
        )
        return False
    if windows.architecture == "arm64":
        draft.note(
            "KF-915",
            Severity.NOTE,
            "the first-boot service is a 32-bit program on this ARM64 Windows, which was never tried",
            f"after the first start, look into {FOLDER}/firstboot.log below the folder of Windows",
        )
    place = f"{folder}/{FOLDER}"
    why = "runs once at the first start"
    draft.write(f"{place}/service.exe", program_bytes(program), why)
    draft.write(f"{place}/firstboot.cmd", batch(FIRSTBOOT_CMD), why)
    for file in files:
        if not _FILE.fullmatch(file.name):
            raise UsageError(f"{file.name[:80]!r} cannot be a file's name")
        draft.write(f"{place}/files/{file.name}", file.data, why)
    for name, text in named(scripts).items():
        draft.write(f"{place}/scripts/{name}", batch(text), why)
    for control_set in control_sets(system.hive):
        _add_service(system, control_set)
    return True


def named(scripts: Sequence[FirstBootScript]) -> dict[str, str]:
    """Return the scripts by their files' names, in the order they run; UsageError for odd ones."""
    found: dict[str, str] = {}
    for script in sorted(scripts, key=lambda s: (s.order, s.name)):
        if not _PLAIN.fullmatch(script.name) or not 0 <= script.order <= _MAX_ORDER:
            raise UsageError(
                f"{script.name[:80]!r}, {script.order}: cannot be a script's name, order"
            )
        name = f"{script.order:04}-{script.name}.cmd"
        if found.setdefault(name, script.text) != script.text:
            raise UsageError(f"two scripts are called {name}")
    return found


def batch(text: str) -> bytes:
    """Return a batch script's bytes: ASCII, lines ended by CR LF. UsageError for anything else."""
    lines = text.replace("\r\n", "\n")
    if not lines.isascii() or any(not (c.isprintable() or c in "\n\t") for c in lines):
        raise UsageError("a script for the first start has characters beyond ASCII")
    return lines.replace("\n", "\r\n").encode("ascii")


def program_bytes(name: str) -> bytes:
    """Return one of the built programs."""
    return (Path(__file__).parent / "service" / name).read_bytes()


def _add_service(system: Editor, control_set: str) -> None:
    program = "\\".join(("%SystemRoot%", *FOLDER.split("/"), "service.exe"))
    system.set(
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
