r"""``SYSTEM\MountedDevices``: the drive letter that Windows itself is on stays what it was.

A disk that is copied bit for bit keeps its signature and GUIDs, and its letters with them. Where
the entry of Windows' own volume does not fit (an image that was partitioned anew), Windows would
give it another letter, which its registry is full of: that one entry is put right, and another letter
that the volume has got goes. Source:
winreg-kb, "Mounted devices".
"""

from __future__ import annotations

import re

from kensho.guest.windows.adapt.disks import places
from kensho.guest.windows.adapt.guest import WindowsGuest
from kensho.guest.windows.hive import binary
from kensho.model.finding import Severity

_KEY = "MountedDevices"


def plan_mounted_devices(guest: WindowsGuest) -> None:
    """Put the entry of Windows' own drive letter right (KF-888)."""
    own = places(guest.opened).get(guest.system.volume.id)
    letter = _letter(guest)
    key = guest.registry.hive.find(_KEY)
    if own is None or not letter or key is None:
        return
    known = key.value(rf"\DosDevices\{letter}:")
    # Without an entry, as sysprep leaves it, Windows gives its own volume the letter again.
    if known is None or known.data == own.mounted:
        return
    guest.draft.note(
        "KF-888", Severity.WARNING,
        f"Windows is on {letter}:, and its registry means another partition by that",
        f"{letter}: is {guest.system.volume.id} now",
    )  # fmt: skip
    for other in tuple(key.values()):
        if other.name.lower().startswith("\\dosdevices\\") and other.data == own.mounted:
            guest.registry.delete_value(_KEY, other.name)
    guest.registry.set(_KEY, binary(known.name, own.mounted))


def _letter(guest: WindowsGuest) -> str:
    key = guest.software.hive.find(r"Microsoft\Windows NT\CurrentVersion")
    value = key.value("SystemRoot") if key is not None else None
    match = re.match(r"([A-Za-z]):", value.text) if value is not None else None
    return match[1].upper() if match else ""
