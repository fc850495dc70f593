"""The steps of a Windows adaptation, in their order.

A step edits the guest's hives and writes files to its draft; what it cannot do, it notes. The hives
are written back after the last step, and nothing is when one fails: a Windows is adapted whole or left
as it is.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from kensho.guest.aims import Aims
from kensho.guest.edit.draft import Draft
from kensho.guest.inspect.systems import Opened, System
from kensho.guest.windows.adapt.boot import plan_boot
from kensho.guest.windows.adapt.drivers import plan_drivers, plan_installed
from kensho.guest.windows.adapt.first_boot import plan_first_boot
from kensho.guest.windows.adapt.first_bus import plan_first_bus
from kensho.guest.windows.adapt.guest import WindowsGuest, open_windows
from kensho.guest.windows.adapt.mounted import plan_mounted_devices
from kensho.guest.windows.adapt.network import plan_network
from kensho.guest.windows.adapt.notes import plan_notes
from kensho.guest.windows.adapt.refusals import refuse, refuse_version
from kensho.guest.windows.adapt.services import plan_processor, plan_services
from kensho.guest.windows.adapt.settings import plan_settings
from kensho.guest.windows.adapt.supplied import plan_supplied
from kensho.guest.windows.control_sets import control_sets
from kensho.guest.windows.inbox import starts_of
from kensho.guest.windows.installed import controllers_of
from kensho.model.errors import KenshoError
from kensho.model.finding import Severity
from kensho.model.machine import ControllerModel

#: Drivers that are supplied go before those that are there. Settings come after what has scripts of its own. The first bus is looked for when all drivers are
#: there, scripts are written when all are known.
STEPS: tuple[Callable[[WindowsGuest], None], ...] = (
    plan_drivers,
    plan_supplied,
    plan_installed,
    plan_services,
    plan_processor,
    plan_mounted_devices,
    plan_boot,
    plan_network,
    plan_settings,
    plan_notes,
    plan_first_boot,
    plan_first_bus,
)


class WindowsPlan(msgspec.Struct, frozen=True):
    """What becomes of one Windows: the controllers it starts from then, and those it cannot drive."""

    root: str
    name: str
    controllers: tuple[ControllerModel, ...] = ()
    missing: tuple[ControllerModel, ...] = ()
    refused: str = ""  #: why nothing is changed in it


def adapt_windows(system: System, opened: Opened, aims: Aims) -> tuple[WindowsPlan, Draft]:
    """Plan all steps for one Windows. One that is refused has a finding (KF-885) and no edits."""
    try:
        refuse(system, opened)
        guest = open_windows(system, opened, aims)
        refuse_version(guest.version)
        for step in STEPS:
            step(guest)
        guest.hives.write_back()
    except KenshoError as error:
        empty = Draft(system.files, system.volume.id)
        empty.note(
            "KF-885", Severity.ERROR, f"Windows is left as it is: {error.message}",
            error.hint or "nothing of it was changed", error.path or system.volume.id,
        )  # fmt: skip
        return WindowsPlan(system.volume.id, "Windows", refused=error.message), empty
    hive = guest.registry.hive
    ready = controllers_of(guest.version, starts_of(hive, control_sets(hive)[0]))
    missing = tuple(model for model in aims.controllers if model not in ready)
    name = f"{guest.version.product or 'Windows'} ({guest.version.build})"
    return WindowsPlan(system.volume.id, name, ready, missing), guest.draft
