r"""A loader where every UEFI looks: entries in the firmware's own memory do not travel with the disks.

UEFI 2.10 §3.5.1.1: without an entry, ``\EFI\BOOT\BOOT{X64,AA64,IA32}.EFI`` of the EFI system partition is
started. What is put there is what shim's README.fallback has for removable media: shim itself, with GRUB
and MokManager beside it (shim loads the GRUB of its own folder) and without its fallback program, which
would write entries and restart the machine. Where there is no shim, GRUB or systemd-boot alone.
"""

from __future__ import annotations

from collections.abc import Iterator

from kensho.disks.partition_table import ESP
from kensho.guest.edit.backends import room_of
from kensho.guest.edit.plan import FileEdit
from kensho.guest.files.tree import GuestFiles
from kensho.guest.linux.adapt.boot.change import why_not
from kensho.guest.linux.adapt.guest import LinuxGuest
from kensho.guest.linux.boot.efi_image import architecture_of, grub_prefix
from kensho.guest.linux.software import matches
from kensho.guest.volumes.scan import Volume
from kensho.model.errors import KenshoError
from kensho.model.finding import Severity
from kensho.model.machine import Firmware

_ESP_TYPES = frozenset({ESP, "ef"})
_ARCHITECTURES = ("x64", "aa64", "ia32")
_FALLBACK = "/EFI/BOOT"
_MOST = 16 << 20


def plan_fallback(guest: LinuxGuest) -> None:
    r"""Plan the loader in ``\EFI\BOOT``; where it is needed and cannot be, KF-866. KF-867: firmware."""
    esps = list(_esps(guest))
    _firmware(guest, esps)
    for volume, top in esps:
        files = GuestFiles(guest.opened.systems[volume.id])
        planned = False
        for arch in _ARCHITECTURES:
            ways = [] if files.exists(_target(arch)) else list(_copies(files, arch))
            if ways:
                # Folders of systems that are gone stay behind: their GRUB finds no configuration.
                copies = next((way for way in ways if _finds_its_own(files, way)), ways[0])
                planned = True
                _plan(guest, volume, top, files, copies)
        if not planned and not matches(files, f"{_FALLBACK}/BOOT*.EFI", fold=True):
            _unknown(guest, volume, files)


def _esps(guest: LinuxGuest) -> Iterator[tuple[Volume, str]]:
    """Yield EFI system partitions and where the guest mounts each; empty when it does not."""
    mounts = guest.system.files.mounts
    for volume in guest.opened.volumes.volumes:
        fs = guest.opened.systems.get(volume.id)
        if fs and fs.kind == "vfat" and volume.partition and volume.partition.type in _ESP_TYPES:
            yield volume, next((m for m, mounted in mounts.items() if mounted is fs), "")


def _copies(files: GuestFiles, arch: str) -> Iterator[tuple[tuple[str, str], ...]]:
    """Yield (from, to) for each loader of an architecture, shim's first."""
    for shim in matches(files, f"/EFI/*/shim{arch}.efi", fold=True):
        folder = shim.rpartition("/")[0]
        grub = f"{folder}/grub{arch}.efi"
        if files.exists(grub):
            mok = f"{folder}/mm{arch}.efi"
            more = ((mok, f"{_FALLBACK}/mm{arch}.efi"),) if files.exists(mok) else ()
            yield ((shim, _target(arch)), (grub, f"{_FALLBACK}/grub{arch}.efi"), *more)
    for shim in matches(files, "/EFI/*/shim.efi", fold=True):
        # SUSE's looks for grub.efi, and that for grub.cfg where it is itself.
        folder = shim.rpartition("/")[0]
        if files.exists(f"{folder}/grub.efi") and _architecture(files, shim) == arch:
            names = ("grub.efi", "MokManager.efi", "grub.cfg")
            beside = tuple(
                (f"{folder}/{name}", f"{_FALLBACK}/{name}")
                for name in names
                if files.exists(f"{folder}/{name}")
            )
            yield ((shim, _target(arch)), *beside)
    for pattern in (f"/EFI/*/grub{arch}.efi", f"/EFI/systemd/systemd-boot{arch}.efi"):
        for path in matches(files, pattern, fold=True):
            yield ((path, _target(arch)),)


def _finds_its_own(files: GuestFiles, copies: tuple[tuple[str, str], ...]) -> bool:
    try:
        return not any(_without_configuration(files, files.read(s, _MOST)) for s, _ in copies)
    except KenshoError:
        return False


def _architecture(files: GuestFiles, path: str) -> str:
    try:
        return architecture_of(files.head(path, 4096))
    except KenshoError:
        return ""


def _unknown(guest: LinuxGuest, volume: Volume, files: GuestFiles) -> None:
    """Name loaders that are not known: GRUB legacy for EFI (RHEL 6), rEFInd …."""
    found = [
        path
        for path in matches(files, "/EFI/*/*.efi", fold=True)
        if not path.lower().startswith(("/efi/linux/", "/efi/microsoft/"))
    ]
    if found:
        guest.draft.note(
            "KF-866", Severity.WARNING,
            "no loader is where UEFI looks without an entry of its own, and none is put there: "
            f"none of these is known: {', '.join(found[:5])}",
            f"make an entry on the new platform, or put the guest's own loader at {_FALLBACK}",
            volume.id,
        )  # fmt: skip


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
    problem = problem or _lack_of_room(volume, contents)
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


def _lack_of_room(volume: Volume, contents: dict[str, bytes]) -> str:
    """Return how much is lacking: a loader that may be done without is no reason to refuse all."""
    room = room_of(volume, [FileEdit(target, data, "") for target, data in contents.items()])
    return f"{room.lacking} bytes are lacking there" if room and room.lacking else ""


def _without_configuration(files: GuestFiles, image: bytes) -> str:
    """Return why a GRUB would not find its configuration; empty when it does, or is no GRUB."""
    prefix = grub_prefix(image)
    if prefix is None or not prefix.startswith("/") or files.exists(f"{prefix}/grub.cfg"):
        return ""  # what names a disk, or is looked for by UUID, does not depend on where GRUB is
    return f"GRUB looks for {prefix}/grub.cfg, which is not there"


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
