"""X that is set up for the old hypervisor's display adapter (xorg.conf(5)): the file is moved aside.

Without it, X looks for itself what there is.
"""

from __future__ import annotations

import re

from kensho.guest.linux.adapt.guest import LinuxGuest

_SECTION = re.compile(r'[ \t]*(?:Section[ \t]+"(\w+)"|(EndSection))', re.IGNORECASE)
_DRIVER = re.compile(r'[ \t]*Driver[ \t]+"(\w+)"', re.IGNORECASE)
_PLATFORMS = {
    "vmware": {"vmware", "virtualbox"},
    "vmwlegacy": {"vmware"},
    "vboxvideo": {"virtualbox"},
    "qxl": {"kvm", "proxmox", "kubevirt", "openstack"},
    "prlvideo": set[str](),
    "hyperv": {"hyperv", "azure"},
}
_FOLDER = "/etc/X11/xorg.conf.d"


def plan_display(guest: LinuxGuest) -> None:
    """Move X's configuration aside where its driver fits no target, or not all of them."""
    draft = guest.draft
    targets = {platform.name for platform in guest.aims.platforms}
    names = (f"{_FOLDER}/{name}" for name in draft.names(_FOLDER) if name.endswith(".conf"))
    for path in ("/etc/X11/xorg.conf", *names):
        text = draft.text(path)
        found = _drivers(text)
        if any(driver in _PLATFORMS and not targets <= _PLATFORMS[driver] for driver in found):
            why = f"X is set up for {', '.join(sorted(found))}"
            draft.write(f"{path}.before-kensho", text, why)
            draft.delete(path, why)


def _drivers(text: str) -> set[str]:
    """Return the drivers of display adapters."""
    found: set[str] = set()
    section = ""
    for line in text.splitlines():
        edge = _SECTION.match(line)
        if edge:
            section = (edge[1] or "").lower()
        driver = _DRIVER.match(line)
        if driver and section == "device":
            found.add(driver[1].lower())
    return found
