"""What a guest reported on its serial port. It is the guest's word: bounded, and printable."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

_LINE = re.compile(r"kensho-report (system|root|nic|failed|end)((?: [a-z]+=[^\s]*)*)\s*$")
_MOST_LINES, _MOST_WORD = 500, 200


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


def read_report(log: str) -> Inside | None:
    """Return the last whole report in a log, None when there is none."""
    found = None
    parts: dict[str, list[dict[str, str]]] = {}
    for kind, words in _lines(log):
        if kind == "system":
            parts = {}
        if kind == "end" and parts.get("system") and parts.get("root"):
            found = _inside(parts)
        if len(parts.setdefault(kind, [])) < _MOST_LINES:
            parts[kind].append(words)
    return found


def _lines(log: str) -> Iterator[tuple[str, dict[str, str]]]:
    for line in log.splitlines():
        match = _LINE.search(line)
        if match:
            pairs = (word.partition("=") for word in match[2].split())
            yield match[1], {key: _plain(value) for key, _, value in pairs}


def _plain(text: str) -> str:
    return "".join(c for c in text if c.isprintable())[:_MOST_WORD]


def _inside(parts: dict[str, list[dict[str, str]]]) -> Inside:
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
