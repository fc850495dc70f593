"""Storage controllers: subtypes, new ones, and finding one by what users call it (``scsi0``)."""

from __future__ import annotations

import re

from lxml import etree

from kensho.appliances.ovf.elements import text
from kensho.appliances.ovf.items import Resource
from kensho.model.errors import UsageError
from kensho.packages.edit.items import (
    exclude,
    groups,
    in_configuration,
    instance,
    items,
    new_item,
    set_field,
)
from kensho.packages.edit.scope import Scope, hardware
from kensho.packages.edit.values import unknown

#: What users say → ResourceType, the usual subtype, the name.
KINDS = {
    "ide": (Resource.IDE, "", "IDE Controller"),
    "scsi": (Resource.SCSI, "lsilogic", "SCSI Controller"),
    "sata": (Resource.OTHER_STORAGE, "AHCI", "SATA Controller"),
    "nvme": (Resource.OTHER_STORAGE, "vmware.nvme.controller", "NVMe Controller"),
}
UNITS = {"ide": 2, "scsi": 16, "sata": 30, "nvme": 15}
_RESERVED = {"scsi": 7}  # the controller's own place on its bus
_NAME = re.compile(r"(ide|scsi|sata|nvme)(\d{0,3})", re.IGNORECASE)


def kind_of(item: etree._Element) -> str | None:
    """Return ``ide``, ``scsi``, ``sata`` or ``nvme``, None for what is no such controller."""
    type_, subtype = text(item, "ResourceType"), text(item, "ResourceSubType").lower()
    if type_ == str(int(Resource.OTHER_STORAGE)):
        return "nvme" if "nvme" in subtype else "scsi" if "scsi" in subtype else "sata"
    return {"5": "ide", "6": "scsi"}.get(type_)


def controllers(section: etree._Element, kind: str | None = None) -> list[list[etree._Element]]:
    """Return a section's controllers with their variants, in order."""
    found = groups(items(section, Resource.IDE, Resource.SCSI, Resource.OTHER_STORAGE))
    return [g for g in found if kind_of(g[0]) and kind in {None, kind_of(g[0])}]


def names(section: etree._Element) -> list[str]:
    """Return what the controllers are called: ``scsi0``, ``ide0``, ``ide1`` …."""
    seen: dict[str, int] = {}
    result = []
    for variants in controllers(section):
        kind = kind_of(variants[0]) or ""
        result.append(f"{kind}{seen.setdefault(kind, 0)}")
        seen[kind] += 1
    return result


def find_controller(section: etree._Element, name: str) -> etree._Element:
    """Return a controller by ``scsi0`` (or ``scsi``), or by InstanceID; UsageError otherwise."""
    match = _NAME.fullmatch(name)
    if match is not None:
        found = controllers(section, match[1].lower())
        number = int(match[2] or 0)
        if number < len(found):
            return found[number][0]
    else:
        for variants in controllers(section):
            if instance(variants[0]) == name:
                return variants[0]
    raise unknown(f"there is no controller {name!r}", name, names(section))


def set_subtypes(scope: Scope, kind: str, subtypes: str) -> None:
    """Set the ResourceSubType of all controllers of a kind; empty removes it.

    Several words are alternatives, best first (DSP0243 §8.3).
    """
    wanted = " ".join(subtypes.replace(",", " ").split())
    changed = 0
    for section in hardware(scope):
        for variants in controllers(section, kind):
            for item in in_configuration(scope, variants):
                set_field(item, "ResourceSubType", wanted or None)
                changed += 1
    if not changed:
        raise UsageError(f"the machine has no {kind.upper()} controller")


def add_controller(scope: Scope, kind: str, subtype: str | None = None) -> str:
    """Add a controller and return its name, such as ``scsi1``."""
    if kind not in KINDS:
        raise unknown(f"there is no kind of controller {kind!r}", kind, KINDS)
    name = ""
    for section in hardware(scope):
        name = new_controller(section, kind, subtype, scope.configurations)[0]
    return name


def new_controller(
    section: etree._Element,
    kind: str,
    subtype: str | None,
    configurations: tuple[str, ...] = (),
) -> tuple[str, etree._Element]:
    """Add a controller to a section; the name it has from now on, and the item."""
    type_, usual, title = KINDS[kind]
    number = len(controllers(section, kind))
    item = new_item(
        section,
        {
            "Address": number,
            "ElementName": f"{title} {number}",
            "ResourceSubType": (usual if subtype is None else subtype) or None,
            "ResourceType": int(type_),
        },
        configurations=configurations,
    )
    return f"{kind}{number}", item


def remove_controller(scope: Scope, name: str) -> None:
    """Remove a controller; UsageError while something is attached to it."""
    for section in hardware(scope):
        item = find_controller(section, name)
        if children_of(section, item):
            raise UsageError(
                f"{name} has drives attached", hint="move or remove them first (--remove-disk)"
            )
        own = [v for v in controllers(section) if instance(v[0]) == instance(item)]
        exclude(scope, own[0])


def children_of(section: etree._Element, controller: etree._Element) -> list[etree._Element]:
    """Return the devices whose Parent is the controller."""
    own = instance(controller)
    return [i for i in items(section) if own and text(i, "Parent") == own]


def free_unit(section: etree._Element, controller: etree._Element) -> int | None:
    """Return the lowest place on a controller that is free, None when all are taken."""
    kind = kind_of(controller) or "scsi"
    taken = {text(i, "AddressOnParent") for i in children_of(section, controller)}
    for unit in range(UNITS[kind]):
        if str(unit) not in taken and unit != _RESERVED.get(kind):
            return unit
    return None
