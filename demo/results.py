"""What the demo found out, ready to be shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kensho.proof.watch.result import BootResult, Verdict
from oracles import Check


@dataclass(frozen=True)
class Target:
    """What to convert to: a platform, and one of its forms when not the first."""

    name: str
    form: str = ""

    @property
    def title(self) -> str:
        """For people."""
        return f"{self.name} ({self.form})" if self.form else self.name

    @property
    def folder(self) -> str:
        """Where results go."""
        return f"{self.name}-{self.form}" if self.form else self.name


@dataclass(frozen=True)
class Outcome:
    """One conversion: what kensho printed and what others say of it, or why there is none."""

    source: str
    target: Target
    result: dict[str, Any] | None = None
    checks: tuple[Check, ...] = ()
    error: str = ""

    @property
    def ok(self) -> bool:
        """No check failed, kensho's own included; one that could not be made is no failure."""
        return (
            self.result is not None
            and self.result["check"] == "ok"
            and all(check.ok is not False for check in self.checks)
        )

    @property
    def check(self) -> str:
        """Kensho's own check and those of other programs, in a word."""
        return "ok" if self.ok else "FAILED"

    @property
    def file_names(self) -> list[str]:
        """The files that were made."""
        return [file["name"] for file in self.result["files"]] if self.result else []

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file["bytes"] for file in self.result["files"]) if self.result else 0

    @property
    def findings(self) -> str:
        """How many findings of each severity."""
        severities = (
            [finding["severity"] for finding in self.result["findings"]] if self.result else []
        )
        counted = {severity: severities.count(severity) for severity in dict.fromkeys(severities)}
        return (
            ", ".join(f"{n} {severity}{'s' * (n > 1)}" for severity, n in counted.items()) or "none"
        )

    @property
    def verdict(self) -> str:
        """How the outside checks went, in words."""
        if self.error:
            return "FAILED"
        passed = sum(check.ok is True for check in self.checks)
        asked = sum(check.ok is not None for check in self.checks)
        return f"{passed} of {asked} ok" if passed == asked else f"{passed} of {asked} FAILED"


@dataclass(frozen=True)
class Boot:
    """How the boot went. Only the demo's own appliance is known to have a serial console."""

    must_login: bool
    result: BootResult | None = None
    error: str = ""

    @property
    def ok(self) -> bool:
        """The login prompt came, or need not have come."""
        if self.result is None:
            return not self.must_login
        return self.result.verdict is Verdict.LOGIN or not self.must_login

    @property
    def title(self) -> str:
        """In a few words."""
        if self.result is None:
            return f"not booted: {self.error}"
        if self.result.verdict is Verdict.LOGIN:
            return f"login prompt after {self.result.seconds:.1f} s"
        word = "FAILED" if self.must_login else "not shown"
        return f"{word}: {self.result.reason}"
