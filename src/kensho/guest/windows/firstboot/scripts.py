r"""The scripts that an adaptation leaves for the first start; those of one part of it are there.

They run as LocalSystem, from the lowest order on: drivers 2000, disks 3000, agents 4000, tools of the
old platform 5000, addresses 9500. Sources: pnputil's command syntax,
diskpart's ``san``, the exit codes of Windows Installer (``msiexec``), all on learn.microsoft.com.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from kensho.guest.windows.firstboot.plan import REBOOT, RETRY, FirstBootScript
from kensho.guest.windows.firstboot.quoting import cmd_quoted, powershell_command
from kensho.guest.windows.firstboot.scheduler import check_file
from kensho.guest.windows.version import WindowsVersion
from kensho.model.errors import UsageError

HEAD = "@echo off\nsetlocal EnableExtensions DisableDelayedExpansion\n"
_VISTA, _EIGHT = (6, 0), (6, 2)
_NEW_PNPUTIL = 14393  #: build that has /add-driver
_SETTLE = 20  #: seconds for Plug and Play to install what it found
_INF = re.compile(r"%SystemRoot%(\\[A-Za-z0-9_][A-Za-z0-9_ .()+-]*)+\.inf", re.IGNORECASE)
#: What the firmware of a platform calls its maker, where tools are not removed.
_MAKERS = {
    "vmware": "VMware",
    "virtualbox": "innotek",
    "xenserver": "Xen",
    "parallels": "Parallels",
}
#: What vendors' tools call themselves: (text, that the name ends with it).
_PRODUCTS: dict[str, tuple[tuple[str, bool], ...]] = {
    "vmware": (("VMware Tools", True),),
    "virtualbox": (("VirtualBox Guest Additions", False),),
    "xenserver": (
        ("XenServer VM Tools", False),
        ("Citrix XenServer Windows Guest Agent", False),
        ("Citrix Hypervisor Windows Management Agent", False),
        ("XenServer Windows Management Agent", False),
        ("XCP-ng Windows Management Agent", False),
    ),
    "parallels": (("Parallels Tools", True),),
}
_ONLINE = """\
Get-Disk | Where-Object { $_.IsOffline } | Set-Disk -IsOffline $false
Get-Disk | Where-Object { $_.IsReadOnly } | Set-Disk -IsReadOnly $false
"""
_MOST_DISKS = 16  #: that diskpart is told of by number


def drivers_script(windows: WindowsVersion, infs: Iterable[str]) -> FirstBootScript | None:
    r"""Add drivers to the driver store and to the devices they are for.

    ``infs`` are as Windows names them, ``%SystemRoot%\Drivers\…``. None up to Server 2003, which has no pnputil and takes
    them from ``DevicePath``. Windows 10 gets the syntax that it has since build 14393.
    """
    lines = []
    new = windows.nt >= (10, 0) and windows.build >= _NEW_PNPUTIL
    for inf in infs:
        if not _INF.fullmatch(inf):
            raise UsageError(f"{inf[:80]!r} is no place of a driver")
        lines += [
            f'pnputil.exe /add-driver "{inf}" /install' if new else f'pnputil.exe -i -a "{inf}"',
            f'if errorlevel 1 echo "{inf}": pnputil says %ERRORLEVEL%',
        ]
    if not lines or windows.nt < _VISTA:
        return None
    # 259: no device wants it yet; 3010: with the next start. Neither is worth one of its own.
    lines += ["rem let Plug and Play come to an end", f"ping.exe -n {_SETTLE + 1} 127.0.0.1 >nul"]
    return FirstBootScript(2000, "drivers", HEAD + "\n".join([*lines, "exit /b 0", ""]))


def disks_online_script(windows: WindowsVersion) -> FirstBootScript | None:
    """Bring disks online that Windows keeps off as shared ones; None before Vista, which has no such.

    Not in a failover cluster, whose disks are shared indeed.
    """
    if windows.nt < _VISTA:
        return None
    part = r'"%TEMP%\kensho-san.txt"'
    cluster = r"HKLM\SYSTEM\CurrentControlSet\Services\ClusSvc"
    lines = [
        f'reg.exe query "{cluster}" >nul 2>nul && exit /b 0',
        f">{part} echo san policy=OnlineAll",
    ]
    if windows.nt < _EIGHT:
        for number in range(1, _MOST_DISKS):
            lines += [
                f">>{part} echo select disk {number} noerr",
                f">>{part} echo online disk noerr",
                f">>{part} echo attributes disk clear readonly noerr",
            ]
    lines += [f"diskpart.exe /s {part}", f"del {part}"]
    if windows.nt >= _EIGHT:
        lines.append(powershell_command(_ONLINE))
    return FirstBootScript(3000, "disks-online", HEAD + "\n".join([*lines, "exit /b 0", ""]))


def install_msi_script(name: str, file: str) -> FirstBootScript:
    """Install a package that lies beside the scripts (`FirstBootFile`), in silence."""
    check_file(file)
    lines = [
        rf'msiexec.exe /i "%~dp0..\files\{file}" /qn /norestart /l*v "%~dp0..\{file}.log"',
        "set CODE=%ERRORLEVEL%",
        f"if %CODE%==1618 exit /b {RETRY}",
        f"if %CODE%==3010 exit /b {REBOOT}",
        "exit /b %CODE%",
        "",
    ]
    return FirstBootScript(4000, f"install-{name}", HEAD + "\n".join(lines))


def remove_tools_script(platforms: Iterable[str]) -> FirstBootScript | None:
    """Uninstall the tools of platforms that the machine left, found by their names; None for none.

    Nothing is removed while the machine still is on one of them: the disk may hang on their driver.
    """
    left = [platform for platform in platforms if platform in _PRODUCTS]
    products = [row for platform in left for row in _PRODUCTS[platform]]
    if not products:
        return None
    bios = r"HKLM\HARDWARE\DESCRIPTION\System\BIOS"
    lines = [
        *(
            f'reg.exe query "{bios}" /v SystemManufacturer 2>nul |'
            f" findstr.exe /i /c:{cmd_quoted(_MAKERS[platform])} >nul && exit /b 0"
            for platform in left
        ),
        "set CODE=0",
        r"for %%r in (SOFTWARE SOFTWARE\Wow6432Node) do for /f "
        r'"delims=" %%k in (' + "'reg.exe query "
        r'"HKLM\%%r\Microsoft\Windows\CurrentVersion\Uninstall" 2^>nul'
        + "') do call :look "
        + '"%%k"',
        f"if %CODE%==1618 exit /b {RETRY}",
        f"if %CODE%==3010 exit /b {REBOOT}",
        "exit /b 0",
        ":look",
    ]
    for text, ends in products:
        how = "/i /e" if ends else "/i"
        lines.append(
            'reg.exe query "%~1" /v DisplayName 2>nul |'
            f" findstr.exe {how} /c:{cmd_quoted(text)} >nul && goto remove"
        )
    lines += [
        "exit /b 0",
        ":remove",
        'set "COMMAND="',
        # The key of what Windows Installer installed is called by its product code.
        'for %%g in ("%~1") do set "PRODUCT=%%~nxg"',
        'echo remove "%PRODUCT%"',
        'if not "%PRODUCT:~0,1%"=="{" goto other',
        'msiexec.exe /x "%PRODUCT%" /qn /norestart REBOOT=ReallySuppress',
        "if not %ERRORLEVEL%==0 set CODE=%ERRORLEVEL%",
        "exit /b 0",
        ":other",
        'for /f "tokens=2,*" %%a in (' + "'reg.exe query " + '"%~1" /v UninstallString 2^>nul'
        "') do " + 'set "COMMAND=%%b"',
        "if not defined COMMAND exit /b 0",
        r'set "COMMAND=%COMMAND:"=%"',
        'if exist "%COMMAND%" "%COMMAND%" /S',
        "exit /b 0",
        "",
    ]
    return FirstBootScript(5000, "remove-tools", HEAD + "\n".join(lines))
