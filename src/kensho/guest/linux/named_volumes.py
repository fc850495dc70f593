"""Which volume a device's name means that changes with the controller, and what to call it instead.

What is stable is in the volume itself: UUID, label, the partition's UUID.
Which disk a name means is told by evidence, never by the letter alone where there are several disks: the
root's own name, the kinds of file systems, and where ext2/3/4 say that they were mounted last. A name that
may be of a disk that is not here is no evidence: a wrong guess would put data, or swap, over other data.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from kensho.guest.linux.device_names import Name, family_of, name_in
from kensho.guest.linux.fstab import Line
from kensho.guest.volumes.scan import Volume, Volumes
from kensho.model.errors import KenshoError

_ON_DISK = re.compile(r"disk(\d+)(?:p\d+)?")
_EXT = frozenset({"ext2", "ext3", "ext4"})
_ANY = frozenset({"", "auto", "none", "ignore"})
_NO_UUID = re.compile(r"[0-]*")
_WORD = re.compile(r"[\w.:/+-]+")
_LAST_MOUNTED = 1024 + 136  #: s_last_mounted of ext2/3/4's superblock, 64 bytes


@dataclass(frozen=True, slots=True)
class Use:
    """A name and what is known of the volume it means: kind and place, as in fstab."""

    name: Name
    kind: str = ""
    place: str = ""


@dataclass(frozen=True, slots=True)
class Devices:
    """A machine's volumes by the names its guest has for them.

    ``disks`` tells which disk (1 …) a name's disk is, where there is evidence, ``taken`` the same by
    family; ``claimed`` the places of volumes that fstab names otherwise, ``places`` all that it has.
    ``lacking`` are families of which more disks are named than are here, ``torn`` the names of disks that
    contradict each other. ``whole``: no disk has partitions, as Xen's PV guests have one disk for each
    of xvda1, xvda2 …. ``sure`` are names of the root's disk.
    """

    volumes: Volumes
    disks: Mapping[str, int]
    claimed: Mapping[str, str]
    whole: bool = False
    places: frozenset[str] = frozenset()
    lacking: frozenset[str] = frozenset()
    torn: frozenset[str] = frozenset()
    taken: frozenset[tuple[str, int]] = frozenset()
    sure: frozenset[str] = frozenset()

    def knows(self, word: str) -> bool:
        """Tell whether a name is of the root's disk, or of the only one: beyond all doubt."""
        name = name_in(word, whole=self.whole)
        only = len(self.volumes.tables) == 1 and name is not None and _known(self, name) is not None
        return name is not None and (name.disk in self.sure or only)

    def volume(self, word: str, kind: str = "", place: str = "") -> Volume | None:
        """Return the volume a moving name means; None when there is none, or it cannot be told."""
        name = name_in(word, whole=self.whole)
        if name is None or name.disk in self.torn:
            return None
        use = Use(name, kind, place)
        found = _candidates(self, use)
        if len(found) != 1:
            return None
        sure = _known(self, name) is not None or _is_evidence(self, use, found[0])
        return found[0] if sure else None

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
    uses: list[Use] = []
    claimed = {root.id: "/"}
    places = set()
    for line, volume in fstab:
        name = name_in(line.device, whole=whole)
        places.add(line.place)
        if name is not None:
            uses.append(Use(name, line.type, line.place))
        elif volume is not None:
            claimed[volume.id] = line.place
    own = _root_disks(uses, root)
    names = (name_in(word, whole=whole) for word in roots)
    called = _root_disks((Use(name, place="/") for name in names if name), root)
    for disk, number in called.items():
        family = family_of(disk, whole=whole)
        rivals = {d for d in (*own, *called) if family_of(d, whole=whole) == family}
        if rivals == {disk}:  # one of several is another system's
            own[disk] = number
    devices = Devices(
        volumes, own, claimed, whole, frozenset(places), _lacking(uses, own, volumes),
        taken=frozenset((family_of(disk, whole=whole), number) for disk, number in own.items()),
        sure=frozenset(own),
    )  # fmt: skip
    while more := _told(devices, uses):
        taken = {(family_of(disk, whole=whole), number) for disk, number in more.items()}
        devices = replace(devices, disks={**devices.disks, **more}, taken=devices.taken | taken)
    return replace(devices, torn=_torn(devices, uses))


def _known(devices: Devices, name: Name) -> int | None:
    """Return the disk that a name's is: told by evidence, or the only one there is."""
    only = len(devices.volumes.tables) == 1 and name.order == 0 and not devices.whole
    free = (name.family, 1) not in devices.taken
    return devices.disks.get(name.disk, 1 if only and free else None)


