r"""Settings for the first start on new hardware.

- ``CrashControl\AutoReboot`` 0: a stop error stays on the screen to be read, where Windows would start
  again and again. The scripts of the first start set it back; where there are none, that is said.
- ``partmgr``'s ``SanPolicy`` 3 and 4 keep disks offline that Windows has not met on this bus: all, or all
  internal ones (VDS_SAN_POLICY; so are Windows To Go's). It becomes 1, but in a failover cluster, whose
  disks are shared indeed. With several disks 2, which servers have by default, does so, too: it keeps
  those on SAS and the like off, and what starts from them would miss them at the first start.
- XP and Server 2003: no wizards for new hardware (KB 938596), which wait for a click before the
  drivers are installed.
"""

from __future__ import annotations

from collections.abc import Sequence

from kensho.guest.windows.adapt.guest import WindowsGuest
from kensho.guest.windows.control_sets import control_sets
from kensho.guest.windows.firstboot.plan import FirstBootScript
from kensho.guest.windows.firstboot.scripts import HEAD
from kensho.guest.windows.hive import dword
from kensho.guest.windows.inbox import SERVER_2003, VISTA, XP
from kensho.model.finding import Severity

_LAST = 9999  #: when all else has been run
_CRASH = r"Control\CrashControl"
_SAN = r"Services\partmgr\Parameters"
_ONLINE, _OFFLINE = 1, {3, 4}


def plan_settings(guest: WindowsGuest) -> None:
    """Change them; what stays changed is a finding (KF-897, KF-903)."""
    system, sets = guest.registry, control_sets(guest.registry.hive)
    if guest.version.nt == XP:
        path = r"Policies\Microsoft\Windows\DeviceInstall\Settings"
        guest.software.set(path, dword("SuppressNewHWUI", 1))
    elif guest.version.nt == SERVER_2003:
        for control_set in sets:
            path = rf"{control_set}\Services\PlugPlay\Parameters"
            system.set(path, dword("SuppressUI", 1))
    _bring_disks_online(guest, sets)
    before = len(system.changes)
    for control_set in sets:
        path = rf"{control_set}\{_CRASH}"
        if system.hive.find(path) is not None:
            system.set(path, dword("AutoReboot", 0))
    if len(system.changes) == before:
        return
    command = (
        rf'reg.exe add "HKLM\SYSTEM\CurrentControlSet\{_CRASH}"'
        " /v AutoReboot /t REG_DWORD /d 1 /f"
    )
    if guest.scripts:
        script = FirstBootScript(_LAST, "auto-restart", f"{HEAD}{command}\nexit /b 0\n")
        guest.scripts.append(script)
        return
    guest.draft.note(
        "KF-897", Severity.NOTE, "Windows does not start again by itself after a stop error",
        f"set it back when it runs: {command}",
    )  # fmt: skip


def _bring_disks_online(guest: WindowsGuest, sets: Sequence[str]) -> None:
    system = guest.registry
    several = len(guest.opened.volumes.tables) > 1 and guest.version.nt >= VISTA
    changed = False
    for control_set in sets:
        key = system.hive.find(rf"{control_set}\{_SAN}")
        policy = key.value("SanPolicy") if key is not None else None
        cluster = system.hive.find(rf"{control_set}\Services\ClusSvc")
        number = policy.number if policy is not None else None
        wrong = number in _OFFLINE or (several and number != _ONLINE)
        if wrong and cluster is None:
            system.set(rf"{control_set}\{_SAN}", dword("SanPolicy", _ONLINE))
            changed = True
    if changed:
        guest.draft.note(
            "KF-903", Severity.NOTE, "Windows may keep disks offline that it has not met on this bus",
            "it brings all online now: SanPolicy 1, as diskpart's san policy=OnlineAll",
        )  # fmt: skip
