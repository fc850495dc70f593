"""System Center VMM and others of an early CIM: disks as resource type 21.

CIM 2.x before DSP1041 counted differently; today 21 is a serial port. An item of that type that
refers to a disk of the package is one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import msgspec

from kensho.appliances.ovf.elements import Notes
from kensho.appliances.ovf.items import Item, Resource
from kensho.model.appliance import DiskImage
from kensho.model.finding import Severity

_HOST_RESOURCE = re.compile(r"(?:ovf:)?/{0,2}disk/(.+)", re.IGNORECASE)


def with_disks(
    items: Sequence[Item], images: Mapping[str, DiskImage], notes: Notes
) -> tuple[Item, ...]:
    """Return the items with disks of type 21 as disks of type 17; a finding says which."""
    return tuple(_as_disk(i, notes) if _is_disk(i, images) else i for i in items)


def _is_disk(item: Item, images: Mapping[str, DiskImage]) -> bool:
    if item.type != Resource.SERIAL:
        return False
    matches = (_HOST_RESOURCE.fullmatch(host) for host in item.hosts)
    return any(match is not None and match[1] in images for match in matches)


def _as_disk(item: Item, notes: Notes) -> Item:
    notes.add(
        "KF-138",
        Severity.NOTE,
        f"item {item.id} has the type of a serial port and refers to a disk",
        subject=item.id,
        action="read as a disk, as in early versions of CIM",
    )
    return msgspec.structs.replace(item, type=int(Resource.DISK))
