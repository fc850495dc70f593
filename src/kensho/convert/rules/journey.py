"""What a rule looks at: a machine before and after, and where it goes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from kensho.convert.deployment.attach import EnvironmentStep
from kensho.convert.deployment.settle import Settled
from kensho.model.appliance import Appliance
from kensho.model.finding import Finding, Severity
from kensho.model.machine import Machine
from kensho.platforms.base import Form, Platform


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What opening a disk image told: sizes in bytes; ``stated`` is the descriptor's capacity."""

    image: str
    filename: str
    format: str
    virtual_size: int
    data_size: int
    stated: int | None


@dataclass(frozen=True, slots=True)
class Journey:
    """The whole question: this appliance, mapped for that platform in this form."""

    before: Appliance
    after: Appliance
    platform: Platform
    form: Form
    images: tuple[ImageFacts, ...]
    space_needed: int
    space_free: int | None
    settled: Settled = field(default_factory=Settled)
    environments: tuple[EnvironmentStep, ...] = ()
    renewed: bool = False  #: the result is a copy with an identity of its own
    noted: bool = True  #: the result gets a note for the way back
    starting: frozenset[str] = frozenset()  #: machines whose guests were seen to drive their disks
    connecting: frozenset[str] = frozenset()  #: and their adapters

    def machines(self) -> Iterator[tuple[Machine, Machine]]:
        """Yield each machine as it was and as it will be."""
        after = {m.id: m for m in self.after.machines}
        for machine in self.before.machines:
            if machine.id in after:
                yield machine, after[machine.id]


def note(code: str, message: str, subject: str = "", action: str = "") -> Finding:
    """Return a finding that nothing is lost by."""
    return Finding(code, Severity.NOTE, message, subject, action)


def warning(code: str, message: str, subject: str = "", action: str = "") -> Finding:
    """Return a finding about a change or a loss."""
    return Finding(code, Severity.WARNING, message, subject, action)


def blocked(code: str, message: str, subject: str = "", action: str = "") -> Finding:
    """Return a finding that forbids the run."""
    return Finding(code, Severity.BLOCKED, message, subject, action)