def _root_disks(uses: Iterable[Use], root: Volume) -> dict[str, int]:
    """Return the names of the disk that the root is on: that one is known."""
    on = _ON_DISK.fullmatch(root.id)
    number = root.partition.number if root.partition else None
    return {
        u.name.disk: int(on[1]) for u in uses if on and u.place == "/" and u.name.part == number
    }


def _lacking(uses: Iterable[Use], known: Mapping[str, int], volumes: Volumes) -> frozenset[str]:
    """Return the families of names that tell of more disks than there are."""
    count = len(volumes.tables)
    disks = {use.name.disk: use.name for use in uses}
    families: dict[str, int] = {}
    for name in disks.values():
        beyond = _is_beyond(name, known, volumes)
        families[name.family] = families.get(name.family, 0) + (count + 1 if beyond else 1)
    return frozenset(family for family, number in families.items() if family and number > count)


def _is_beyond(name: Name, known: Mapping[str, int], volumes: Volumes) -> bool:
    """Tell whether a name is of a disk after as many as there are."""
    return name.order is not None and name.order >= len(volumes.tables) and name.disk not in known


def _told(devices: Devices, uses: Iterable[Use]) -> dict[str, int]:
    """Return disks more that names can only mean, by all that is said of their partitions."""
    groups: dict[str, list[Use]] = {}
    for use in uses:
        if use.name.disk not in devices.disks:
            groups.setdefault(use.name.disk, []).append(use)
    found: dict[str, int] = {}
    for disk, group in groups.items():
        candidates = [(use, volume) for use in group for volume in _candidates(devices, use)]
        sets = [{_disk(volume) for use, volume in candidates if use is one} for one in group]
        common = set.intersection(*sets)
        if len(common) == 1:
            number = common.pop()
            if any(_is_evidence(devices, *c) for c in candidates if _disk(c[1]) == number):
                found[disk] = number
    family = {disk: family_of(disk, whole=devices.whole) for disk in found}
    ways = Counter((family[disk], number) for disk, number in found.items() if family[disk])
    return {disk: n for disk, n in found.items() if ways[family[disk], n] <= 1}


def _is_evidence(devices: Devices, use: Use, volume: Volume) -> bool:
    """Tell whether a volume that alone fits a name is one that its disk can be told by."""
    if use.place.startswith("/") and _last_mounted(volume) == use.place:
        return True
    beyond = _is_beyond(use.name, devices.disks, devices.volumes)  # a name that is not in fstab
    return bool(volume.content.kind) and use.name.family not in devices.lacking and not beyond


def _torn(devices: Devices, uses: Iterable[Use]) -> frozenset[str]:
    """Return the names of disks by which one volume would be in two places."""
    meant: dict[str, dict[str, set[str]]] = {}
    for volume, place in devices.claimed.items():
        meant.setdefault(volume, {})[""] = {_mounted(place)}
    kinds = {volume.id: volume.content.kind for volume in devices.volumes.volumes}
    for use in uses:
        found = _candidates(devices, use)
        if len(found) == 1 and kinds[found[0].id] != "btrfs":  # subvolumes of it are anywhere
            names = meant.setdefault(found[0].id, {})
            names.setdefault(use.name.disk, set()).add(_mounted(use.place))
    return frozenset(
        disk
        for names in meant.values()
        if len(names) > 1 and len(set().union(*names.values())) > 1
        for disk in names
        if disk and disk not in devices.sure
    )


def _mounted(place: str) -> str:
    return place if place.startswith("/") else ""


def _candidates(devices: Devices, use: Use) -> list[Volume]:
    """Return the volumes that a name may mean."""
    name = use.name
    if name.family == "dm":
        return []
    known = _known(devices, name)
    found = []
    for volume in devices.volumes.volumes:
        number = _disk(volume)
        part = volume.partition.number if volume.partition else None
        if not number or part != name.part or not _fits(volume, use.kind):
            continue
        if known is None:
            if name.family and (name.family, number) in devices.taken:
                continue
            if _is_elsewhere(devices, use, volume):
                continue
        elif number != known:
            continue
        found.append(volume)
    mounted = [v for v in found if use.place.startswith("/") and _last_mounted(v) == use.place]
    return mounted if len(mounted) == 1 else found


def _is_elsewhere(devices: Devices, use: Use, volume: Volume) -> bool:
    """Tell whether fstab has another name for a volume, or it was mounted at another of its places."""
    place = devices.claimed.get(volume.id, use.place)
    if place == "/":  # the root's own names are known
        return volume.id in devices.claimed
    if not use.place.startswith("/"):
        return False
    last = _last_mounted(volume)
    return place != use.place or (last != use.place and last in devices.places)


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
