"""Ways to start that are not changed here, named with what the user can do."""

from __future__ import annotations

from kensho.guest.inspect.systems import find_systems
from kensho.guest.linux.adapt.guest import LinuxGuest
from kensho.guest.linux.boot.configs import started
from kensho.guest.linux.kernels import find_kernels
from kensho.guest.linux.software import matches
from kensho.model.finding import Severity

_LILO = "/etc/lilo.conf"
_UKIS = tuple(f"{esp}/EFI/Linux/*.efi" for esp in ("/boot", "/efi", "/boot/efi"))
_OTHERS = (
    ("/boot/boot.scr", "U-Boot's boot.scr"),
    ("/etc/zipl.conf", "zipl"),
    ("/boot/*refind_linux.conf", "rEFInd"),
)


def plan_unknown(guest: LinuxGuest) -> None:
    """Name loaders that are not edited (KF-862), none at all or no kernel (KF-863), other systems (KF-869)."""
    files, note = guest.system.files, guest.draft.note
    offered = started(files, guest.draft.text)
    kernels = [found for found in find_kernels(files) if found.image]
    bundles = [path for pattern in _UKIS for path in matches(files, pattern)]
    if files.exists(_LILO) and not offered:
        note(
            "KF-862", Severity.WARNING, "LILO starts the kernel from fixed places on the disk",
            "it finds an initramfs that is changed only after lilo has been run in the guest; there, "
            "name the root by UUID in /etc/lilo.conf, too, or install GRUB",
        )  # fmt: skip
    if bundles:
        note(
            "KF-862", Severity.WARNING,
            f"kernels in one file with their initramfs and command line: {', '.join(bundles[:3])}",
            "they may be signed and are left as they are: make them anew in the guest, before the move",
        )  # fmt: skip
    for pattern, name in _OTHERS:
        if matches(files, pattern):
            note(
                "KF-862",
                Severity.NOTE,
                f"{name} is not looked into",
                "check what it says of devices",
            )
    if not kernels and not bundles:
        note(
            "KF-863", Severity.WARNING, "no kernel was found: nothing that starts is adapted",
            "install one in the guest; its /boot may be on a volume that is not here",
        )  # fmt: skip
    elif not offered and not bundles and not files.exists(_LILO):
        note(
            "KF-863", Severity.WARNING, "no boot loader's configuration that is known was found",
            "whether the root is named by a device that moves is not known; see /proc/cmdline",
        )  # fmt: skip
    _others(guest)


def _others(guest: LinuxGuest) -> None:
    here = guest.system.volume.id
    others = [s.volume.id for s in find_systems(guest.opened) if s.volume.id != here]
    if others:
        guest.draft.note(
            "KF-869", Severity.NOTE,
            f"other systems are on these disks ({', '.join(others)}): one loader may start them all",
            "each is adapted by its own files; start each one once on the new platform",
        )  # fmt: skip
