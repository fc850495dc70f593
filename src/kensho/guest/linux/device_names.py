"""Which volume a device's name means that changes with the controller, and what to call it instead.

``/dev/sda1``, ``/dev/disk/by-path/…`` and most of ``/dev/disk/by-id`` are given by the kernel or udev for
the hardware that is there. What is stable is in the volume itself: UUID, label, the partition's UUID.
Which disk a name means is told by evidence, never by the letter alone where there are several disks: the
root's own name, the kinds of file systems, and where ext2/3/4 say that they were mounted last.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from kensho.guest.linux.fstab import Line
from kensho.guest.volumes.scan import Volume, Volumes
from kensho.model.errors import KenshoError

_KERNEL = re.compile(
    r"/dev/(?:(?P<family>h|s|v|xv|ub)d(?P<letters>[a-z]{1,3})(?P<part>\d*)"
    r"|(?P<disk>(?P<kind>nvme|mmcblk|cciss/c|rd/c|ida/c|nbd)(?P<number>\d+)(?:[nd]\d+)?)(?:p(?P<part2>\d+))?)"
)
_LINK = re.compile(r"/dev/disk/(?P<how>by-id|by-path)/(?P<disk>.+?)(?:-part(?P<part>\d+))?")
_STAYS = re.compile(r"/dev/disk/by-id/(?:dm|md|lvm)-")
_UNSURE = re.compile(r"/dev/dm-\d+")
_ON_DISK = re.compile(r"disk(\d+)(?:p\d+)?")
_EXT = frozenset({"ext2", "ext3", "ext4"})
_ANY = frozenset({"", "auto", "none", "ignore"})
_NO_UUID = re.compile(r"[0-]*")
_WORD = re.compile(r"[\w.:/+-]+")
_LAST_MOUNTED = 1024 + 136  #: s_last_mounted of ext2/3/4's superblock, 64 bytes


@dataclass(frozen=True, slots=True)
class Name:
    """A name that moves, taken apart: the disk's part of it, its place in the order, the partition."""

    disk: str
    family: str
    order: int | None
    part: int | None


@dataclass(frozen=True, slots=True)
class Use:
    """A name and what is known of the volume it means: kind and place, as in fstab."""

    name: Name
    kind: str = ""
    place: str = ""


def moving(word: str) -> Name | None:
    """Take a name apart; None for one that stays on whatever controller."""
    match = _KERNEL.fullmatch(word)
    if match and match["letters"]:
        order = 0
        for letter in match["letters"]:
            order = order * 26 + ord(letter) - ord("a") + 1
        part = int(match["part"]) if match["part"] else None
        return Name(f"{match['family']}d{match['letters']}", match["family"], order - 1, part)
    if match:
        part = int(match["part2"]) if match["part2"] else None
        return Name(match["disk"], match["kind"], int(match["number"]), part)
    link = _LINK.fullmatch(word)
    if link and not _STAYS.match(word):
        return Name(
            f"{link['how']}/{link['disk']}", "", None, int(link["part"]) if link["part"] else None
        )
    return Name(word, "dm", None, None) if _UNSURE.fullmatch(word) else None


@dataclass(frozen=True, slots=True)
class Devices:
    """A machine's volumes by the names its guest has for them.

    ``disks`` tells which disk (1 …) a name's disk is, where there is evidence; ``claimed`` the
    places of volumes that fstab names otherwise. ``whole``: no disk has partitions, as Xen's PV guests
    have one disk for each of xvda1, xvda2 ….
    """

    volumes: Volumes
    disks: Mapping[str, int]
    claimed: Mapping[str, str]
    whole: bool = False

    def volume(self, word: str, kind: str = "", place: str = "") -> Volume | None:
        """Return the volume a moving name means; None when there is none, or it cannot be told."""
        name = _name(word, whole=self.whole)
        if name is None:
            return None
        found = _candidates(self, Use(name, kind, place))
        return found[0] if len(found) == 1 else None

    def stable(self, volume: Volume, *, by_kernel: bool = False, content: bool = True) -> str:
        """Return ``UUID=…``, ``PARTUUID=…`` or ``LABEL=…``; empty when nothing tells it from others.

        ``by_kernel``: one that Linux finds without an initramfs (init/do_mounts.c: PARTUUID alone).
        ``content`` False for a volume whose content is made anew at every start.
        """
        part = volume.partition.uuid if volume.partition else ""
        words = {"PARTUUID": part}
        if content and not by_kernel:
            label = volume.content.label
            words = {"UUID": volume.content.uuid, "PARTUUID": part, "LABEL": label}
        for key, value in words.items():
            usable = _WORD.fullmatch(value) and not _NO_UUID.fullmatch(value[:8])
            if usable and self._alone(key, value):
                return f"{key}={value}"
        return ""

    def _alone(self, key: str, value: str) -> bool:
        names = (_names(volume).get(key, "") for volume in self.volumes.volumes)
        return sum(name.lower() == value.lower() for name in names) == 1


