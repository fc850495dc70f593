"""``local:``, the machine that kensho runs on: ``local:?disk=/dev/sda&disk=/dev/sdb&live``.

``disk`` chooses disks by path; without one these are all that are fixed, hardware and not on USB.
``live`` allows disks that are mounted for writing.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl

from kensho.model.errors import UsageError

KIND = "local"
HINT = "local: alone, or as in 'local:?disk=/dev/sda&live'"


@dataclass(frozen=True, slots=True)
class Local:
    """A ``local:`` locator: the disks named, and whether they may be in use."""

    disks: tuple[str, ...] = ()
    live: bool = False


def is_local(locator: str) -> bool:
    """Tell whether a locator means the running machine."""
    return locator == "local:" or locator.startswith("local:?")


def read_local(locator: str) -> Local:
    """Return what a ``local:`` locator asks for; UsageError for words it does not know."""
    disks: list[str] = []
    live = False
    for key, value in parse_qsl(locator.partition("?")[2], keep_blank_values=True):
        match key, value:
            case "disk", path if path:
                disks.append(path if path.startswith("/") else f"/dev/{path}")
            case "live", "" | "yes":
                live = True
            case _:
                raise UsageError(f"{key}={value} means nothing here", path=locator, hint=HINT)
    return Local(tuple(dict.fromkeys(disks)), live)
