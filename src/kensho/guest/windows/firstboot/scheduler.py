"""What the first-boot service runs: the scripts one by one, each once.

The names and bytes of the files; `kensho.guest.windows.adapt.first_boot` puts them into a Windows.
While Windows' Setup runs, as after sysprep, it waits (KB 939857 for what Setup is told by).

Sources: ``for /?``, ``call /?`` of cmd; "File System Redirector" for a 32-bit program on a 64-bit Windows.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from kensho.guest.windows.firstboot.plan import REBOOT, RETRY, FirstBootScript
from kensho.model.errors import UsageError

SERVICE = "kensho-firstboot"
_PLAIN = re.compile(r"[a-z0-9][a-z0-9-]{0,47}")
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
_MAX_ORDER = 9999
#: Which of the programs a Windows runs. ARM64 runs 32-bit ones, which find their way to its own cmd.
PROGRAMS = {"x86": "service32.exe", "amd64": "service64.exe", "arm64": "service32.exe"}

FIRSTBOOT_CMD = f"""\
@echo off
rem Made by kensho. Runs each script in "scripts" once, by name, and then removes its own service.
rem A script that exits with {RETRY} is run again at the next start, five times at most; after one
rem that exits with {REBOOT} Windows is started anew before the next.
setlocal EnableExtensions DisableDelayedExpansion
cd /d "%~dp0"
if not exist firstboot.cmd exit /b 1
set "WAITING="
set "RESTART="
echo [%DATE% %TIME%] started
if not exist done mkdir done
rem Setup, as after sysprep, must not be started anew by a script: it would never come to its end.
:setup
set "BUSY="
for %%v in (SystemSetupInProgress SetupType) do for /f "tokens=3" %%n in ('reg.exe query HKLM\\SYSTEM\\Setup /v %%v 2^>nul') do for %%c in (0x1 0x2 0x4) do if "%%n"=="%%c" set "BUSY=1"
if not defined BUSY goto run
ping.exe -n 11 127.0.0.1 >nul
goto setup

:run
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


def check_file(name: str) -> str:
    """Return the name of a file beside the scripts; UsageError when it cannot be one."""
    if not _FILE.fullmatch(name):
        raise UsageError(f"{name[:80]!r} cannot be a file's name")
    return name


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
