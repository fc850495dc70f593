"""Names of devices that change with the controller, taken apart.

``/dev/sda1``, ``/dev/disk/by-path/…`` and most of ``/dev/disk/by-id`` are given by the kernel or udev for
the hardware that is there. Which volume one means: `named_volumes.py`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_KERNEL = re.compile(
    r"/dev/(?:(?P<family>h|s|v|xv|ub)d(?P<letters>[a-z]{1,3})(?P<part>\d*)"
    r"|(?P<disk>(?P<kind>nvme|mmcblk|cciss/c|rd/c|ida/c|nbd)(?P<number>\d+)(?:n(?P<space>\d+)|d(?P<drive>\d+))?)"
    r"(?:p(?P<part2>\d+))?)"
)
_LINK = re.compile(r"/dev/disk/(?P<how>by-id|by-path)/(?P<disk>.+?)(?:-part(?P<part>\d+))?")
_STAYS = re.compile(r"/dev/disk/by-id/(?:dm|md|lvm)-")
#: Names in by-id of which a disk has one at most, so that two of them are two disks.
_ONE_EACH = re.compile(r"(?:ata|wwn|virtio|usb|scsi-[0-9S])")
_UNSURE = re.compile(r"/dev/dm-\d+")


@dataclass(frozen=True, slots=True)
class Name:
    """A name that moves, taken apart: the disk's part of it, its place in the order, the partition."""

    disk: str
    family: str
    order: int | None
    part: int | None


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
        order = int(match["number"]) + int(match["drive"] or 0) + int(match["space"] or 1) - 1
        return Name(match["disk"], match["kind"], order, part)
    link = _LINK.fullmatch(word)
    if link and not _STAYS.match(word):
        part = int(link["part"]) if link["part"] else None
        return Name(f"{link['how']}/{link['disk']}", _alike(link), None, part)
    return Name(word, "dm", None, None) if _UNSURE.fullmatch(word) else None


def _alike(link: re.Match[str]) -> str:
    """Return what is the same in names of links of which a disk has one; empty when it may have several."""
    if link["how"] == "by-path":  # of one shape, as pci-0000:03:00.0-scsi-0:0:1:0
        return re.sub(r"\d+", "", f"by-path/{link['disk']}")
    one = _ONE_EACH.match(link["disk"])
    return one[0] if one else ""


def name_in(word: str, *, whole: bool) -> Name | None:
    """Take a name apart as `moving` does; of ``whole`` disks, which have no partitions, each is one."""
    name = moving(word)
    if name is None or not whole or name.family == "dm":
        return name
    return Name(word.removeprefix("/dev/"), "whole", None, None)


def family_of(disk: str, *, whole: bool = False) -> str:
    """Return the family of a name's disk, of which no two are one disk; empty where they may be."""
    if whole:
        return "whole"
    name = moving(f"/dev/disk/{disk}" if disk.startswith("by-") else f"/dev/{disk}")
    return name.family if name else ""
