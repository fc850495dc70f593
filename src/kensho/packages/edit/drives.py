"""Drives: where a disk or CD goes, on which controller, at which place."""

from __future__ import annotations

from lxml import etree

from kensho.appliances.ovf.elements import text
from kensho.appliances.ovf.items import Resource
from kensho.model.errors import UsageError
from kensho.packages.edit import values as typed
from kensho.packages.edit.controllers import (
    KINDS,
    children_of,
    controllers,
    find_controller,
    free_unit,
    kind_of,
    names,
    new_controller,
)
from kensho.packages.edit.files import host_resource
from kensho.packages.edit.items import instance, items, new_item
from kensho.packages.edit.scope import Scope

#: What users say → ResourceType and the usual name.
DRIVES = {"disk": (Resource.DISK, "Hard disk"), "cdrom": (Resource.CD, "CD-ROM drive")}


def add_drive(
    scope: Scope, found: etree._Element, kind: str, host: str, options: dict[str, str]
) -> None:
    """Add a drive to a hardware section; ``host`` is ``disk/ID`` or ``file/ID``, '' for none.

    ``options`` are those of `disks.OPTIONS`.
    """
    type_, title = DRIVES[kind]
    same = items(found, type_)
    parent, unit = _place(found, kind, options)
    drives = [host_resource(text(i, "HostResource")) for i in items(found)]
    spelled = next(
        (
            text(i, "HostResource")
            for i in items(found)
            if host_resource(text(i, "HostResource"))[0]
        ),
        "ovf:/",
    )
    prefix = "ovf:/" if spelled.startswith("ovf:/") or not drives else ""
    new_item(
        found,
        {
            "AddressOnParent": unit,
            "AutomaticAllocation": False if kind == "cdrom" and not host else None,
            "Description": options.get("description") or None,
            "ElementName": options.get("name") or f"{title} {len(same) + 1}",
            "HostResource": f"{prefix}{host}" if host else None,
            "Parent": instance(parent),
            "ResourceType": int(type_),
        },
        configurations=scope.configurations,
        required=kind == "disk",
    )


def _place(found: etree._Element, kind: str, options: dict[str, str]) -> tuple[etree._Element, int]:
    """Return controller and unit for a new drive; the controller is made if it has to be."""
    wanted = options.get("controller", "")
    parent = _controller(found, kind, wanted, options.get("subtype"))
    unit = free_unit(found, parent)
    if options.get("unit"):
        unit = typed.count(options["unit"], "unit", 0)
        if str(unit) in {text(i, "AddressOnParent") for i in children_of(found, parent)}:
            raise UsageError(f"unit {unit} of the controller is taken")
    if unit is None:
        raise UsageError(f"the controller {wanted} is full", hint="name one more, such as scsi1")
    return parent, unit


def _controller(
    found: etree._Element, kind: str, wanted: str, subtype: str | None
) -> etree._Element:
    if wanted:
        for name in KINDS:
            # The next one in the row is made: scsi1 beside scsi0.
            if wanted in {name, f"{name}{len(controllers(found, name))}"} and (
                wanted != name or not controllers(found, name)
            ):
                return new_controller(found, name, subtype or _subtype(found, name))[1]
        return find_controller(found, wanted)
    there = [v[0] for v in controllers(found)]
    order = ("ide", "sata", "scsi") if kind == "cdrom" else ("scsi", "sata", "nvme", "ide")
    own = [text(i, "Parent") for i in items(found, DRIVES[kind][0])]
    there.sort(
        key=lambda c: (
            instance(c) not in own,
            order.index(kind_of(c) or "ide") if kind_of(c) in order else 9,
        )
    )
    for candidate in there:
        if kind_of(candidate) in order and free_unit(found, candidate) is not None:
            return candidate
    first = order[0] if not there else kind_of(there[0]) or order[0]
    first = first if first in order else order[0]
    return new_controller(found, first, subtype or _subtype(found, first))[1]


def _subtype(found: etree._Element, kind: str) -> str | None:
    """Return the subtype of the controllers that are there, so that drivers fit the new one."""
    there = controllers(found, kind)
    return text(there[0][0], "ResourceSubType") if there else None


def empty_drive_at(found: etree._Element, options: dict[str, str]) -> etree._Element | None:
    """Return the empty CD drive at the place that ``options`` name."""
    if not options.get("controller") or not options.get("unit"):
        return None
    if options["controller"] not in names(found):
        return None
    parent = find_controller(found, options["controller"])
    for item in children_of(found, parent):
        if (
            text(item, "AddressOnParent") == options["unit"]
            and text(item, "ResourceType") in {str(int(Resource.CD)), str(int(Resource.DVD))}
            and not text(item, "HostResource")
        ):
            return item
    return None
