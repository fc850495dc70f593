r"""Services and filters of platforms that the machine leaves.

Services are kept from starting, none is removed (`kensho.guest.windows.services`). Filter drivers of
device classes are taken out where they would keep the disk's devices from starting:

- those of Xen's drivers (``XENFILT`` of XenServer and the Xen project, ``scsifilt`` of old Citrix tools,
  ``xenpci`` and ``xenhide`` of GPLPV) are filters of the classes System, HDC and SCSIAdapter, and Windows
  stops with 0x7B elsewhere (QubesOS/qubes-issues#1078; XenServer's win-xenbus, src/coinst). On Xen
  Windows starts without them, on emulated devices, until its tools are installed again;
- those whose service is not in the registry any more, is disabled here, or has lost its file: a
  device does not start when one of its filters cannot be loaded (KB 976267). The class of an adapter
  that was not there before the move can have one that nobody noticed.

XP's and Server 2003's driver for Intel's processors stops Windows on others (0x7E, KB 953356): it goes by
what the machine had, and is disabled.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

from kensho.guest.windows.adapt.guest import WindowsGuest
from kensho.guest.windows.changes import Editor
from kensho.guest.windows.control_sets import control_sets
from kensho.guest.windows.hive import Key, dword, multi_sz
from kensho.guest.windows.inbox import IDE_CLASS, SCSI_CLASS, VISTA, image_path
from kensho.guest.windows.services import DISABLED, OWN, disable_services
from kensho.model.finding import Severity

#: Names of targets on which a platform's own services are at home.
_HOME = {
    "vmware": frozenset({"vmware", "portable"}),
    "xenserver": frozenset({"xenserver", "xen"}),
    "virtualbox": frozenset({"virtualbox", "portable"}),
}
_XEN_FILTERS = frozenset({"xenfilt", "scsifilt", "xenpci", "xenhide"})
_PROCESSOR = "intelppm"
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
    foreign = frozenset(name.lower() for name in disabled)
    foreign |= frozenset() if targets <= _XEN else _XEN_FILTERS
    dropped = drop_filters(guest.registry, foreign, guest.has_file)
    if dropped:
        guest.draft.note(
            "KF-891", Severity.NOTE,
            f"filters that would keep disks or their buses from starting: {', '.join(dropped)}",
            "they are taken out of the device classes; back on Xen install its tools again",
        )  # fmt: skip


def plan_processor(guest: WindowsGuest) -> None:
    """Disable XP's and Server 2003's driver for Intel's processors (KF-904)."""
    if guest.version.nt >= VISTA:
        return
    system = guest.registry
    before = len(system.changes)
    for control_set in control_sets(system.hive):
        path = rf"{control_set}\Services\{_PROCESSOR}"
        if system.hive.find(path) is not None:
            system.set(path, dword("Start", DISABLED))
    if len(system.changes) > before:
        guest.draft.note(
            "KF-904", Severity.NOTE,
            f"{_PROCESSOR}, which stops this Windows on processors that are not Intel's, is disabled",
            "it saves power on real machines alone",
        )  # fmt: skip


def platforms_left(guest: WindowsGuest) -> tuple[str, ...]:
    """Return the platforms of `OWN` that the machine leaves."""
    targets = {platform.name for platform in guest.aims.platforms}
    return tuple(name for name in OWN if not _HOME.get(name, frozenset()) & targets)


def drop_filters(
    system: Editor, foreign: frozenset[str], has_file: Callable[[str], bool] = lambda _: True
) -> tuple[str, ...]:
    """Take filters out of device classes; return their names.

    Out go those in ``foreign`` (lower case) from any class, and those without a service, or without
    the file that their service names, from the classes that a disk hangs on. ``has_file`` is that of
    `enable_in_box`.
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
                names = tuple(itertools.takewhile(bool, value.strings))  # as far as Windows reads
                near = key.name.lower() in _ON_THE_WAY
                gone = {
                    name
                    for name in names
                    if name.lower() in foreign or (near and _is_lost(services, name, has_file))
                }
                if not gone:
                    continue
                dropped |= dict.fromkeys(sorted(gone))
                kept = [name for name in names if name not in gone]
                path = rf"{control_set}\Control\Class\{key.name}"
                if kept:
                    system.set(path, multi_sz(value.name, kept))
                else:
                    system.delete_value(path, value.name)
    return tuple(dropped)


def _is_lost(services: Key, name: str, has_file: Callable[[str], bool]) -> bool:
    service = services.subkey(name)
    if service is None:
        return True
    image = service.value("ImagePath")
    file = image_path(image.text if image is not None else "", name)
    return bool(file) and not has_file(file)  # one that lies elsewhere is not looked for
