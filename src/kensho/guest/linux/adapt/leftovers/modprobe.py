"""Drivers that targets need and the guest's settings keep from being loaded.

Sources: modprobe.d(5) (``blacklist``, ``install`` with a program that does nothing), dracut.conf(5)
(``omit_drivers``). The initramfs has copies of modprobe's settings: they are brought up to date, too.
"""

from __future__ import annotations

import re

from kensho.guest.aims import Aims
from kensho.guest.devices import CONTROLLERS, NICS
from kensho.guest.linux.adapt.guest import LinuxGuest

#: What the drivers of devices stand on, which are loaded by themselves unless somebody forbids it.
_BELOW = ("virtio", "virtio_ring", "virtio_pci", "hv_vmbus", "xen_platform_pci", "scsi_mod", "sd_mod",
          "libata", "libahci", "mptbase", "mptscsih", "nvme_core", "scsi_transport_spi",
          "scsi_transport_sas")  # fmt: skip
_FORBIDS = re.compile(
    r"^([ \t]*)(blacklist[ \t]+([\w-]+)|install[ \t]+([\w-]+)[ \t]+(?:/usr)?/bin/(?:true|false))[ \t]*$",
    re.MULTILINE,
)
_OMITS = re.compile(r"^([ \t]*omit_drivers\+?=)([\"'])(.*?)\2", re.MULTILINE)


def needed_drivers(aims: Aims) -> frozenset[str]:
    """Return the drivers of what the targets have, with ``_`` for every dash."""
    needed = set(_BELOW)
    for model in aims.controllers:
        needed |= {*CONTROLLERS[model].linux, *CONTROLLERS[model].upper}
    for adapter in aims.adapters:
        needed |= set(NICS[adapter].linux)
    return frozenset(_plain(name) for name in needed)


def plan_modprobe(guest: LinuxGuest) -> None:
    """Have the drivers that the targets need loaded again."""
    draft = guest.draft
    needed = needed_drivers(guest.aims)

    def allowed(match: re.Match[str]) -> str:
        name = match[3] or match[4]
        return f"{match[1]}# kensho: {match[2]}" if _plain(name) in needed else match[0]

    def kept(match: re.Match[str]) -> str:
        words = match[3].split()
        left = [word for word in words if _plain(word) not in needed]
        return match[0] if left == words else f"{match[1]}{match[2]} {' '.join(left)} {match[2]}"

    folder = "/etc/modprobe.d"
    paths = [f"{folder}/{n}" for n in draft.names(folder) if n.endswith(".conf") or "." not in n]
    for path in ("/etc/modprobe.conf", *paths):
        before = draft.text(path)
        after = _FORBIDS.sub(allowed, before)
        if after != before:
            draft.write(path, after, "drivers that targets need may be loaded")
            draft.early[path[1:]] = draft.read(path)
    drops = "/etc/dracut.conf.d"
    for path in ("/etc/dracut.conf", *(f"{drops}/{n}" for n in draft.names(drops))):
        before = draft.text(path)
        after = _OMITS.sub(kept, before)
        if after != before:
            draft.write(path, after, "drivers that targets need are not left out")


def _plain(name: str) -> str:
    return name.replace("-", "_").lower()
