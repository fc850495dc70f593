"""What an edit is about: one machine of a descriptor, some of its configurations."""

from __future__ import annotations

from dataclasses import dataclass

from lxml import etree

from kensho.appliances.ovf.elements import Notes, attribute, children, section_kind, text
from kensho.model.errors import PackageError, UsageError
from kensho.packages.edit.values import unknown

SYSTEMS = frozenset({"VirtualSystem", "VirtualSystemCollection"})


@dataclass(frozen=True, slots=True)
class Scope:
    """A descriptor; ``machine`` is an ovf:id or name, needed where there are several.

    ``configurations`` limits values that may differ to these ids; none means all of them.
    """

    root: etree._Element
    notes: Notes
    machine: str | None = None
    configurations: tuple[str, ...] = ()


def sections(element: etree._Element, *kinds: str) -> list[etree._Element]:
    """Return the child sections of these kinds, 0.9's ``Section xsi:type`` included."""
    return [e for e in children(element) if section_kind(e) in kinds]


def kind(element: etree._Element) -> str:
    """Return ``VirtualSystem`` or ``VirtualSystemCollection`` for a content, else another name."""
    return section_kind(element)


def contents(root: etree._Element) -> list[etree._Element]:
    """Return the machines and collections at the top of an envelope."""
    return [e for e in children(root) if kind(e) in SYSTEMS]


def machines(root: etree._Element) -> list[etree._Element]:
    """Return all machines, in order, those of nested collections included."""
    found: list[etree._Element] = []
    waiting = contents(root)
    while waiting:
        element = waiting.pop(0)
        if kind(element) == "VirtualSystem":
            found.append(element)
        else:
            waiting[:0] = [e for e in children(element) if kind(e) in SYSTEMS]
    return found


def machine(scope: Scope) -> etree._Element:
    """Return the machine meant; UsageError when that is not clear, with the names."""
    return find_machine(machines(scope.root), scope.machine)


def find_machine(found: list[etree._Element], name: str | None) -> etree._Element:
    """Return the machine with that id or name, the only one without ``name``."""
    if not found:
        raise PackageError("the descriptor has no machine")
    ids = [attribute(m, "id") for m in found]
    if name is None:
        if len(found) > 1:
            raise UsageError(
                f"the package has {len(found)} machines", hint=f"say --vm: {', '.join(ids)}"
            )
        return found[0]
    for candidate in found:
        if name in {attribute(candidate, "id"), text(candidate, "Name")}:
            return candidate
    raise unknown(f"there is no machine {name!r}", name, ids)


def content(scope: Scope) -> etree._Element:
    """Return where products and licences belong: the machine named, else what is on top."""
    if scope.machine is not None:
        return machine(scope)
    found = contents(scope.root)
    if not found:
        raise PackageError("the descriptor has no machine")
    return found[0]


def hardware(scope: Scope) -> list[etree._Element]:
    """Return the machine's VirtualHardwareSections; PackageError when it has none."""
    found = sections(machine(scope), "VirtualHardwareSection")
    if not found:
        raise PackageError("the machine has no VirtualHardwareSection")
    return found


def configuration_ids(root: etree._Element) -> tuple[str, ...]:
    """Return the ids of the deployment options."""
    return tuple(
        attribute(option, "id")
        for section in sections(root, "DeploymentOptionSection")
        for option in children(section, "Configuration")
    )


def check_configurations(scope: Scope) -> None:
    """Raise UsageError when a configuration of the scope is not there."""
    known = configuration_ids(scope.root)
    for name in scope.configurations:
        if name not in known:
            raise unknown(f"there is no configuration {name!r}", name, known)
