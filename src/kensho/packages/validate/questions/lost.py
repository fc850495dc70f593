"""What many importers have no place for."""

from __future__ import annotations

from collections.abc import Iterator

from kensho.appliances.ovf.elements import children, dialect
from kensho.packages.validate.rule import Fault
from kensho.packages.validate.rules.firmware import is_uefi
from kensho.packages.validate.subject import Subject


def properties(subject: Subject) -> Iterator[Fault]:
    """Find properties."""
    count = sum(1 for s in subject.sections("ProductSection") for _ in children(s, "Property"))
    if count:
        yield Fault(next(subject.sections("ProductSection")), f"{count} properties")


def licences(subject: Subject) -> Iterator[Fault]:
    """Find licence agreements."""
    yield from (Fault(s, "a licence agreement") for s in subject.sections("EulaSection"))


def start_order(subject: Subject) -> Iterator[Fault]:
    """Find a start order."""
    yield from (Fault(s, "a start order") for s in subject.sections("StartupSection"))


def uefi(subject: Subject) -> Iterator[Fault]:
    """Find machines with UEFI firmware, as VMware says it."""
    for system in subject.systems:
        if is_uefi(system) and not any(dialect(e) == "vbox" for e in children(system.element)):
            yield Fault(system.element, f"machine {system.id!r} has UEFI firmware")


def vendor_machine(subject: Subject) -> Iterator[Fault]:
    """Find VirtualBox's own settings."""
    for system in subject.systems:
        for element in children(system.element, "Machine"):
            if dialect(element) == "vbox":
                yield Fault(element, f"machine {system.id!r} has VirtualBox's own settings")
