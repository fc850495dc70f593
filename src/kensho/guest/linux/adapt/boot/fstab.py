"""fstab(5): devices by what is in them, not by the controller they were on. Only those words change."""

from __future__ import annotations

import re

from kensho.guest.linux.adapt.boot.change import change
from kensho.guest.linux.adapt.boot.devices import devices_of
from kensho.guest.linux.adapt.guest import LinuxGuest
from kensho.guest.linux.device_names import moving
from kensho.model.finding import Severity

_PATH = "/etc/fstab"
_LINE = re.compile(r"(\s*)([^\s#]\S*)(\s+)(\S+)(\s+)(\S+)(?:(\s+)(\S+))?")
_CD = re.compile(r"/dev/(?:sr\d+|scd\d+|cdrom\S*|cdrw\S*|dvd\S*|hd[a-z])")
_FLOPPY = re.compile(r"/dev/(?:fd\d+\S*|floppy\S*)")
_SYSTEMD = ("/lib/systemd/systemd", "/usr/lib/systemd/systemd")


def plan_fstab(guest: LinuxGuest) -> None:
    """Plan fstab: names that move become UUIDs; a name that cannot be told is a finding (KF-860)."""
    text = guest.draft.text(_PATH)
    devices = devices_of(guest)
    lines, details = text.split("\n"), []
    for number, line in enumerate(lines):
        match = _LINE.match(line)
        if not match:
            continue
        device, place, kind = match[2], match[4], match[6]
        options = (match[8] or "").split(",")
        if _FLOPPY.fullmatch(device) or (_CD.fullmatch(device) and _is_cd(device, place, kind)):
            if not _waits(options):
                continue
            if any(guest.system.files.exists(path) for path in _SYSTEMD) and match[8]:
                lines[number] = line[: match.end(8)] + ",nofail" + line[match.end(8) :]
                details.append(f"{place}: nofail, as {device} may not be there")
            else:
                _note(guest, device, place, "take the line out, or give the machine that drive")
            continue
        _options(guest, options, place)
        if moving(device) is None:
            continue
        volume = devices.volume(device, kind, place)
        stable = devices.stable(volume) if volume else ""
        if not stable:
            _note(guest, device, place, "name it by UUID (blkid shows it)", waits=_waits(options))
            continue
        lines[number] = line[: match.start(2)] + stable + line[match.end(2) :]
        details.append(f"{place}: {device} → {stable}")
    if details:
        change(guest, _PATH, "\n".join(lines), "devices by UUID", tuple(details))


def _options(guest: LinuxGuest, options: list[str], place: str) -> None:
    """Name devices in options: an outer journal, another part of a btrfs, a unit to wait for."""
    for option in options:
        key, _, value = option.partition("=")
        if moving(value) is not None:
            guest.draft.note(
                "KF-860", Severity.WARNING, f"fstab: {place} has the option {key}={value}, which may move",
                "name that device by /dev/disk/by-uuid or by-partuuid, or take the option out",
            )  # fmt: skip


def _is_cd(device: str, place: str, kind: str) -> bool:
    known = {"iso9660", "udf", "udf,iso9660"}
    return not device.startswith("/dev/hd") or kind in known or "cdrom" in place


def _waits(options: list[str]) -> bool:
    """Tell whether a start waits for the device, or fails without."""
    return not {"noauto", "nofail"} & set(options)


def _note(guest: LinuxGuest, device: str, place: str, remedy: str, *, waits: bool = True) -> None:
    severity = Severity.WARNING if waits else Severity.NOTE
    guest.draft.note(
        "KF-860", severity, f"fstab: which volume {device} ({place}) is cannot be told", remedy
    )
