"""Where a hibernated system is looked for: initramfs-tools' conf.d, in the guest and its initramfs.

initramfs-tools(7) sources ``conf/conf.d/*`` in the initramfs; a device that never comes costs every start
half a minute. What kernels' command lines say (``resume=``) is in ``loaders``.
"""

from __future__ import annotations

import re

from kensho.guest.linux.adapt.boot.change import change
from kensho.guest.linux.adapt.boot.devices import devices_of
from kensho.guest.linux.adapt.guest import LinuxGuest
from kensho.guest.linux.device_names import moving
from kensho.model.finding import Severity

_FOLDER = "/etc/initramfs-tools/conf.d"
_WORD = re.compile(r"^([ \t]*RESUME=[\"']?)([^\s\"'#]+)", re.MULTILINE)


def plan_resume(guest: LinuxGuest) -> None:
    """Plan ``RESUME=``: a name that moves becomes a UUID; one that is not there is a finding (KF-860)."""
    devices = devices_of(guest)
    for name in guest.draft.names(_FOLDER):
        path = f"{_FOLDER}/{name}"
        text = guest.draft.text(path)
        match = _WORD.search(text)
        if not match:
            continue
        word = match[2]
        if "=" in word and devices.volumes.find(word) is None:
            _note(guest, word, path)
        if moving(word) is None:
            continue
        volume = devices.volume(word, "swap")
        stable = devices.stable(volume) if volume else ""
        if not stable:
            _note(guest, word, path)
            continue
        fixed = text[: match.start(2)] + stable + text[match.end(2) :]
        if change(guest, path, fixed, "swap by UUID", (f"{word} → {stable}",)):
            early = f"conf/conf.d/{name}"  # what is in the initramfs is a copy of it
            guest.draft.early[early] = fixed.encode("utf-8", "surrogateescape")


def _note(guest: LinuxGuest, word: str, path: str) -> None:
    guest.draft.note(
        "KF-860", Severity.NOTE, f"{path}: {word}, where a hibernated system would be, is not here",
        "RESUME=none there, then update-initramfs -u; until then starts are slow",
    )  # fmt: skip
