"""Disks: image, DiskSection entry and drive together, added, replaced, resized, removed."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import unquote

from lxml import etree

from kensho.appliances.names import unique
from kensho.appliances.ovf.elements import attribute, text
from kensho.appliances.ovf.items import Resource
from kensho.appliances.ovf.units import parse_unit
from kensho.appliances.ovfenv.iso import write_iso
from kensho.model.errors import UsageError
from kensho.model.finding import Severity
from kensho.model.units import format_bytes
from kensho.packages.edit import values as typed
from kensho.packages.edit.drives import DRIVES, add_drive, empty_drive_at
from kensho.packages.edit.files import (
    add_file,
    disks,
    disks_on,
    find_file,
    items_with,
    refer,
    references,
    remove_file,
    stored_name,
)
from kensho.packages.edit.items import items, set_field
from kensho.packages.edit.payload import STREAM_URI, NewFile, Payload, look_at_disk
from kensho.packages.edit.scope import Scope, hardware, sections
from kensho.packages.edit.tree import add, remove, section, set_attribute
from kensho.packages.edit.values import unknown
from kensho.storage import MemorySource

OPTIONS = (
    *("controller", "unit", "subtype", "type", "name", "id", "file-id", "size", "description"),
)


def add_disk(scope: Scope, payload: Payload, locator: str, options: dict[str, str]) -> None:
    """Add a drive with an image of any format, or an empty disk of ``size`` without an image.

    ``options`` are `OPTIONS`: controller (``scsi0``; the next one that is not there is made, of
    ``subtype``), unit, type (``disk`` or ``cdrom``; an ISO is a CD), name and id. A CD goes into
    the drive that is there at that place when it is empty.
    """
    usual = "cdrom" if locator.lower().endswith(".iso") else "disk"
    kind = options.get("type") or usual
    if kind not in DRIVES:
        raise unknown(f"there is no drive of type {kind!r}", kind, DRIVES)
    if kind == "cdrom":
        ident = options.get("file-id", "")
        host = f"file/{add_file(scope, payload, locator, '', ident)}" if locator else ""
    else:
        host = f"disk/{add_image(scope, payload, locator, options)}"
    for found in hardware(scope):
        drive = empty_drive_at(found, options) if kind == "cdrom" and host else None
        if drive is None:
            add_drive(scope, found, kind, host, options)
        else:
            set_field(drive, "HostResource", f"ovf:/{host}")


def inject_files(
    scope: Scope, payload: Payload, files: Sequence[tuple[str, bytes]], name: str = "config.iso"
) -> None:
    """Put files on a CD-ROM, into an empty drive or a new one: how routers take their set-up."""
    data = write_iso(files, "CONFIG")
    name = payload.add(name, NewFile(name, opener=lambda: MemorySource(data, name)))
    host = f"file/{refer(scope, name, size=len(data))}"
    for found in hardware(scope):
        drives = [i for i in items(found, Resource.CD) if not text(i, "HostResource")]
        empty = [i for i in drives if not attribute(i, "configuration")]
        if empty:
            set_field(empty[0], "HostResource", f"ovf:/{host}")
        else:
            add_drive(scope, found, "cdrom", host, {})


def add_image(scope: Scope, payload: Payload, locator: str, options: dict[str, str]) -> str:
    """Add an image, or an empty disk of ``size``, without a drive; return the diskId."""
    taken = {attribute(d, "diskId").lower() for d in disks(scope.root)}
    disk_id = options.get("id") or unique(f"vmdisk{len(taken) + 1}", taken)
    if options.get("id", "").lower() in taken:
        raise UsageError(f"there is a disk with the id {disk_id!r} already")
    found = sections(scope.root, "DiskSection")
    into = (
        found[0]
        if found
        else section(scope.root, "DiskSection", "Virtual disk information", ("References",))
    )
    if not locator:
        if not options.get("size"):
            raise UsageError("an empty disk needs a size", hint="--add-disk size=20GiB")
        capacity = typed.size(options["size"], "size")
        element = add(into, "Disk", diskId=disk_id)
        _describe(element, capacity, None)
        return disk_id
    facts = look_at_disk(locator)
    capacity = facts.capacity
    if options.get("size"):
        capacity = typed.size(options["size"], "size")
        if capacity < facts.capacity:
            raise _too_small(disk_id, capacity, facts.capacity)
    convert = not facts.ready or capacity > facts.capacity
    size = capacity if capacity > facts.capacity else None
    name = payload.add(facts.name, NewFile(locator, convert=convert, size=size))
    file_id = refer(scope, name, options.get("file-id", ""))
    element = add(into, "Disk", diskId=disk_id, fileRef=file_id)
    _describe(element, capacity, facts.populated)
    return disk_id


def _describe(element: etree._Element, capacity: int, populated: int | None) -> None:
    set_attribute(element, "capacity", str(capacity))
    set_attribute(element, "capacityAllocationUnits", None)  # bytes: what all importers agree on
    set_attribute(element, "format", STREAM_URI)
    set_attribute(element, "populatedSize", None if populated is None else str(populated))


def find_disk(root: etree._Element, which: str) -> etree._Element:
    """Return a Disk by diskId, or by the id or name of its file."""
    for disk in disks(root):
        if attribute(disk, "diskId") == which:
            return disk
    known = [attribute(d, "diskId") for d in disks(root)]
    hrefs = [attribute(f, "href") for f in references(root)]
    if which in {*hrefs, *map(unquote, hrefs), *(attribute(f, "id") for f in references(root))}:
        on_file = disks_on(root, attribute(find_file(root, which), "id"))
        if on_file:
            return on_file[0]
    raise unknown(f"there is no disk {which!r}", which, [*known, *hrefs])


def remove_disk(scope: Scope, payload: Payload, which: str) -> None:
    """Remove a disk, its drives, and its file when nothing else uses that."""
    disk = find_disk(scope.root, which)
    disk_id, file_id = attribute(disk, "diskId"), attribute(disk, "fileRef")
    if disk_id and disk_id in {attribute(d, "parentRef") for d in disks(scope.root)}:
        raise UsageError(f"disk {disk_id!r} is the base of another", hint="remove that one first")
    for item in items_with(scope.root, "disk", disk_id):
        remove(item)
    remove(disk)
    if file_id and not disks_on(scope.root, file_id):
        remove_file(scope, payload, file_id)


def replace_disk(scope: Scope, payload: Payload, which: str, locator: str) -> None:
    """Put another image in a disk's place; drive, ids and place stay."""
    disk = find_disk(scope.root, which)
    facts = look_at_disk(locator)
    file_id = attribute(disk, "fileRef")
    if file_id and len(disks_on(scope.root, file_id)) == 1:
        element = find_file(scope.root, file_id)
        payload.remove(stored_name(payload, attribute(element, "href")))
        name = payload.add(facts.name, NewFile(locator, convert=not facts.ready))
        set_attribute(element, "href", name)
        for stale in ("compression", "chunkSize", "size"):
            set_attribute(element, stale, None)
    else:
        name = payload.add(facts.name, NewFile(locator, convert=not facts.ready))
        set_attribute(disk, "fileRef", refer(scope, name))
    set_attribute(disk, "parentRef", None)
    _describe(disk, facts.capacity, facts.populated)


