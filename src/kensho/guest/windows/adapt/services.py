r"""Services and filters of platforms that the machine leaves.

Services are kept from starting, none is removed (`kensho.guest.windows.services`). Filter drivers of
device classes are taken out where they would keep the disk's devices from starting:

- those of Xen's drivers (``XENFILT`` of XenServer and the Xen project, ``scsifilt`` of old Citrix tools,
  ``xenpci`` and ``xenhide`` of GPLPV) are filters of the classes System, HDC and SCSIAdapter, and Windows
  stops with 0x7B elsewhere (QubesOS/qubes-issues#1078; XenServer's win-xenbus, src/coinst). On Xen
  Windows starts without them, on emulated devices, until its tools are installed again;
- those whose service is not in the registry any more: a device does not start when one of its
  filters cannot be loaded (KB 976267). The class of an adapter that was not there before the move can
  have one that nobody noticed.
"""

from __future__ import annotations

from kensho.guest.windows.adapt.guest import WindowsGuest
from kensho.guest.windows.changes import Editor
from kensho.guest.windows.control_sets import control_sets
from kensho.guest.windows.hive import multi_sz
from kensho.guest.windows.inbox import IDE_CLASS, SCSI_CLASS
from kensho.guest.windows.services import OWN, disable_services
from kensho.model.finding import Severity

#: Names of targets on which a platform's own services are at home.
_HOME = {
    "vmware": frozenset({"vmware", "portable"}),
    "xenserver": frozenset({"xenserver", "xen"}),
    "virtualbox": frozenset({"virtualbox", "portable"}),
}
_XEN_FILTERS = frozenset({"xenfilt", "scsifilt", "xenpci", "xenhide"})
_XEN = frozenset({"xenserver", "xen"})
#: Classes of what a disk hangs on: System, HDC, SCSIAdapter, DiskDrive, Volume.
_ON_THE_WAY = frozenset(
    guid.lower()
    for guid in (
        IDE_CLASS,
        SCSI_CLASS,
        "{4D36E97D-E325-11CE-BFC1-08002BE10318}",
        "{4D36E967-E325-11CE-BFC1-08002BE10318}",
        "{71A27CDD-812A-11D0-BEC7-08002BE2092F}",
    )
)


def plan_services(guest: WindowsGuest) -> None:
    """Disable services and take filters out; both are a finding (KF-891)."""
    targets = {platform.name for platform in guest.aims.platforms}
    left = platforms_left(guest)
    before = len(guest.registry.changes)
    disabled = disable_services(guest.registry, left)
    if disabled and len(guest.registry.changes) > before:
        guest.draft.note(
            "KF-891", Severity.NOTE, f"services of other platforms: {', '.join(disabled)}",
            "they are disabled, not removed: Start 4",
        )  # fmt: skip
    foreign = frozenset() if targets <= _XEN else _XEN_FILTERS
    dropped = drop_filters(guest.registry, foreign)
    if dropped:
        guest.draft.note(
            "KF-891", Severity.NOTE,
            f"filters that would keep disks or their buses from starting: {', '.join(dropped)}",
            "they are taken out of the device classes; back on Xen install its tools again",
        )  # fmt: skip


def platforms_left(guest: WindowsGuest) -> tuple[str, ...]:
    """Return the platforms of `OWN` that the machine leaves."""
    targets = {platform.name for platform in guest.aims.platforms}
    return tuple(name for name in OWN if not _HOME.get(name, frozenset()) & targets)


def drop_filters(system: Editor, foreign: frozenset[str]) -> tuple[str, ...]:
    """Take filters out of device classes; return their names.

    Out go those in ``foreign`` (lower case) from any class, and those without a service from the
    classes that a disk hangs on.
    """
    dropped: dict[str, None] = {}
    for control_set in control_sets(system.hive):
        services = system.hive.find(rf"{control_set}\Services")
        classes = system.hive.find(rf"{control_set}\Control\Class")
        if services is None or classes is None:
            continue
        for key in classes.subkeys():
            for kind in ("UpperFilters", "LowerFilters"):
                value = key.value(kind)
                if value is None:
                    continue
                gone = {
                    name
                    for name in value.strings
                    if name.lower() in foreign
                    or (key.name.lower() in _ON_THE_WAY and services.subkey(name) is None)
                }
                if not gone:
                    continue
                dropped |= dict.fromkeys(sorted(gone))
                kept = [name for name in value.strings if name not in gone]
                path = rf"{control_set}\Control\Class\{key.name}"
                if kept:
                    system.set(path, multi_sz(value.name, kept))
                else:
                    system.delete_value(path, value.name)
    return tuple(dropped)
