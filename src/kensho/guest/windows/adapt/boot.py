r"""The boot loader's configuration: its partitions are those of the disks, and UEFI finds it anywhere.

- Every partition that the BCD means has to be on the machine's disks. One that is not, as after a copy
  with new identifiers, is put right where it is plain which one is meant: the boot manager's is the
  volume the BCD is on; a loader's the one Windows that has its program.
- The setting ``graphicsmodedisabled`` of what is started by default goes on UEFI: other firmware has a
  graphics console alone.
- ``\EFI\Boot\bootx64.efi`` is what UEFI starts on a disk that its variables do not know (UEFI 2.10,
  3.5.1.1), and a disk that moves is one. Where it is missing, it becomes a copy of Windows' own loader.
"""

from __future__ import annotations

import struct

from kensho.guest.inspect.systems import find_systems
from kensho.guest.volumes.scan import Volume
from kensho.guest.windows.adapt.disks import Place, places
from kensho.guest.windows.adapt.guest import WindowsGuest, place_of
from kensho.guest.windows.bcd import (
    BOOT_MANAGER,
    DEFAULT_OBJECT,
    GRAPHICS_DISABLED,
    LOADER,
    MEMORY_TEST,
    RESUME,
    Element,
    Reference,
    meaning,
    partitions_of,
    text_of,
)
from kensho.guest.windows.changes import Editor
from kensho.guest.windows.hive import binary
from kensho.guest.windows.installed import windows_folder
from kensho.model.errors import KenshoError
from kensho.model.finding import Severity

_BIOS, _UEFI = "/Boot/BCD", "/EFI/Microsoft/Boot/BCD"
_LOADER = "/EFI/Microsoft/Boot/bootmgfw.efi"
_FALLBACK = {0x8664: "bootx64.efi", 0x14C: "bootia32.efi", 0xAA64: "bootaa64.efi"}
_MOST_LOADER = 32 << 20


def plan_boot(guest: WindowsGuest) -> None:
    """Put the BCDs of all volumes right (KF-889), and the loader where UEFI looks for it (KF-890)."""
    found = False
    for volume in (guest.system.volume, *guest.others):
        own = volume.id == guest.system.volume.id
        root = "" if own else place_of(volume)
        for path in (_BIOS, _UEFI):
            if not guest.exists(root + path):
                continue
            found = True
            fs = guest.opened.systems[volume.id]
            if fs.kind == "ntfs" and fs.warnings:
                _note(guest, volume, f"the boot configuration is not looked at: NTFS {fs.warnings[0]}",
                      "start the machine where it was and shut it down, then adapt again")  # fmt: skip
                continue
            try:
                bcd = guest.hives.open(root + path, "BCD")
            except KenshoError as error:
                _note(guest, volume, f"the boot configuration is not read: {error.message}",
                      "repair it after the move: bootrec /rebuildbcd")  # fmt: skip
                continue
            _check(guest, volume, bcd)
            if path == _UEFI:
                _show_graphics(bcd)
        if guest.exists(root + _LOADER):
            _fall_back(guest, root)
    if not found and guest.version.nt >= (6, 0):
        _note(guest, guest.system.volume, "no boot configuration (BCD) was found",
              "give all of the machine's disks: Windows starts from another one")  # fmt: skip


def _check(guest: WindowsGuest, volume: Volume, bcd: Editor) -> None:
    known = places(guest.opened)
    for element in partitions_of(bcd.hive):
        if any(_means(element.means, place) for place in known.values()):
            continue
        name = element.application or element.identity
        meant = _meant(guest, volume, element)
        place = known.get(meant)
        if place is None:
            _note(guest, volume, f"{name} is on a partition that is not on these disks",
                  "if it is what starts Windows: give all disks, or bootrec /rebuildbcd")  # fmt: skip
            continue
        reference = Reference(place.gpt, place.disk, place.start, place.partition)
        bcd.set(element.path, binary("Element", meaning(element.value.data, reference)))
        _note(guest, volume, f"{name} was on a partition that is not on these disks",
              f"it is on {meant} now")  # fmt: skip


def _means(reference: Reference, place: Place) -> bool:
    if reference.gpt != place.gpt or reference.disk != place.disk:
        return False
    return reference.partition == place.partition if place.gpt else reference.start == place.start


def _meant(guest: WindowsGuest, volume: Volume, element: Element) -> str:
    """Return the volume that an element has to mean, empty where that is not plain."""
    if element.kind not in {LOADER, RESUME}:
        return volume.id if element.identity in {BOOT_MANAGER, MEMORY_TEST} else ""
    path = element.application.replace("\\", "/")
    having = [
        system.volume.id
        for system in find_systems(guest.opened)
        if windows_folder(system.files) and path and system.files.exists(path)
    ]
    return having[0] if len(having) == 1 else ""


def _show_graphics(bcd: Editor) -> None:
    default = text_of(bcd.hive, BOOT_MANAGER, DEFAULT_OBJECT)
    if default:
        bcd.delete_key(rf"Objects\{default}\Elements\{GRAPHICS_DISABLED}")


def _fall_back(guest: WindowsGuest, root: str) -> None:
    loader = guest.real(root + _LOADER)
    try:
        content = guest.draft.read(loader, _MOST_LOADER)
        name = _FALLBACK.get(_machine(content), "")
    except KenshoError:
        name = ""
    if not name:
        guest.draft.note(
            "KF-890", Severity.WARNING, f"{loader} is no loader that is known",
            "if the new machine finds nothing to start, choose this file in its firmware",
        )  # fmt: skip
        return
    path = guest.real(f"{root}/EFI/Boot/{name}")
    if not guest.draft.exists(path):
        why = "Windows' loader where UEFI looks for one on a disk that is new to it"
        guest.draft.write(path, content, why)


def _machine(content: bytes) -> int:
    """Return the processor a PE file is for (PE format, "COFF file header"), 0 for what is none."""
    if len(content) < 0x40 or content[:2] != b"MZ":
        return 0
    (at,) = struct.unpack_from("<I", content, 0x3C)
    if at > len(content) - 6 or content[at : at + 4] != b"PE\0\0":
        return 0
    machine: int = struct.unpack_from("<H", content, at + 4)[0]
    return machine


def _note(guest: WindowsGuest, volume: Volume, what: str, action: str) -> None:
    guest.draft.note("KF-889", Severity.WARNING, what, action, volume.id)
