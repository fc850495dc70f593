"""One disk of an xl or xm configuration.

Source: xl-disk-configuration(5): ``target, format, vdev, access``, then ``key=value``, of which
``target=`` takes all the rest; and its "deprecated" prefixes, which are xm's whole syntax.
"""

from __future__ import annotations

import re

import msgspec

_FORMATS = frozenset({"raw", "qcow", "qcow2", "vhd", "qed", "vmdk", "vdi", "aio", ""})
_PREFIX = re.compile(r"(?:(?:phy|file|tap2?|aio|tapdisk|raw|qcow2?|vhd|qed|vmdk|vdi):)+")
_ORDER = ("target", "format", "vdev", "access")
_KEYS = frozenset({*_ORDER, "devtype", "backend", "backendtype", "script"})
#: Words that say something by themselves; only the first one is about what kensho reads.
_FLAGS = frozenset({"cdrom", "discard", "no-discard", "direct-io-safe"})


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
    said: dict[str, str] = {}
    words = text.strip().split(",")
    for number, word in enumerate(map(str.strip, words)):
        key, mark, value = word.partition("=")
        key = key.strip().lower()
        if mark and key == "target":
            _take_target(said, ",".join(words[number:]).partition("=")[2].strip())
            break
        if mark and key in _KEYS:
            said[key] = value.strip()
        elif word.lower() in _FLAGS:
            if word.lower() == "cdrom":
                said["devtype"] = "cdrom"
        else:
            _take_next(said, word)
    return _spec(said)


def _take_next(said: dict[str, str], word: str) -> None:
    """Take a word without a name for the first parameter that was not said yet."""
    name = next((n for n in _ORDER if n not in said), "")
    if name == "target":
        _take_target(said, word)
    elif name == "format" and word.lower() not in _FORMATS:
        said["format"] = ""  # xm has no format here
        _take_next(said, word)
    elif name:
        said[name] = word


def _take_target(said: dict[str, str], target: str) -> None:
    prefix = _PREFIX.match(target)
    if prefix is not None:
        target = target[prefix.end() :]
        words = [w for w in prefix[0].split(":") if w in _FORMATS and w]
        said["format"] = said.get("format") or (words[-1] if words else "raw")
    said["target"] = target


def _spec(said: dict[str, str]) -> DiskSpec:
    format_ = said.get("format", "").lower()
    vdev, _, kind = said.get("vdev", "").partition(":")
    access = said.get("access", "").lower()
    return DiskSpec(
        said.get("target", ""),
        "raw" if format_ in {"", "aio"} else format_,
        vdev,
        "cdrom" in {kind.lower(), said.get("devtype", "").lower()},
        access in {"r", "ro"},
        "!" in access,
    )
