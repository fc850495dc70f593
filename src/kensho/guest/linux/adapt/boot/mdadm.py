"""mdadm.conf(5): arrays are looked for on all partitions, not on those of the old platform.

The initramfs has a copy of it, which is changed with it.
"""

from __future__ import annotations

import re

from kensho.guest.linux.adapt.boot.change import change
from kensho.guest.linux.adapt.guest import LinuxGuest
from kensho.model.finding import Severity

_PATHS = ("/etc/mdadm.conf", "/etc/mdadm/mdadm.conf")
_MOVES = r"/dev/(?:(?:[hsv]|xv)d|nvme|mmcblk|cciss|disk/by-(?:id|path))"
_DEVICE = re.compile(rf"^([ \t]*DEVICE[ \t]+)([^\n]*{_MOVES}[^\n]*)", re.MULTILINE | re.IGNORECASE)
_ARRAY = re.compile(rf"^[ \t]*ARRAY[^\n]*devices=[^\s=]*{_MOVES}", re.MULTILINE | re.IGNORECASE)


def plan_mdadm(guest: LinuxGuest) -> None:
    """Plan ``DEVICE`` lines; arrays that are told by their devices are a finding (KF-861)."""
    for path in _PATHS:
        text = guest.draft.text(path)
        fixed = _DEVICE.sub(lambda match: f"{match[1]}partitions", text)
        if fixed != text and change(guest, path, fixed, "arrays are looked for on all partitions"):
            guest.draft.early[path[1:]] = fixed.encode("utf-8", "surrogateescape")
        if _ARRAY.search(text):
            guest.draft.note(
                "KF-861", Severity.WARNING, f"{path} tells arrays by devices whose names change",
                "take devices= out of its ARRAY lines, UUID= is enough; then make the initramfs anew",
            )  # fmt: skip
