"""For which Windows a part of an INF is: its decorations, never the folder it lies in.

Spec: https://learn.microsoft.com/windows-hardware/drivers/install/inf-manufacturer-section and
``combining-platform-extensions-with-operating-system-versions``: the highest version that is not
above Windows' own wins, then build, product type and suite; an empty section excludes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from kensho.guest.windows.drivers.inf import Inf, Line
from kensho.guest.windows.version import WindowsVersion

_WORKSTATION, _DOMAIN_CONTROLLER, _SERVER = 1, 2, 3
_ARCHITECTURES = ("amd64", "arm64", "ia64", "x86", "arm")
_DECORATION = re.compile(rf"nt({'|'.join(_ARCHITECTURES)})?((?:\.[0-9a-fx]*)*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, order=True)
class Target:
    """A decoration such as ``NTamd64.10.0...16299``; what it leaves out is 0 or empty."""

    version: tuple[int, int] = (0, 0)
    build: int = 0
    product: int = 0
    suite: int = 0
    architecture: str = ""
    decorated: bool = False

    def __str__(self) -> str:
        """Say it in words."""
        words = [self.architecture or "x86"]
        if self.version != (0, 0):
            words.append("NT {}.{}".format(*self.version))
        if self.build:
            words.append(f"build {self.build}")
        if self.product:
            words.append("clients only" if self.product == _WORKSTATION else "servers only")
        if self.suite:
            words.append(f"suite {self.suite:#x}")
        return " ".join(words) + (" and later" if self.version != (0, 0) else "")

    def fits(self, windows: WindowsVersion) -> bool:
        """Tell whether it is for this Windows. What has no architecture is for x86."""
        if (self.architecture or "x86") != windows.architecture or self.version > windows.nt:
            return False
        if self.build and self.version == windows.nt and self.build > windows.build:
            return False
        servers = (_SERVER, _DOMAIN_CONTROLLER)  # which of the two it is, its hives do not say
        if self.product and self.product not in (servers if windows.server else (_WORKSTATION,)):
            return False
        return self.suite == 0  # nor which suite


def read_target(text: str) -> Target | None:
    """Parse a decoration; None when it is none, or of a kind that is not known."""
    match = _DECORATION.fullmatch(text.strip())
    if match is None:
        return None
    numbers = []
    for part in match[2].split(".")[1:]:
        try:
            numbers.append(int(part or "0", 0) if not part.isdecimal() else int(part[:9]))
        except ValueError:
            return None
    if len(numbers) > 5:
        return None
    major, minor, product, suite, build = numbers + [0] * (5 - len(numbers))
    return Target((major, minor), build, product, suite, (match[1] or "").lower(), decorated=True)


@dataclass(frozen=True, slots=True)
class Models:
    """A Models section: for whom, and its lines (``description = install, id, id …``)."""

    target: Target
    lines: tuple[Line, ...]


def all_models(inf: Inf) -> tuple[tuple[Models, ...], ...]:
    """Return the Models sections of each manufacturer of an INF."""
    found = []
    for line in inf.lines("Manufacturer"):
        name = line.value(0) or line.key
        rows = []
        for word in dict.fromkeys(word.lower() for word in line.values[1:]):
            target = read_target(word)
            if target is not None:
                rows.append(Models(target, inf.lines(f"{name}.{word}")))
        if name.lower() in inf.sections:
            rows.append(Models(Target(), inf.lines(name)))
        found.append(tuple(rows))
    return tuple(found)


def models_for(inf: Inf, windows: WindowsVersion) -> tuple[Models, ...]:
    """Return the Models section of each manufacturer that this Windows takes; not the empty ones."""
    chosen = []
    for rows in all_models(inf):
        fitting = [row for row in rows if row.target.fits(windows)]
        if fitting:
            chosen.append(max(fitting, key=lambda row: (row.target.decorated, row.target)))
    return tuple(models for models in chosen if models.lines)


def architecture_sections(name: str, architecture: str) -> tuple[str, ...]:
    """Return the names that an install section can have, the one that Windows prefers first."""
    return f"{name}.nt{architecture}", f"{name}.nt", name
