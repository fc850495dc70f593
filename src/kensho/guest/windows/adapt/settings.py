r"""Settings for the first start on new hardware.

- ``CrashControl\AutoReboot`` 0: a stop error stays on the screen to be read, where Windows would start
  again and again. It stays so until somebody sets it back, which is said.
- XP and Server 2003: no wizards for new hardware (KB 938596), which wait for a click before the
  drivers are installed.
"""

from __future__ import annotations

from kensho.guest.windows.adapt.guest import WindowsGuest
from kensho.guest.windows.control_sets import control_sets
from kensho.guest.windows.hive import dword
from kensho.guest.windows.inbox import SERVER_2003, XP
from kensho.model.finding import Severity


def plan_settings(guest: WindowsGuest) -> None:
    """Change them; what is not as it was is a finding (KF-897)."""
    system, sets = guest.registry, control_sets(guest.registry.hive)
    before = len(system.changes)
    for control_set in sets:
        path = rf"{control_set}\Control\CrashControl"
        if system.hive.find(path) is not None:
            system.set(path, dword("AutoReboot", 0))
    if len(system.changes) > before:
        guest.draft.note(
            "KF-897", Severity.NOTE, "Windows does not start again by itself after a stop error",
            "set it back when it runs: wmic recoveros set AutoReboot=True",
        )  # fmt: skip
    if guest.version.nt == XP:
        path = r"Policies\Microsoft\Windows\DeviceInstall\Settings"
        guest.software.set(path, dword("SuppressNewHWUI", 1))
    elif guest.version.nt == SERVER_2003:
        for control_set in sets:
            path = rf"{control_set}\Services\PlugPlay\Parameters"
            system.set(path, dword("SuppressUI", 1))
