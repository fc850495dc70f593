"""crypttab(5): the same as in fstab, with more care.

A line with a random key makes its volume anew at every start: a name that means another volume there
would destroy that one. Such a volume has no UUID that lasts: the partition's is taken.
"""

from __future__ import annotations

import re

from kensho.guest.linux.adapt.boot.change import change
from kensho.guest.linux.adapt.boot.devices import devices_of
from kensho.guest.linux.adapt.guest import LinuxGuest
from kensho.guest.linux.device_names import moving
from kensho.guest.linux.named_volumes import Devices
from kensho.guest.volumes.scan import Volume
from kensho.model.finding import Severity

_PATHS = ("/etc/crypttab", "/etc/crypttab.initramfs")  # the latter is mkinitcpio's
_LINE = re.compile(r"(\s*)([^\s#]\S*)(\s+)(\S+)(?:\s+(\S+))?(?:\s+(\S+))?")
_RANDOM = frozenset({"/dev/urandom", "/dev/random", "/dev/hwrng"})
_EMPTY = frozenset({"", "swap"})


def plan_crypttab(guest: LinuxGuest) -> None:
    """Plan crypttab: names that move become UUIDs; a name that cannot be told is a finding (KF-860).

    Copies of it in an initramfs get the same words (``draft.crypt_words``).
    """
    devices = devices_of(guest)
    for path in _PATHS:
        _plan(guest, devices, path)


def _plan(guest: LinuxGuest, devices: Devices, path: str) -> None:
    lines, details = guest.draft.text(path).split("\n"), []
    for number, line in enumerate(lines):
        match = _LINE.match(line)
        if not match or moving(match[4]) is None:
            continue
        random = match[5] in _RANDOM or "plain" in (match[6] or "").split(",")
        stable = _stable(devices, match[4], random=random)
        if not stable:
            _note(guest, match[4], match[2], random=random)
            continue
        lines[number] = line[: match.start(4)] + stable + line[match.end(4) :]
        details.append(f"{match[2]}: {match[4]} → {stable}")
        guest.draft.crypt_words[match[4]] = stable
    if details:
        change(guest, path, "\n".join(lines), "encrypted devices by UUID", tuple(details))


def _stable(devices: Devices, device: str, *, random: bool) -> str:
    volume = devices.volume(device, "" if random else "crypto_LUKS")
    if volume is None or not _is_it(volume, random=random):
        return ""
    if random and not devices.knows(device):
        return ""  # what only fits may be another's, of a kind that is not known here
    name = devices.stable(volume, content=not random)
    if name.startswith("PARTUUID="):  # a word that old versions do not know
        return f"/dev/disk/by-partuuid/{name.removeprefix('PARTUUID=')}"
    return name if name.startswith("UUID=") else ""


def _is_it(volume: Volume, *, random: bool) -> bool:
    kind = volume.content.kind
    return kind in _EMPTY if random else kind == "crypto_LUKS"


def _note(guest: LinuxGuest, device: str, name: str, *, random: bool) -> None:
    what = f"crypttab: which volume {device} ({name}) is cannot be told"
    if random:
        what += "; whatever has that name on the new platform would be overwritten"
    guest.draft.note(
        "KF-860", Severity.ERROR if random else Severity.WARNING, what,
        "name it by /dev/disk/by-partuuid, or take the line out, before the first start",
    )  # fmt: skip
