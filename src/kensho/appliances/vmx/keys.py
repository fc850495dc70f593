"""Take a VMX's keys one by one, so that what nobody took can be kept."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kensho.appliances.vmx.parse import Dictionary
from kensho.model.finding import Finding, Severity

_UNIT = re.compile(r"([^:]*):([0-9]{1,3})\..*", re.ASCII)


class Keys:
    """A dictionary being read: ``take`` marks a key as understood; ``findings`` collects."""

    def __init__(self, dictionary: Dictionary, path: str) -> None:
        self.findings: list[Finding] = []
        self._dictionary = dictionary
        self.path = path
        self._taken: set[str] = set()
        self._units: dict[str, set[int]] = {}
        for key in dictionary.values:
            if match := _UNIT.fullmatch(key):
                self._units.setdefault(match[1], set()).add(int(match[2]))

    def note(
        self, code: str, severity: Severity, message: str, *, subject: str = "", action: str = ""
    ) -> None:
        """Add a finding, by default about the file."""
        self.findings.append(Finding(code, severity, message, subject or self.path, action))

    def peek(self, key: str) -> str:
        """Return a value, its key being left to somebody else."""
        return self._dictionary.get(key)

    def take(self, key: str, default: str = "") -> str:
        """Return a value and count its key as understood."""
        self._taken.add(key)
        return self._dictionary.get(key, default)

    def take_true(self, key: str, *, default: bool = False) -> bool:
        """Return a truth value and count its key as understood."""
        self._taken.add(key)
        return self._dictionary.is_true(key, default=default)

    def number(self, key: str, default: int, least: int, most: int) -> int:
        """Return a number; ``default``, and a finding, when it is none or out of range."""
        text = self.take(key)
        if not text:
            return default
        if re.fullmatch(r"[0-9]{1,18}", text, re.ASCII) and least <= int(text) <= most:
            return int(text)
        self.note(
            "KF-112",
            Severity.ERROR,
            f"{key} is {text!r}",
            subject=key,
            action=f"{default} is assumed" if default else "ignored",
        )
        return default

    def numbers(self, prefix: str) -> list[int]:
        """Return the N of all keys ``<prefix>N.…`` and ``<prefix>N:…``, ascending."""
        pattern = re.compile(rf"{re.escape(prefix)}([0-9]{{1,3}})[.:].*", re.ASCII)
        found = (pattern.fullmatch(key) for key in self._dictionary.values)
        return sorted({int(match[1]) for match in found if match})

    def names(self, prefix: str) -> list[str]:
        """Return the keys that begin so, in the order of the file."""
        return [key for key in self._dictionary.values if key.startswith(prefix)]

    def units(self, controller: str) -> list[int]:
        """Return the N of all keys ``<controller>:N.…``, ascending."""
        return sorted(self._units.get(controller, ()))

    def rest(self) -> Iterator[tuple[str, str]]:
        """Yield what was not taken, as (key as it is written, value)."""
        for key, value in self._dictionary.values.items():
            if key not in self._taken:
                yield self._dictionary.spelling[key], value