def _names(volume: Volume) -> dict[str, str]:
    part = volume.partition
    return {
        "UUID": volume.content.uuid,
        "PARTUUID": part.uuid if part else "",
        "LABEL": volume.content.label,
    }


def tell(
    volumes: Volumes,
    root: Volume,
    fstab: Iterable[tuple[Line, Volume | None]],
    roots: Iterable[str] = (),
) -> Devices:
    """Return what names mean in a system on ``root``.

    ``fstab`` has the volumes of names that stay; ``roots`` are what command lines call the root.
    """
    whole = bool(_disk(root)) and not any(volumes.tables)
    names = (_name(word, whole=whole) for word in roots)
    uses = [Use(name, root.content.kind, "/") for name in names if name]
    claimed = {root.id: "/"}
    for line, volume in fstab:
        name = _name(line.device, whole=whole)
        if name is not None:
            uses.append(Use(name, line.type, line.place))
        elif volume is not None:
            claimed[volume.id] = line.place
    devices = Devices(volumes, _root_disks(uses, root), claimed, whole)
    while more := _told(devices, uses):
        devices = replace(devices, disks={**devices.disks, **more})
    return devices


def _name(word: str, *, whole: bool) -> Name | None:
    name = moving(word)
    return Name(word.removeprefix("/dev/"), "", None, None) if name and whole else name


def _root_disks(uses: Iterable[Use], root: Volume) -> dict[str, int]:
    """Return the names of the disk that the root is on: that one is known."""
    on = _ON_DISK.fullmatch(root.id)
    number = root.partition.number if root.partition else None
    return {
        u.name.disk: int(on[1]) for u in uses if on and u.place == "/" and u.name.part == number
    }


def _told(devices: Devices, uses: Iterable[Use]) -> dict[str, int]:
    """Return one disk more that a name can only mean, by all that is said of its partitions."""
    groups: dict[str, list[Use]] = {}
    for use in uses:
        if use.name.disk not in devices.disks:
            groups.setdefault(use.name.disk, []).append(use)
    for disk, group in groups.items():
        sets = [{_disk(v) for v in _candidates(devices, use)} for use in group]
        common = set.intersection(*sets)
        if len(common) == 1:
            return {disk: common.pop()}
    return {}


def _candidates(devices: Devices, use: Use) -> list[Volume]:
    """Return the volumes that a name may mean."""
    name = use.name
    known = devices.disks.get(name.disk)
    taken = {
        number
        for disk, number in devices.disks.items()
        if devices.whole
        or (name.family and (other := moving(f"/dev/{disk}")) and other.family == name.family)
    }
    count = len(devices.volumes.tables)
    found = []
    for volume in devices.volumes.volumes:
        number = _disk(volume)
        part = volume.partition.number if volume.partition else None
        if not number or part != name.part or not _fits(volume, use.kind):
            continue
        if known is None and (number in taken or (name.order is not None and name.order >= count)):
            continue
        if known is not None and number != known:
            continue
        place = devices.claimed.get(volume.id, use.place)
        if known is None and use.place.startswith("/") and place != use.place:
            continue  # fstab has another name for that one
        found.append(volume)
    mounted = [v for v in found if use.place.startswith("/") and _last_mounted(v) == use.place]
    return mounted if len(mounted) == 1 else found


def _disk(volume: Volume) -> int:
    on = _ON_DISK.fullmatch(volume.id)
    return int(on[1]) if on else 0


def _fits(volume: Volume, kind: str) -> bool:
    here = volume.content.kind
    if kind in _ANY or here == kind or (here in _EXT and kind in _EXT):
        return True
    return (
        not here
        or {here, kind} <= {"vfat", "msdos"}
        or {here, kind} <= {"ntfs", "ntfs-3g", "ntfs3"}
    )


def _last_mounted(volume: Volume) -> str:
    if volume.content.kind not in _EXT or volume.view is None:
        return ""
    try:
        return volume.view.read(_LAST_MOUNTED, 64).partition(b"\0")[0].decode("utf-8", "replace")
    except KenshoError:
        return ""
