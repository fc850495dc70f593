r"""What is not changed, and has to be known before the machine is moved.

Sources: ``TimeZoneInformation\RealTimeIsUniversal`` (KB 2687252); ``PendingFileRenameOperations``
(MoveFileEx), ``winsxs\pending.xml`` and ``RebootPending`` (servicing); ``DeviceInstall\Restrictions``
(policy CSP "DeviceInstallation"); file system filters by their service's ``Group``; the HAL by the device
of class Computer (KB 309283); ARC paths in ``boot.ini`` (KB 102873); heads in an NTFS boot sector by the size of the disk, as a BIOS counts
them, which XP's boot code reads with.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from kensho.guest.windows.adapt.guest import WindowsGuest
from kensho.guest.windows.adapt.refusals import dynamic
from kensho.guest.windows.control_sets import control_sets
from kensho.guest.windows.hive import Key
from kensho.guest.windows.inbox import VISTA
from kensho.model.finding import Severity

_COMPUTER = "{4D36E966-E325-11CE-BFC1-08002BE10318}"
_HEADS_AT = 0x1A
#: Largest disks, bytes, that a BIOS gives so many heads; larger ones have 255.
_HEADS = ((64, 2_114_445_312), (128, 4_228_374_780))
_OWN_ANTIVIRUS = frozenset({"wdfilter", "wdboot", "msseclite", "mpfilter"})
_MOST_SHOWN = 5


def plan_notes(guest: WindowsGuest) -> None:
    """Note what of this Windows asks for care (KF-892 to KF-895, KF-898, KF-899, KF-901, KF-902)."""
    draft = guest.draft
    current = control_sets(guest.registry.hive)[0]
    pending = tuple(_pending(guest, current))
    if pending:
        draft.note(
            "KF-892", Severity.WARNING, f"updates wait for a restart: {', '.join(pending)}",
            "let it restart where it was, until nothing waits, before it is moved",
        )  # fmt: skip
    guards = tuple(_guards(guest, current))
    if guards:
        draft.note(
            "KF-893", Severity.WARNING,
            f"what may keep new drivers from being installed: {', '.join(guards)}",
            "allow them for the first start: devices of the new platform are new hardware",
        )  # fmt: skip
    if _number(guest, rf"{current}\Control\TimeZoneInformation", "RealTimeIsUniversal"):
        draft.note(
            "KF-894", Severity.NOTE, "Windows takes the machine's clock for UTC",
            "let the machine's clock run in UTC on the new platform",
        )  # fmt: skip
    if guest.aims.identity:
        draft.note(
            "KF-902", Severity.WARNING,
            "a copy of this Windows has its computer name, its SID and its membership of a domain",
            "run sysprep /generalize in the copy before it meets the original in a network",
        )  # fmt: skip
    _note_volumes(guest)
    if guest.version.nt < VISTA:
        _note_hal(guest, current)
        _note_heads(guest)
        _note_boot_ini(guest)


def _pending(guest: WindowsGuest, current: str) -> Iterator[str]:
    if guest.system.files.exists(f"{guest.folder}/winsxs/pending.xml"):  # a large directory
        yield "winsxs\\pending.xml"
    key = guest.registry.hive.find(rf"{current}\Control\Session Manager")
    if key is not None and _strings(key, "PendingFileRenameOperations"):
        yield "PendingFileRenameOperations"
    servicing = r"Microsoft\Windows\CurrentVersion\Component Based Servicing\RebootPending"
    if guest.software.hive.find(servicing) is not None:
        yield "RebootPending"


def _guards(guest: WindowsGuest, current: str) -> Iterator[str]:
    key = guest.software.hive.find(r"Policies\Microsoft\Windows\DeviceInstall\Restrictions")
    for value in key.values() if key is not None else ():
        if value.number and (value.name.startswith("Deny") or value.name == "AllowDenyLayered"):
            yield f"the policy {value.name}"
    services = guest.registry.hive.find(rf"{current}\Services")
    for service in services.subkeys() if services is not None else ():
        group = service.value("Group")
        scanner = group is not None and group.text.lower() == "fsfilter anti-virus"
        if scanner and service.name.lower() not in _OWN_ANTIVIRUS:
            yield f"the virus scanner {service.name}"


def _note_volumes(guest: WindowsGuest) -> None:
    for volume in guest.opened.volumes.volumes:
        why = dynamic(volume)
        if volume.content.kind == "BitLocker":
            why = "encrypted with BitLocker"
        if why and volume.id != guest.system.volume.id:
            guest.draft.note(
                "KF-898", Severity.WARNING, f"a volume is {why}",
                "nothing on it is looked at or changed; have its recovery key at hand"
                if volume.content.kind == "BitLocker"
                else "give the machine all of its disks; import them in Disk Management if asked",
                volume.id,
            )  # fmt: skip


def _note_hal(guest: WindowsGuest, current: str) -> None:
    key = guest.registry.hive.find(rf"{current}\Control\Class\{_COMPUTER}\0000")
    value = key.value("MatchingDeviceId") if key is not None else None
    hal = value.text.lower() if value is not None else ""
    machine = guest.aims.machine
    if not hal or (hal.startswith("acpiapic") and hal != "acpiapic_up"):
        return
    if hal in {"acpiapic_up", "acpipic_up"}:
        if machine is None or machine.cpu.count > 1:
            guest.draft.note(
                "KF-895", Severity.NOTE, f"the HAL ({hal}) is for one processor",
                "more than one is not used; a repair installation changes the HAL",
            )  # fmt: skip
        return
    guest.draft.note(
        "KF-895", Severity.WARNING, f"the HAL ({hal}) is not for ACPI",
        "switch ACPI off in the new machine, or repair the installation with XP's CD there",
    )  # fmt: skip


def _note_heads(guest: WindowsGuest) -> None:
    volume = guest.system.volume
    fs = guest.opened.systems[volume.id]
    if fs.kind != "ntfs" or volume.view is None:
        return
    disk, _ = volume.view.whole()
    stated = int.from_bytes(volume.view.read(_HEADS_AT, 2), "little")
    counted = next((heads for heads, size in _HEADS if disk.size < size), 255)
    if stated != counted:
        guest.draft.note(
            "KF-899", Severity.WARNING,
            f"the boot sector counts {stated} heads, and a BIOS counts {counted} on this disk",
            'if it stops at "A disk read error occurred", set the byte at 0x1a of the volume',
        )  # fmt: skip


def _note_boot_ini(guest: WindowsGuest) -> None:
    path = guest.real("/boot.ini")
    if re.search(
        r"^[ \t]*(default\s*=\s*)?(scsi|signature)\(", guest.draft.text(path).lower(), re.MULTILINE
    ):
        guest.draft.note(
            "KF-901", Severity.WARNING,
            "boot.ini names a SCSI controller, whose driver (ntbootdd.sys) is for the old one",
            "write multi(0)disk(0)rdisk(0) in place of scsi(…)disk(…)rdisk(…), which a BIOS reads",
            path,
        )  # fmt: skip


def _number(guest: WindowsGuest, path: str, name: str) -> int:
    key = guest.registry.hive.find(path)
    value = key.value(name) if key is not None else None
    return (value.number or 0) if value is not None else 0


def _strings(key: Key, name: str) -> tuple[str, ...]:
    value = key.value(name)
    return tuple(s for s in value.strings if s)[:_MOST_SHOWN] if value is not None else ()
