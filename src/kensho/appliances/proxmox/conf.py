"""The grammar of Proxmox VE's ``qemu-server/VMID.conf``: lines, sections, property strings.

Source: https://pve.proxmox.com/pve-docs/qm.conf.5.html. ``key: value`` a line; ``#`` lines are the
description, percent-encoded; a section in brackets is a snapshot by that name, ``[PENDING]`` what
changes at the next start, ``[special:…]`` Proxmox VE's own. Values are often property strings:
``name=value`` with commas between them, the first one often without its name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from kensho.model.finding import Finding, Severity

MAX_CONF = 1024 * 1024  #: Proxmox VE's own cluster file system takes no larger file
_LINE = re.compile(r"([a-z][a-z_-]*[0-9]*):(.*)", re.ASCII)
_SECTION = re.compile(r"\[([A-Za-z][A-Za-z0-9_:.-]*)\]\s*", re.ASCII)
_DRIVE = re.compile(r"(?:ide|sata|scsi|virtio)[0-9]{1,2}", re.ASCII)
_SURE = frozenset({"scsihw", "smbios1", "vmgenid", "ostype", "net0", "bootdisk", "boot", "bios"})
_COMMON = frozenset({"memory", "cores", "sockets", "name", "cpu", "onboot", "agent", "numa"})


@dataclass(slots=True)
class Conf:
    """One configuration: options as they are now, and the other sections as text."""

    options: dict[str, str] = field(default_factory=dict)
    description: list[str] = field(default_factory=list)
    sections: dict[str, str] = field(default_factory=dict)


def looks_like_conf(head: bytes) -> bool:
    """Tell whether the beginning of a file is a machine's configuration."""
    if b"\0" in head:
        return False
    keys = set()
    for line in _lines(head):
        if not line.strip() or line.startswith("#"):
            continue
        if _SECTION.fullmatch(line):
            break
        match = _LINE.fullmatch(line)
        if match is None:
            return False
        keys.add(match[1])
    sure = len(keys & _SURE) + sum(1 for key in keys if _DRIVE.fullmatch(key))
    return sure >= 1 and sure + len(keys & _COMMON) >= 3


def parse_conf(data: bytes, *, path: str) -> tuple[Conf, tuple[Finding, ...]]:
    """Read a configuration; of two equal options the last one counts."""
    conf = Conf()
    findings: list[Finding] = []
    section: str | None = None
    kept: list[str] = []

    def finish() -> None:
        if section is not None:
            conf.sections[section] = "\n".join(kept)
        kept.clear()

    for number, line in enumerate(_lines(data), 1):
        if opening := _SECTION.fullmatch(line):
            finish()
            section = opening[1]
        elif section is not None:
            kept.append(line)
        elif line.startswith("#"):
            conf.description.append(_decoded(line[1:]))
        elif match := _LINE.fullmatch(line):
            if match[1] == "description":
                conf.description += _decoded(match[2].strip()).split("\n")
            else:
                if match[1] in conf.options:
                    findings.append(_fault(path, number, f"{match[1]} is there twice", "last"))
                conf.options[match[1]] = match[2].strip()
        elif line.strip():
            findings.append(_fault(path, number, "no option", ""))
    finish()
    return conf, tuple(findings)


def properties(text: str, first: str) -> dict[str, str]:
    """Return a property string as a dictionary; ``first`` names a part without a name."""
    found: dict[str, str] = {}
    for part in text.split(","):
        name, equals, value = part.partition("=")
        if equals:
            found.setdefault(name.strip(), value)
        elif part.strip():
            found.setdefault(first, part.strip())
    return found


def _lines(data: bytes) -> list[str]:
    """Return the lines; to Proxmox VE no other character than a line feed ends one."""
    return [line.removesuffix("\r") for line in data.decode(errors="replace").split("\n")]


def _fault(path: str, number: int, what: str, counts: str) -> Finding:
    return Finding(
        "KF-238",
        Severity.WARNING,
        f"line {number}: {what}",
        subject=path,
        action=f"the {counts} one counts" if counts else "ignored",
    )


def _decoded(text: str) -> str:
    return unquote_to_bytes(text).decode(errors="replace")
