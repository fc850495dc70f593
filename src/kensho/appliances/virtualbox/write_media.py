"""The media a machine of VirtualBox knows, as they are written: MediaRegistry and its UUIDs.

Source: VirtualBox-settings.xsd (see ``media.py``).
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from lxml import etree

from kensho.appliances.mapped import placed_disk
from kensho.appliances.package import PlacedDisk
from kensho.appliances.virtualbox.write_devices import add, braced
from kensho.model.appliance import Appliance
from kensho.model.machine import Cdrom, Floppy, Machine

OWN_NAMESPACE = uuid.UUID("a9c1d0a4-6a3f-4f0e-9a66-1f6d1c9b7e2d")


def medium_uuid(placed: PlacedDisk) -> uuid.UUID:
    """Return the UUID a VDI has in its header (little-endian fields, as Microsoft writes them).

    Before the disk is written, one that stands for it.
    """
    own = placed.identity.partition(":")[0]
    if len(own) == 32:
        return uuid.UUID(bytes_le=bytes.fromhex(own))
    return uuid.uuid5(OWN_NAMESPACE, placed.filename)


def image_uuid(href: str) -> uuid.UUID:
    """Return a UUID for a CD-ROM image, which has none of its own."""
    return uuid.uuid5(OWN_NAMESPACE, f"image/{href}")


def add_media(
    registry: etree._Element,
    appliance: Appliance,
    machine: Machine,
    disks: Mapping[str, PlacedDisk],
) -> None:
    """List the disks and the images in drives, each once."""
    hard_disks = add(registry, "HardDisks")
    listed: set[str] = set()
    for disk in machine.disks:
        placed = placed_disk(disk, disks)
        if placed.filename in listed:
            continue
        listed.add(placed.filename)
        kind = "Readonly" if disk.read_only else "Writethrough" if disk.independent else "Normal"
        add(
            hard_disks,
            "HardDisk",
            uuid=braced(medium_uuid(placed)),
            location=placed.filename,
            format="VDI",
            type=kind,
        )
    for name, kind_of in (("DVDImages", Cdrom), ("FloppyImages", Floppy)):
        files = dict.fromkeys(d.file for d in machine.drives if isinstance(d, kind_of) and d.file)
        images = [file for f in files if (file := appliance.file(f)) is not None]
        if images:
            group = add(registry, name)
            for file in images:
                add(group, "Image", uuid=braced(image_uuid(file.href)), location=file.href)
