"""Where drives are and what is in them: DSP0243 §8.3 (Parent, AddressOnParent, HostResource)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lxml import etree

from kensho.appliances.ovf.elements import attribute, children
from kensho.packages.validate.rule import COMMON, FIELD, MUST, SHOULD, Fault, Rule, clause
from kensho.packages.validate.rules.hardware import together
from kensho.packages.validate.rules.items import put
from kensho.packages.validate.subject import Hardware, Item, Subject

#: Floppy, CD, DVD, disk; and those disks that Xen and SCVMM use other numbers for.
DISKS = (17,)
DRIVES = (14, 15, 16, *DISKS)
_MOST_COMPARED = 64  #: items in one place, for different options
_SPELLED = re.compile(r"ovf:/(disk|file)/.+")
_MEANT = re.compile(r"(?:ovf:)?/{0,2}/?(disk|file)/([^/]+)")


def hardwares(subject: Subject) -> Iterator[Hardware]:
    """Yield all hardware sections."""
    for system in subject.systems:
        yield from system.hardware


def no_parent(subject: Subject) -> Iterator[Fault]:
    """A Parent is an item of the same section."""
    for hardware in hardwares(subject):
        ids = {item.id for item in hardware.items}
        for item in hardware.items:
            parent = item.get("Parent")
            if parent and parent not in ids:
                yield Fault(
                    item.element,
                    f"the parent of {item.name} is {parent}, which is no item",
                    item.id,
                )


def no_place(subject: Subject) -> Iterator[Fault]:
    """A disk has a parent and a place on it."""
    for hardware in hardwares(subject):
        for item in hardware.items:
            if item.type not in DISKS:
                continue
            for name in ("Parent", "AddressOnParent"):
                if not item.get(name):
                    yield Fault(item.element, f"{item.name}, a disk, has no rasd:{name}", item.id)


def same_place(subject: Subject) -> Iterator[Fault]:
    """Two drives are not in one place."""
    for hardware in hardwares(subject):
        taken: dict[tuple[str, str], list[Item]] = {}
        for item in hardware.items:
            place = item.get("Parent"), item.get("AddressOnParent")
            if item.type not in DRIVES or not all(place):
                continue
            for other in taken.get(place, [])[:_MOST_COMPARED]:
                if other.id != item.id and together(item, other):
                    yield Fault(
                        item.element,
                        f"{item.name} and item {other.id} are both at {place[1]} of item {place[0]}",
                        item.id,
                        data=hardware,
                    )
                    break
            taken.setdefault(place, []).append(item)


def move(subject: Subject, fault: Fault) -> str | None:
    """Move the drive to the next free place of its controller."""
    element, hardware = fault.element, fault.data
    if element is None:
        return None
    parent = element.getparent()
    mine = next(i for i in hardware.items if i.element is element).get("Parent")
    taken = {
        address(e) for e in (() if parent is None else children(parent)) if parent_of(e) == mine
    }
    free = next((n for n in range(256) if str(n) not in taken and n != 7), None)
    if free is None:
        return None
    put(element, "AddressOnParent", str(free))
    del subject
    return f"item {fault.subject} moved to {free} of item {mine}"


def address(element: etree._Element) -> str:
    """Return an item's AddressOnParent."""
    found = next(children(element, "AddressOnParent"), None)
    return "" if found is None else (found.text or "").strip()


def parent_of(element: etree._Element) -> str:
    """Return an item's Parent."""
    found = next(children(element, "Parent"), None)
    return "" if found is None else (found.text or "").strip()


def dangling(subject: Subject) -> Iterator[Fault]:
    """What a drive has in it is in the package."""
    disks = {attribute(d, "diskId") for d in subject.disks}
    disks |= {
        attribute(d, "diskId")
        for s in subject.sections("SharedDiskSection")
        for d in children(s, "SharedDisk")
    }
    files = {attribute(f, "id") for f in subject.files}
    for _, _, item in subject.items():
        for host in item.all("HostResource"):
            meant = _MEANT.fullmatch(host)
            if meant is None:
                continue
            if meant[2] not in (disks if meant[1] == "disk" else files):
                yield Fault(
                    item.element, f"{item.name} has {host!r} in it, which is not there", item.id
                )


def empty_disk(subject: Subject) -> Iterator[Fault]:
    """A disk drive says which disk it has."""
    for _, _, item in subject.items():
        if item.type in DISKS and not any(item.all("HostResource")):
            yield Fault(item.element, f"{item.name}, a disk, has no rasd:HostResource", item.id)


def spelling(subject: Subject) -> Iterator[Fault]:
    """HostResource is spelled ``ovf:/disk/ID`` or ``ovf:/file/ID``."""
    if subject.version == "0.9":
        return
    for _, _, item in subject.items():
        for element in children(item.element, "HostResource"):
            host = (element.text or "").strip()
            if _MEANT.fullmatch(host) and not _SPELLED.fullmatch(host):
                yield Fault(element, f"HostResource of {item.name} is spelled {host!r}", item.id)


def respell(subject: Subject, fault: Fault) -> str | None:
    """Spell it ``ovf:/disk/ID``."""
    element = fault.element
    meant = None if element is None else _MEANT.fullmatch((element.text or "").strip())
    if element is None or meant is None:
        return None
    element.text = f"ovf:/{meant[1]}/{meant[2]}"
    del subject
    return f"HostResource of item {fault.subject} is {element.text}"


RULES = (
    Rule(
        "KF-654", MUST, "parents are there", clause("8.3"),
        "name the InstanceID of the controller", no_parent,
    ),
    Rule(
        "KF-655", SHOULD, "places of disks", clause("8.3"),
        "add rasd:Parent and rasd:AddressOnParent", no_place,
    ),
    Rule(
        "KF-668", SHOULD, "a place for each drive", clause("8.3"),
        "give each its own AddressOnParent", same_place, move,
    ),
    Rule(
        "KF-656", MUST, "host resources are there", clause("8.3, §9.1"),
        "name a diskId of DiskSection or an id of References", dangling,
    ),
    Rule(
        "KF-669", FIELD, "disks have a disk", clause("8.3"),
        "add rasd:HostResource", empty_disk,
    ),
    Rule(
        "KF-657", COMMON, "HostResource spelled right", clause("8.3"),
        "write ovf:/disk/ID", spelling, respell,
    ),
)  # fmt: skip
