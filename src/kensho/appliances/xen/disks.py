"""One disk of an xl or xm configuration.

Source: xl-disk-configuration(5): ``target, format, vdev, access``, then ``key=value``, of which
``target=`` takes all the rest; and its "deprecated" prefixes, which are xm's whole syntax.
"""

from __future__ import annotations

import re

import msgspec

_FORMATS = frozenset({"raw", "qcow", "qcow2", "vhd", "qed", "vmdk", "vdi", "aio", ""})
_PREFIX = re.compile(r"(?:(?:phy|file|tap2?|aio|tapdisk|raw|qcow2?|vhd|qed|vmdk|vdi):)+")
_ORDER = ("format", "vdev", "access")
_KEYS = frozenset(
    {"format", "vdev", "access", "devtype", "backend", "backendtype", "script", "target"}
)


class DiskSpec(msgspec.Struct, frozen=True):
    """``target`` names a file or block device; ``vdev`` is as in ``hda``, ``xvdb``."""

    target: str
    format: str
    vdev: str
    is_cdrom: bool
    read_only: bool
    shared: bool


def parse_disk(text: str) -> DiskSpec:
    """Return what a disk's text says; what it does not say is empty."""
    said = {"format": "", "vdev": "", "access": "", "devtype": "", "target": ""}
    words, place = text.strip().split(","), 0
    first = True
    for number, word in enumerate(map(str.strip, words)):
        key, mark, value = word.partition("=")
        if mark and key.strip().lower() == "target":
            said["target"] = ",".join(words[number:]).partition("=")[2].strip()
            break
        if mark and key.strip().lower() in _KEYS:
            said[key.strip().lower()] = value.strip()
        elif first:
            said["target"] = word
        elif word.lower() in {"cdrom", "devtype=cdrom"}:
            said["devtype"] = "cdrom"
        else:
            if place == 0 and word.lower() not in _FORMATS:
                place = 1  # xm has no format here
            if place < len(_ORDER):
                said[_ORDER[place]] = word
                place += 1
        first = False
    return _spec(said)


def _spec(said: dict[str, str]) -> DiskSpec:
    target, format_ = said["target"], said["format"].lower()
    prefix = _PREFIX.match(target)
    if prefix is not None:
        target = target[prefix.end() :]
        words = [w for w in prefix[0].split(":") if w in _FORMATS and w]
        format_ = format_ or (words[-1] if words else "raw")
    vdev, _, kind = said["vdev"].partition(":")
    access = said["access"].lower()
    return DiskSpec(
        target,
        "raw" if format_ in {"", "aio"} else format_,
        vdev,
        "cdrom" in {kind.lower(), said["devtype"].lower()},
        access in {"r", "ro"},
        "!" in access,
    )