def set_capacity(scope: Scope, which: str, size: int) -> None:
    """Set a disk's capacity in bytes, in the unit that is there when it can say it.

    An image keeps its own size; UsageError below what the descriptor says it has now.
    """
    disk = find_disk(scope.root, which)
    unit = parse_unit(attribute(disk, "capacityAllocationUnits") or "byte")
    factor = unit.factor if unit is not None and unit.base == "byte" else 1
    old = attribute(disk, "capacity")
    if attribute(disk, "fileRef") and old.isdigit():
        now = int(old) * factor
        if size < now:
            raise _too_small(attribute(disk, "diskId"), size, now)
        if size > now:
            scope.notes.add(
                "KF-742",
                Severity.WARNING,
                f"the capacity says {format_bytes(size)}, the image has {format_bytes(now)}",
                subject=attribute(disk, "diskId"),
                action="set; importers that believe the image make the smaller disk",
            )
    if size % factor:
        set_attribute(disk, "capacityAllocationUnits", None)
        factor = 1
    set_attribute(disk, "capacity", str(size // factor))


def _too_small(disk_id: str, size: int, now: int) -> UsageError:
    return UsageError(
        f"disk {disk_id!r} holds {format_bytes(now)}; it cannot become {format_bytes(size)}",
        hint="shrink the file systems and the image first, then replace the disk",
    )
