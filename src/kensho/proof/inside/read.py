"""What a guest reported on its serial port. It is the guest's word: bounded, and printable."""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

#: Checksum of what follows, checksum of the whole report, number and count of lines, what is said.
_LINE = re.compile(
    r"kensho-report (\d{1,10}) (\d{1,10}) (\d{1,3})/(\d{1,3}) "
    r"((?:system|root|nic|failed)(?: [a-z]+=\S*)*)\s*$"
)
_MOST_LINES, _MOST_WORD, _MOST_REPORTS = 500, 200, 8


class NicSeen(msgspec.Struct, frozen=True, omit_defaults=True):
    """An adapter: drivers from the nearest up; ``address`` with its prefix, empty without one."""

    name: str
    drivers: tuple[str, ...]
    mac: str
    state: str
    address: str = ""


class Inside(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a system started from: ``root`` is the device, ``drivers`` those up from its disk."""

    kernel: str
    firmware: str
    root: str
    drivers: tuple[str, ...]
    nics: tuple[NicSeen, ...] = ()
    failed: tuple[str, ...] = ()  #: units of systemd


class Reports:
    """Gathers a guest's reports from the lines of its serial port, between which others write.

    A line counts when its checksum is right, and a report when all its lines are there; it is said more
    than once, and what is lost of one may come from the next, where that says the same.
    """

    def __init__(self) -> None:
        self.last: Inside | None = None  #: the last whole report
        self._parts: dict[tuple[str, int], dict[int, str]] = {}

    def take(self, line: str) -> bool:
        """Take a line, whatever it is; True when it makes a report whole."""
        match = _LINE.search(line)
        if match is None:
            return False
        checked, whole, number, total, words = match.groups()
        if checked != "0" and int(checked) != cksum(line[match.start(2) : match.end(5)].encode()):
            return False
        if not 0 < int(number) <= int(total) <= _MOST_LINES:
            return False
        parts = self._parts.setdefault((whole, int(total)), {})
        parts[int(number)] = words
        if len(parts) < int(total):
            while len(self._parts) > _MOST_REPORTS:
                del self._parts[next(iter(self._parts))]
            return False
        del self._parts[whole, int(total)]
        found = _inside(parts[n] for n in sorted(parts))
        self.last = found or self.last
        return found is not None


def read_report(log: str) -> Inside | None:
    """Return the last whole report in a log, None when there is none."""
    reports = Reports()
    for line in log.splitlines():
        reports.take(line)
    return reports.last


def cksum(data: bytes) -> int:
    """Return the checksum of cksum (POSIX.1-2017, cksum): a CRC of the bytes and of their number."""
    crc = 0
    length = len(data)
    size = length.to_bytes((length.bit_length() + 7) // 8, "little")
    for byte in data + size:
        crc = (crc << 8 ^ _CRC[crc >> 24 ^ byte]) & 0xFFFFFFFF
    return crc ^ 0xFFFFFFFF


def _crc_of(byte: int) -> int:
    crc = byte << 24
    for _ in range(8):
        crc = (crc << 1 ^ (0x04C11DB7 if crc >> 31 else 0)) & 0xFFFFFFFF
    return crc


_CRC = tuple(_crc_of(byte) for byte in range(256))


def _plain(text: str) -> str:
    return "".join(c for c in text if c.isprintable())[:_MOST_WORD]


def _inside(lines: Iterable[str]) -> Inside | None:
    parts: dict[str, list[dict[str, str]]] = {}
    for line in lines:
        kind, *words = line.split()
        pairs = (word.partition("=") for word in words)
        parts.setdefault(kind, []).append({key: _plain(value) for key, _, value in pairs})
    if not parts.get("system") or not parts.get("root"):
        return None
    system, root = parts["system"][0], parts["root"][0]
    nics = tuple(
        NicSeen(
            n.get("name", ""), _names(n.get("drivers", "")), n.get("mac", ""), n.get("state", ""),
            n.get("address", ""),
        )
        for n in parts.get("nic", ())
    )  # fmt: skip
    return Inside(
        kernel=system.get("kernel", ""),
        firmware=system.get("firmware", ""),
        root=root.get("source", ""),
        drivers=_names(root.get("drivers", "")),
        nics=nics,
        failed=tuple(unit.get("unit", "") for unit in parts.get("failed", ())),
    )


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for name in text.split(",") if name)
