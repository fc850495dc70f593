"""Which description of a machine's hardware is read: DSP0243 2.1 §8.1, §8.2.

A machine may have several VirtualHardwareSections, one per family of hypervisors.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from lxml import etree

from kensho.appliances.ovf.elements import Notes, attribute, children, section_kind, text
from kensho.appliances.ovf.texts import Texts
from kensho.model.errors import UsageError
from kensho.model.finding import Severity
from kensho.model.machine import HardwareSection
from kensho.model.selection import Selection

_KIND = "VirtualHardwareSection"


def hardware_sections(system: etree._Element) -> list[etree._Element]:
    """Return a machine's descriptions of hardware, in order."""
    return [s for s in children(system) if section_kind(s) == _KIND]


def system_types(hardware: etree._Element | None) -> tuple[str, ...]:
    """Return the VirtualSystemTypes of a section, best first as it lists them."""
    types: list[str] = []
    for system in children(hardware, "System"):
        for element in children(system, "VirtualSystemType"):
            words = re.split(r"[\s,;]+", text(element))
            # ``ENGINE 4.1.0.0`` is one type, ``vmx-10 vmx-11`` are two.
            is_engine = words[0] == "ENGINE"
            types.extend([text(element)] if is_engine else [w for w in words if w])
    return tuple(dict.fromkeys(types))


def check_choice(systems: Iterable[etree._Element], selection: Selection, path: str) -> None:
    """Raise UsageError when the selection names hardware that no machine has."""
    if selection.hardware is None:
        return
    known: dict[str, None] = {}
    for system in systems:
        for section in hardware_sections(system):
            known |= dict.fromkeys(_names(section))
    if selection.hardware.lower() not in {name.lower() for name in known}:
        raise UsageError(
            f"there is no hardware {selection.hardware!r}",
            path=path,
            hint=f"there is: {', '.join(known)}" if known else "the package describes no hardware",
        )


def choose_hardware(
    found: Sequence[etree._Element], selection: Selection, where: str, texts: Texts, notes: Notes
) -> tuple[etree._Element | None, tuple[HardwareSection, ...]]:
    """Return the section to read, and what there was to choose from if there are several."""
    if len(found) < 2:
        return next(iter(found), None), ()
    chosen, why = _choose(found, selection)
    described = tuple(
        HardwareSection(
            attribute(s, "id"), system_types(s), texts.of(s, "Info"), chosen=s is chosen
        )
        for s in found
    )
    notes.add(
        "KF-120",
        Severity.NOTE if why else Severity.WARNING,
        f"the machine has {len(found)} VirtualHardwareSections to choose from",
        subject=where,
        action=f"the one {why} is read, the others are kept as text"
        if why
        else "the first one is read, the others are kept as text; --hardware chooses",
    )
    return chosen, described


def _choose(found: Sequence[etree._Element], selection: Selection) -> tuple[etree._Element, str]:
    """Return the section and why it was taken; nothing for no reason but that it is first."""
    if selection.hardware is not None:
        wanted = selection.hardware.lower()
        for section in found:
            if wanted in {name.lower() for name in _names(section)}:
                return section, "that was asked for"
    for family in selection.families:
        for section in found:
            fitting = [t for t in system_types(section) if t.lower().startswith(family.lower())]
            if fitting:
                return section, f"for {fitting[0]}, which suits the target,"
    return found[0], ""


def _names(section: etree._Element) -> list[str]:
    own = attribute(section, "id")
    return [*([own] if own else []), *system_types(section)]
