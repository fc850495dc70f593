"""What the names of devices in a guest's configuration mean, by all that it said before any change."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kensho.guest.linux.adapt.guest import LinuxGuest
from kensho.guest.linux.boot.configs import configs, text_of
from kensho.guest.linux.boot.syntax import entries
from kensho.guest.linux.named_volumes import Devices, tell
from kensho.guest.volumes.scan import Volumes

_ROOT_WORD = re.compile(r"(?:^|[\s\"'])root=(?P<root>[^\s\"']+)")
_PROBED = re.compile(r"### (?P<mark>BEGIN|END) (?P<name>\S*os-prober) ###")


def devices_of(guest: LinuxGuest) -> Devices:
    """Return what the names mean; the same whatever steps have changed meanwhile."""
    volumes = guest.opened.volumes.near(guest.system.volume)
    return tell(volumes, guest.system.volume, guest.system.fstab, _roots(guest, volumes))


def _roots(guest: LinuxGuest, volumes: Volumes) -> Iterator[str]:
    """Yield the names that this system's own command lines have for the root.

    A menu may start other systems, too: where one of its entries has this root by a name that stays, those
    with other names are theirs.
    """
    for config in configs(guest.system.files):
        text = _own(text_of(guest.system.files, config.path))
        words = [
            word
            for entry in entries(text, config.syntax)
            for start, end in entry.spans
            for word in _ROOT_WORD.findall(text[start:end])
        ]
        stays = (volumes.find(word) for word in words if "=" in word)
        if not any(volume and volume.id == guest.system.volume.id for volume in stays):
            yield from (word for word in words if word.startswith("/dev/"))


def _own(text: str) -> str:
    """Return a menu without what os-prober found of other systems; a part without an end is kept."""
    kept: list[str] = []
    name, since = "", 0
    for line in text.split("\n"):
        mark = _PROBED.fullmatch(line)
        if mark and mark["mark"] == "BEGIN" and not name:
            name, since = mark["name"], len(kept)
        kept.append(line)
        if mark and mark["mark"] == "END" and mark["name"] == name:
            del kept[since:]
            name = ""
    return "\n".join(kept)
