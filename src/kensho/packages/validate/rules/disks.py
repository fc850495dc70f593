"""DiskSection, as far as the descriptor alone says: DSP0243 §9.1."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lxml import etree

from kensho.appliances.ovf.elements import attribute
from kensho.appliances.ovf.units import parse_unit
from kensho.packages.validate.rule import COMMON, FATAL, FIELD, MUST, SHOULD, Fault, Rule, clause
from kensho.packages.validate.subject import Subject

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
#: Format URIs that importers know: VMware's of all years, Microsoft's VHD, ISO, and the usual
#: ones of qcow2 (OVF has no registry).
_FORMATS = re.compile(
    r"https?://www\.vmware\.com/(interfaces/)?(specifications|technical-resources/interfaces)/"
    r"vmdk(\.html|_access)?.*"
    r"|https?://(www|technet)\.microsoft\.com/.*vhd.*|https?://go\.microsoft\.com/.*137171.*"
    r"|https?://www\.(ecma-international|iso)\.org/.*"
    r"|https?://(www\.)?(gnome\.org/.*qcow.*|qemu\.org/.*|xenserver\.org/.*)",
    re.IGNORECASE,
)


def name_of(disk: etree._Element) -> str:
    """Return what to call a disk."""
    return f"disk {attribute(disk, 'diskId') or '(without diskId)'}"


def capacity_of(disk: etree._Element) -> int | None:
    """Return the capacity in bytes, None when it is not given or no plain number."""
    text = attribute(disk, "capacity")
    units = attribute(disk, "capacityAllocationUnits")
    unit = parse_unit(units) if units else None
    if not re.fullmatch(r"[0-9]{1,20}", text, re.ASCII) or (units and unit is None):
        return None
    return int(text) * (unit.factor if unit else 1)


def units(subject: Subject) -> Iterator[Fault]:
    """The capacity's unit is one of bytes, spelled as DSP0004 says."""
    for disk in subject.disks:
        text = attribute(disk, "capacityAllocationUnits")
        unit = parse_unit(text) if text else None
        if text and (unit is None or unit.base != "byte" or not unit.standard):
            yield Fault(
                disk,
                f"the capacity of {name_of(disk)} is in {text!r}, which is no unit of DSP0004",
                data=unit,
            )


def in_bytes(subject: Subject, fault: Fault) -> str | None:
    """Give the capacity in bytes."""
    disk = fault.element
    size = None if disk is None else capacity_of(disk)
    if disk is None or size is None or fault.data is None or fault.data.base != "byte":
        return None
    for key in list(disk.attrib):
        name = str(key).rpartition("}")[2]
        if name == "capacity":
            disk.set(key, str(size))
        elif name == "capacityAllocationUnits":
            del disk.attrib[key]
    del subject
    return f"the capacity of {name_of(disk)} is given in bytes"


def capacity(subject: Subject) -> Iterator[Fault]:
    """The capacity is a number above 0, or a property that there is."""
    keys: set[str] = set()
    for section in subject.sections("ProductSection"):
        class_, instance = attribute(section, "class"), attribute(section, "instance")
        for element in section:
            key = attribute(element, "key") if isinstance(element.tag, str) else ""
            keys |= {key, ".".join(p for p in (class_, key, instance) if p)}
    for disk in subject.disks:
        text = attribute(disk, "capacity")
        variable = _VARIABLE.fullmatch(text)
        if variable is not None:
            if variable[1].strip() not in keys:
                yield Fault(disk, f"the capacity of {name_of(disk)} is {text}: no such property")
        elif text and not re.fullmatch(r"\+?0*[1-9][0-9]{0,18}", text, re.ASCII):
            yield Fault(disk, f"the capacity of {name_of(disk)} is {text!r}, no number above 0")


def populated(subject: Subject) -> Iterator[Fault]:
    """What is used of a disk is no more than the disk."""
    for disk in subject.disks:
        used, size = attribute(disk, "populatedSize"), capacity_of(disk)
        if re.fullmatch(r"[0-9]{1,20}", used, re.ASCII) and size is not None and int(used) > size:
            yield Fault(disk, f"{name_of(disk)} of {size} bytes is said to hold {used}")


def formats(subject: Subject) -> Iterator[Fault]:
    """The format is a URI that importers know."""
    for disk in subject.disks:
        text = attribute(disk, "format")
        if text and not _FORMATS.fullmatch(text):
            yield Fault(disk, f"the format of {name_of(disk)} is {text!r}, which few know")


def shared(subject: Subject) -> Iterator[Fault]:
    """Two disks do not have one file."""
    seen: dict[str, str] = {}
    for disk in subject.disks:
        reference = attribute(disk, "fileRef")
        if reference and reference in seen:
            yield Fault(disk, f"{name_of(disk)} has the same file as {seen[reference]}", reference)
        seen.setdefault(reference, name_of(disk))


def loops(subject: Subject) -> Iterator[Fault]:
    """No disk is its own ancestor."""
    parents = {attribute(d, "diskId"): attribute(d, "parentRef") for d in subject.disks}
    for disk in subject.disks:
        start = attribute(disk, "diskId")
        seen, current = {start}, parents.get(start, "")
        while current and current not in seen:
            seen.add(current)
            current = parents.get(current, "")
        if current and current == start:
            yield Fault(disk, f"the parents of {name_of(disk)} lead back to it", start)


RULES = (
    Rule(
        "KF-630", COMMON, "units of capacities", clause("9.1") + "; DSP0004 annex C.1",
        "write byte * 2^30 and the like, or bytes without a unit", units, in_bytes,
    ),
    Rule(
        "KF-631", MUST, "capacities", clause("9.1"),
        "give the size of the disk in its unit, or declare the property", capacity,
    ),
    Rule(
        "KF-632", FIELD, "known disk formats", clause("5.2, §9.1"),
        "convert the disk to a streamOptimized VMDK", formats,
    ),
    Rule(
        "KF-633", COMMON, "a file for each disk", clause("9.1"),
        "give each disk a file of its own", shared,
    ),
    Rule(
        "KF-634", FATAL, "no loops of parents", clause("9.1"),
        "correct ovf:parentRef", loops,
    ),
    Rule(
        "KF-638", SHOULD, "populated sizes", clause("9.1"),
        "correct ovf:populatedSize or leave it out", populated,
    ),
)  # fmt: skip
