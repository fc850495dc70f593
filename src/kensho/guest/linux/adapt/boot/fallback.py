r"""A loader where every UEFI looks: entries in the firmware's own memory do not travel with the disks.

UEFI 2.10 §3.5.1.1: without an entry, ``\EFI\BOOT\BOOT{X64,AA64,IA32}.EFI`` of the EFI system partition is
started. What is put there is what shim's README.fallback has for removable media: shim itself, with GRUB
and MokManager beside it (shim loads the GRUB of its own folder) and without its fallback program, which
would write entries and restart the machine. Where there is no shim, GRUB or systemd-boot alone.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from kensho.disks.partition_table import ESP
from kensho.guest.files.tree import GuestFiles
from kensho.guest.linux.adapt.boot.change import why_not
from kensho.guest.linux.adapt.guest import LinuxGuest
from kensho.guest.linux.software import matches
from kensho.guest.volumes.scan import Volume
from kensho.model.errors import KenshoError
from kensho.model.finding import Severity
from kensho.model.machine import Firmware

_ESP_TYPES = frozenset({ESP, "ef"})
_ARCHITECTURES = ("x64", "aa64", "ia32")
_FALLBACK = "/EFI/BOOT"
_MOST = 16 << 20
#: grub/kernel.h: struct grub_module_info64 and 32 (magic "mimg"), grub_module_header's types.
_MAGIC = b"mimg"
_CONFIG, _PREFIX = 2, 3


def plan_fallback(guest: LinuxGuest) -> None:
    r"""Plan the loader in ``\EFI\BOOT``; where it is needed and cannot be, KF-866. KF-867: firmware."""
    esps = list(_esps(guest))
    _firmware(guest, esps)
    for volume, top in esps:
        files = GuestFiles(guest.opened.systems[volume.id])
        if matches(files, f"{_FALLBACK}/BOOT*.EFI", fold=True):
            continue
        for arch in _ARCHITECTURES:
            copies = _copies(files, arch)
            if copies:
                _plan(guest, volume, top, files, copies)


def _esps(guest: LinuxGuest) -> Iterator[tuple[Volume, str]]:
    """Yield EFI system partitions and where the guest mounts each; empty when it does not."""
    mounts = guest.system.files.mounts
    for volume in guest.opened.volumes.volumes:
        fs = guest.opened.systems.get(volume.id)
        if fs and fs.kind == "vfat" and volume.partition and volume.partition.type in _ESP_TYPES:
            yield volume, next((m for m, mounted in mounts.items() if mounted is fs), "")


def _copies(files: GuestFiles, arch: str) -> tuple[tuple[str, str], ...]:
    """Return (from, to) for the loader of an architecture; none when there is none."""
    for shim in matches(files, f"/EFI/*/shim{arch}.efi", fold=True):
        folder = shim.rpartition("/")[0]
        grub = f"{folder}/grub{arch}.efi"
        if files.exists(grub):
            mok = f"{folder}/mm{arch}.efi"
            more = ((mok, f"{_FALLBACK}/mm{arch}.efi"),) if files.exists(mok) else ()
            return ((shim, _target(arch)), (grub, f"{_FALLBACK}/grub{arch}.efi"), *more)
    for pattern in (f"/EFI/*/grub{arch}.efi", f"/EFI/systemd/systemd-boot{arch}.efi"):
        for path in matches(files, pattern, fold=True):
            return ((path, _target(arch)),)
    return ()


def _target(arch: str) -> str:
    return f"{_FALLBACK}/BOOT{arch.upper()}.EFI"


def _plan(
    guest: LinuxGuest,
    volume: Volume,
    top: str,
    files: GuestFiles,
    copies: tuple[tuple[str, str], ...],
) -> None:
    words = ", ".join(f"{source} as {target}" for source, target in copies)
    problem = why_not(guest, top) if top else "the guest does not mount it (fstab)"
    contents = {}
    for source, target in copies:
        try:
            contents[target] = files.read(source, _MOST)
        except KenshoError as error:
            problem = problem or error.message
    problem = problem or next(
        (p for data in contents.values() if (p := _without_configuration(files, data))), ""
    )
    if problem:
        guest.draft.note(
            "KF-866", Severity.WARNING,
            f"no loader is where UEFI looks without an entry of its own, and none is put there: {problem}",
            f"in the guest, before the move, copy {words}; or make an entry on the new platform",
            volume.id,
        )  # fmt: skip
        return
    for target, data in contents.items():
        guest.draft.write(
            f"{top}{target}", data, "the loader that UEFI starts without an entry", mode=0o755
        )


def _without_configuration(files: GuestFiles, image: bytes) -> str:
    """Return why a GRUB would not find its configuration; empty when it does, or is no GRUB."""
    prefix = grub_prefix(image)
    if prefix is None or not prefix.startswith("/") or files.exists(f"{prefix}/grub.cfg"):
        return ""  # what names a disk, or is looked for by UUID, does not depend on where GRUB is
    return f"GRUB looks for {prefix}/grub.cfg, which is not there"


def grub_prefix(image: bytes) -> str | None:
    """Return the folder that a GRUB image looks for its configuration in.

    None when it is no GRUB, or has a script in it that finds the folder.
    """
    at = image.find(_MAGIC)
    while at >= 0:
        for form, header in (("<4xQQ", 8), ("<II", 4)):
            if len(image) < at + 4 + struct.calcsize(form):
                continue
            offset, size = struct.unpack_from(form, image, at + 4)
            if header <= offset < size <= len(image) - at:
                found = _objects(image[at + offset : at + size])
                if _PREFIX in found:
                    word = found[_PREFIX].partition(b"\0")[0]
                    return None if _CONFIG in found else word.decode("utf-8", "replace")
        at = image.find(_MAGIC, at + 1)
    return None


def _objects(data: bytes) -> dict[int, bytes]:
    """Return what is packed into an image, by its type; of modules the last."""
    found: dict[int, bytes] = {}
    place = 0
    while place + 8 <= len(data):
        kind, size = struct.unpack_from("<II", data, place)
        if size < 8:
            break
        found[kind] = data[place + 8 : place + size]
        place += size
    return found


def _firmware(guest: LinuxGuest, esps: list[tuple[Volume, str]]) -> None:
    """Say where a target has not the firmware that the guest starts by."""
    boots = {
        firmware
        for firmware, found in (
            (Firmware.UEFI, any(_has_loader(guest, volume) for volume, _ in esps)),
            (Firmware.BIOS, any(t and t.boot_code for t in guest.opened.volumes.tables)),
        )
        if found
    }
    if not boots and any(not p.name.startswith("xen") for p in guest.aims.platforms):
        guest.draft.note(
            "KF-867", Severity.WARNING,
            "nothing on these disks starts by BIOS or UEFI: the loader may be the host's, as with Xen PV",
            "install GRUB in the guest (grub-install), before the move",
        )  # fmt: skip
    for platform in guest.aims.platforms:
        has = {firmware for form in platform.forms for firmware in form.firmware}
        if boots and not boots & has:
            guest.draft.note(
                "KF-867", Severity.WARNING,
                f"the guest starts by {_words(boots)} alone, {platform.title} by {_words(has)}",
                "install a boot loader for that in the guest, before the move; it is not converted",
            )  # fmt: skip


def _has_loader(guest: LinuxGuest, volume: Volume) -> bool:
    return bool(matches(GuestFiles(guest.opened.systems[volume.id]), "/EFI/*/*.efi", fold=True))


def _words(found: set[Firmware]) -> str:
    return " or ".join(sorted(firmware.value.upper() for firmware in found))
