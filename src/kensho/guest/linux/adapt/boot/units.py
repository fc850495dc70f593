"""Mounts and swap that are units of systemd's own instead of lines of fstab: devices by UUID.

systemd.mount(5), systemd.swap(5): a mount is called after its place and keeps its name, swap is called
after its device, so that another word for that is another unit. How names of units spell paths:
systemd.unit(5), "String Escaping for Inclusion in Unit Names".
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from kensho.guest.linux.adapt.boot.change import change
from kensho.guest.linux.adapt.boot.devices import devices_of
from kensho.guest.linux.adapt.guest import LinuxGuest
from kensho.guest.linux.adapt.services.disable import UNITS
from kensho.guest.linux.device_names import moving
from kensho.guest.linux.named_volumes import Devices
from kensho.model.finding import Severity

_FOLDERS = (
    UNITS,
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
)
_UNIT = re.compile(r".+\.(mount|swap)")
_WHAT = re.compile(r"^[ \t]*What[ \t]*=[ \t]*(?P<device>/dev/\S+)[ \t]*$", re.MULTILINE)
_FACT = r"^[ \t]*{}[ \t]*=[ \t]*(\S+)[ \t]*$"
_BY_DEVICE = re.compile(
    r"^[ \t]*(?:Requires|Requisite|BindsTo|BindTo)[ \t]*=[^\n]*?(dev-\S+)\.device\b", re.MULTILINE
)
_SPELT = re.compile(r"\\x([0-9a-f]{2})|-")
_NOT_SPELT = re.compile(r"[A-Za-z0-9:_.]")
#: What udev takes into the name of a link as it is.
_LINKED = re.compile(r"[\w.:+-]+", re.ASCII)


def plan_units(guest: LinuxGuest) -> None:
    """Plan units of mounts and swap; names that cannot be told, or are waited for, are KF-860."""
    devices = devices_of(guest)
    for path, kind in _units(guest):
        text = guest.draft.text(path)
        for device in _BY_DEVICE.findall(text):
            if moving(_path_of(device)) is not None:
                _note(guest, path, f"waits for {_path_of(device)}, which may not come")
        if kind:
            _unit(guest, devices, path, kind)


def _units(guest: LinuxGuest) -> Iterator[tuple[str, str]]:
    """Yield path and kind (``mount``, ``swap`` or neither) of units and their drop-ins, none twice."""
    seen: set[str] = set()
    for folder in _FOLDERS:
        for name in guest.draft.names(folder):
            match = _UNIT.fullmatch(name.removesuffix(".d"))
            inside = guest.draft.names(f"{folder}/{name}") if name.endswith(".d") else ()
            drops = [f"{folder}/{name}/{drop}" for drop in inside if drop.endswith(".conf")]
            for path in drops if name.endswith(".d") else [f"{folder}/{name}"]:
                real = guest.draft.files.settled(path)
                if real not in seen and (match or name.endswith((".service", ".service.d"))):
                    seen.add(real)
                    yield path, match[1] if match else ""


def _unit(guest: LinuxGuest, devices: Devices, path: str, kind: str) -> None:
    text = guest.draft.text(path)
    match = next((m for m in _WHAT.finditer(text) if moving(m["device"]) is not None), None)
    if match is None:
        return
    name = next(part for part in path.split("/") if _UNIT.fullmatch(part.removesuffix(".d")))
    said = {key: re.search(_FACT.format(key), text, re.MULTILINE) for key in ("Type", "Where")}
    where, type_ = said["Where"], said["Type"]
    place = where[1] if where else _path_of(name.removesuffix(".d").rpartition(".")[0])
    device = match["device"]
    if kind == "mount":
        volume = devices.volume(device, type_[1] if type_ else "", place)
    else:
        volume = devices.volume(device, "swap")
    link = _link(devices.stable(volume)) if volume else ""
    if not link or (kind == "swap" and name.endswith(".d")):
        _note(guest, path, f"names {device}, and which volume that is cannot be told")
        return
    fixed = text.replace(match[0], match[0].replace(device, link))
    done = change(guest, path, fixed, "devices by UUID", (f"{device} → {link}",))
    if done and kind == "swap":
        _rename(guest, path, f"{_unit_of(link)}.swap")


def _rename(guest: LinuxGuest, path: str, name: str) -> None:
    """Give a unit of swap the name that its device wants, and what starts it the same."""
    draft, why = guest.draft, "a unit of swap is called after its device"
    folder, _, old = path.rpartition("/")
    draft.write(f"{folder}/{name}", draft.text(path), why)
    draft.delete(path, why)
    for above in _FOLDERS:
        for wishes in draft.names(above):
            if wishes.endswith((".wants", ".requires")) and old in draft.names(f"{above}/{wishes}"):
                draft.delete(f"{above}/{wishes}/{old}", why)
                draft.link(f"{above}/{wishes}/{name}", f"{folder}/{name}", why)


def _link(stable: str) -> str:
    """Return udev's link for ``UUID=…`` and its like; empty where its name would be spelt otherwise."""
    key, _, value = stable.partition("=")
    return f"/dev/disk/by-{key.lower()}/{value}" if _LINKED.fullmatch(value) else ""


def _path_of(unit: str) -> str:
    """Return the path that a unit is called after."""
    return "/" + _SPELT.sub(lambda m: chr(int(m[1], 16)) if m[1] else "/", unit).strip("/")


def _unit_of(path: str) -> str:
    words = path.strip("/").replace("/", "\n")
    plain = (c if _NOT_SPELT.match(c) else "-" if c == "\n" else f"\\x{ord(c):02x}" for c in words)
    return "".join(plain)


def _note(guest: LinuxGuest, path: str, what: str) -> None:
    guest.draft.note(
        "KF-860", Severity.WARNING, f"{path} {what}",
        "name the device by /dev/disk/by-uuid there, or take the unit out", path,
    )  # fmt: skip
