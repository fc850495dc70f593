"""What the hardware items have."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kensho.appliances.ovf.elements import children, text
from kensho.appliances.ovf.units import parse_unit
from kensho.packages.validate.rule import Fault
from kensho.packages.validate.rules import items, places
from kensho.packages.validate.rules.hardware import CPU, MEMORY, together
from kensho.packages.validate.rules.networks import NICS
from kensho.packages.validate.subject import Subject

_WHOLE = re.compile(r"[0-9]{1,9}", re.ASCII)  #: 32 bits
#: How Xen Orchestra reads a unit: the exponent at its end, or its first letter.
_XO_UNIT = re.compile(r".*\^[0-9]+|[kKmMgGtT].*")


def doubled(subject: Subject) -> Iterator[Fault]:
    """Find several items for processors or memory, whatever they are for."""
    for system in subject.systems:
        for hardware in system.hardware:
            for kind, what in ((CPU, "processors"), (MEMORY, "memory")):
                found = [i for i in hardware.items if i.type == kind]
                if len(found) > 1:
                    yield Fault(found[1].element, f"{len(found)} items give {what}")


def disk_parents(subject: Subject) -> Iterator[Fault]:
    """Find disks without a controller that is there."""
    yield from _without_controller(subject, places.DISKS)


def drive_parents(subject: Subject) -> Iterator[Fault]:
    """Find disks and CD drives without a controller that is there."""
    yield from _without_controller(subject, (15, *places.DISKS))


def _without_controller(subject: Subject, kinds: tuple[int, ...]) -> Iterator[Fault]:
    for hardware in places.hardwares(subject):
        controllers = {i.id for i in hardware.items if i.type in {5, 6, 20}}
        for item in hardware.items:
            if item.type in kinds and item.get("Parent") not in controllers:
                yield Fault(item.element, f"{item.name} is on no controller", item.id)


def addresses(subject: Subject) -> Iterator[Fault]:
    """Find disks with the same address on different controllers."""
    for hardware in places.hardwares(subject):
        found = [i for i in hardware.items if i.type in places.DISKS]
        for number, item in enumerate(found[:256]):
            for other in found[:number]:
                same = item.get("AddressOnParent") == other.get("AddressOnParent")
                if same and together(item, other):
                    message = f"{item.name} and item {other.id} have one AddressOnParent"
                    yield Fault(item.element, message, item.id)
                    break


def host_spelling(subject: Subject) -> Iterator[Fault]:
    """Find disks whose HostResource is not spelled ``ovf:/disk/ID``."""
    for _, _, item in subject.items():
        for element in children(item.element, "HostResource"):
            said = (element.text or "").strip()
            if said and item.type in places.DISKS and not said.startswith("ovf:/disk/"):
                yield Fault(element, f"HostResource of {item.name} is {said!r}", item.id)


def memory_not_mib(subject: Subject) -> Iterator[Fault]:
    """Find memory that is not counted in MiB."""
    for _, _, item in subject.items():
        said = item.get("AllocationUnits", "VirtualQuantityUnits")
        unit = parse_unit(said) if said else None
        counted = item.type == MEMORY and item.bound == "normal"
        if counted and (unit is None or unit.factor != 1 << 20):
            yield Fault(item.element, f"{item.name} is in {said or 'no unit'}", data=unit)


def into_mib(subject: Subject, fault: Fault) -> str | None:
    """Count memory in MiB, if it is a whole number of them."""
    element, unit = fault.element, fault.data
    del subject
    if element is None or unit is None or unit.base != "byte":
        return None
    values = list(children(element, "VirtualQuantity", "Reservation", "Limit"))
    plain = [v for v in values if (v.text or "").strip().isdecimal()]
    sizes = [int((v.text or "").strip()[:20]) * unit.factor for v in plain]
    if len(plain) != len(values) or any(size % (1 << 20) for size in sizes):
        return None
    for value, size in zip(plain, sizes, strict=True):
        value.text = str(size >> 20)
    for child in children(element, "VirtualQuantityUnits"):
        element.remove(child)
    items.put(element, "AllocationUnits", "byte * 2^20")
    return f"memory of item {text(element, 'InstanceID', 'InstanceId')} is counted in MiB"


def xo_units(subject: Subject) -> Iterator[Fault]:
    """Find units that are neither ``… ^N`` nor start with a letter for a power of 1024."""
    for _, _, item in subject.items():
        said = item.get("AllocationUnits")
        if item.type == MEMORY and not _XO_UNIT.fullmatch(said):
            yield Fault(
                item.element,
                f"{item.name} is in {said or 'no unit'}",
                data=parse_unit(said) if said else None,
            )


def unallocated_nics(subject: Subject) -> Iterator[Fault]:
    """Find adapters that do not say AutomaticAllocation."""
    for _, _, item in subject.items():
        if item.type in NICS and not item.get("AutomaticAllocation"):
            yield Fault(item.element, f"{item.name} does not say AutomaticAllocation", item.id)


def allocate(subject: Subject, fault: Fault) -> str | None:
    """Say that the adapter is connected."""
    if fault.element is None:
        return None
    items.put(fault.element, "AutomaticAllocation", "true")
    del subject
    return f"item {fault.subject} says AutomaticAllocation"


def whole_ids(subject: Subject) -> Iterator[Fault]:
    """Find sections with InstanceIDs that are no numbers."""
    for hardware in places.hardwares(subject):
        odd = [i for i in hardware.items if i.id and not _WHOLE.fullmatch(i.id)]
        if odd:
            message = f"{len(odd)} InstanceIDs such as {odd[0].id!r} are no numbers"
            yield Fault(odd[0].element, message, odd[0].id)


def number_ids(subject: Subject, fault: Fault) -> str | None:
    """Give numbers to all InstanceIDs of the section, and what refers to them."""
    section = None if fault.element is None else fault.element.getparent()
    if section is None:
        return None
    found = list(children(section, "Item", "StorageItem", "EthernetPortItem"))
    ids = list(dict.fromkeys(text(e, "InstanceID", "InstanceId") for e in found))
    new = {old: str(number) for number, old in enumerate(ids, 1)}
    for element in found:
        for child in children(element, "InstanceID", "InstanceId", "Parent"):
            child.text = new.get((child.text or "").strip(), child.text)
    del subject
    return "InstanceIDs were numbered"


def hidden_disks(subject: Subject) -> Iterator[Fault]:
    """Find disks under the numbers that XenServer and SCVMM give them."""
    for _, _, item in subject.items():
        if item.type == 19 or (item.type == 21 and any(item.all("HostResource"))):
            yield Fault(item.element, f"{item.name} is a disk by another number than 17", item.id)
