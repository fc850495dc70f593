"""What GRUB 2 keeps beside its configuration: settings of its maker, its environment, a map of disks.

GNU GRUB manual: "Simple configuration" (/etc/default/grub), "The GRUB environment block", "Device map".
"""

from __future__ import annotations

import re

from kensho.guest.linux.adapt.boot.arguments import (
    CONSOLES,
    has_console,
    with_consoles,
    with_stable_names,
    without_blacklists,
)
from kensho.guest.linux.adapt.boot.change import change, why_not
from kensho.guest.linux.adapt.boot.devices import devices_of
from kensho.guest.linux.adapt.boot.loaders import serial
from kensho.guest.linux.adapt.guest import LinuxGuest
from kensho.guest.linux.adapt.leftovers.modprobe import needed_drivers
from kensho.guest.linux.boot.configs import environment_paths
from kensho.guest.linux.boot.syntax import SHELL, entries
from kensho.guest.linux.device_names import moving
from kensho.guest.linux.named_volumes import Devices
from kensho.guest.linux.software import matches
from kensho.model.finding import Severity

_SETTINGS = "/etc/default/grub"
_BY_NAME = re.compile(r"^([ \t]*GRUB_DISABLE_(?:LINUX_)?UUID=[\"']?)true\b", re.MULTILINE)
_DEVICE = re.compile(r"^[ \t]*GRUB_DEVICE=[\"']?(?P<device>/dev/[^\s\"'#]+)", re.MULTILINE)
_SET = re.compile(r"^[^\n#]*\bGRUB_CMDLINE_LINUX\+?=", re.MULTILINE)
_MAPS = ("/boot/grub/device.map", "/boot/grub2/device.map")
_MAPPED = re.compile(r"^[ \t]*\([^)\n]*\)[ \t]+(\S+)", re.MULTILINE)
_KERNELOPTS = re.compile(r"^kernelopts=([^\n]*)", re.MULTILINE)


def plan_grub(guest: LinuxGuest) -> None:
    """Plan what GRUB 2 keeps, so that what it makes next is like what `plan_loaders` wrote."""
    devices = devices_of(guest)
    _settings(guest, devices)
    for path in environment_paths(guest.system.files):
        _environment(guest, path, devices)
    for path in _MAPS:
        names = _MAPPED.findall(guest.draft.text(path))
        if any(moving(name) for name in names) and not why_not(guest, path):
            guest.draft.delete(path, "GRUB's map of the old disks: it makes one when it needs it")


def _settings(guest: LinuxGuest, devices: Devices) -> None:
    draft = guest.draft
    text = draft.text(_SETTINGS)
    if not text:
        return
    details = []
    fixed = _BY_NAME.sub(r"\1false", text)
    if fixed != text:
        details.append("roots by UUID")
    match = _DEVICE.search(fixed)
    volume = devices.volume(match["device"], place="/") if match else None
    if match and volume and (name := devices.stable(volume)):
        key, _, value = name.partition("=")
        path = f"/dev/disk/by-{key.lower()}/{value}"
        fixed = fixed[: match.start("device")] + path + fixed[match.end("device") :]
        details.append(f"{match['device']} → {path}")
    others = [draft.text(path) for path in matches(guest.system.files, f"{_SETTINGS}.d/*.cfg")]
    if serial(guest) and not any(_consoles_in(other) for other in (fixed, *others)):
        fixed = _with_console(fixed)
        details.append("screen and serial console")
    change(guest, _SETTINGS, fixed, "how GRUB's configuration is made", tuple(details))


def _consoles_in(text: str) -> bool:
    found = (text[a:b] for entry in entries(text, SHELL) for a, b in entry.spans)
    return any(has_console(words) and with_consoles(words) == words for words in found)


def _with_console(text: str) -> str:
    """Return settings with the consoles in the last GRUB_CMDLINE_LINUX, or a line of their own."""
    found = [
        entry.spans[0] for entry in entries(text, SHELL) if entry.title == "GRUB_CMDLINE_LINUX"
    ]
    if not found or re.search(r"\$\(|`", text[slice(*found[-1])]):
        # Where it is set in a way that is not read here, it is added to.
        before = "$GRUB_CMDLINE_LINUX " if _SET.search(text) else ""
        gap = "" if text.endswith("\n") or not text else "\n"
        return f'{text}{gap}GRUB_CMDLINE_LINUX="{before}{CONSOLES}"\n'
    start, end = found[-1]
    words = with_consoles(text[start:end])
    if text[start - 1] == "=":
        words = f'"{words}"'
    return text[:start] + words + text[end:]


def _environment(guest: LinuxGuest, path: str, devices: Devices) -> None:
    """Plan ``kernelopts`` (RHEL 8) in an environment block, whose size stays what it is."""
    text = guest.draft.text(path)
    match = _KERNELOPTS.search(text)
    if not match:
        return
    new = with_stable_names(match[1], devices, initramfs=True)
    words, _ = without_blacklists(new.text, needed_drivers(guest.aims))
    words = with_consoles(words) if serial(guest) else words
    for name in new.unknown:
        guest.draft.note(
            "KF-860", Severity.WARNING, f"{path}: which volume is meant cannot be told: {name}",
            "grub2-editenv - set kernelopts=… with root=UUID=…",
        )  # fmt: skip
    if words == match[1]:
        return
    body = (text[: match.start(1)] + words + text[match.end(1) :]).rstrip("#")
    size, used = len(_raw(text)), len(_raw(body))
    if used > size:
        guest.draft.note(
            "KF-862", Severity.WARNING, f"{path} has no room for {words}",
            "grub2-editenv - unset what is not needed there",
        )  # fmt: skip
        return
    change(guest, path, body + "#" * (size - used), "how kernels are started", new.changes)


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
