"""What a package's machines share: files, disks and networks, DSP0243 §7.1, §9.1, §9.2."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec
from lxml import etree

from kensho.appliances.ovf.dialects import ovirt
from kensho.appliances.ovf.elements import (
    Notes,
    attribute,
    attributes,
    child,
    children,
    extra,
    is_true,
    section_kind,
)
from kensho.appliances.ovf.places import ImageInfo
from kensho.appliances.ovf.quantities import read_capacity, to_int
from kensho.appliances.ovf.texts import Texts
from kensho.model.appliance import DiskImage, File, Network
from kensho.model.finding import Severity
from kensho.model.machine import Extra

#: DSP0243's own attributes of a Disk, and oVirt's that are read.
_DISK_ATTRIBUTES = frozenset(
    {
        *("diskId", "fileRef", "capacity", "capacityAllocationUnits", "format", "parentRef"),
        *("populatedSize", "size", "boot", "disk-interface", "isBootable"),
    }
)


def sections(root: etree._Element, kind: str) -> Iterator[etree._Element]:
    """Return the envelope's sections of one kind."""
    return (s for s in children(root) if section_kind(s) == kind)


def read_files(root: etree._Element, notes: Notes) -> list[File]:
    """Read References; every file has an id and a name, ids are unique."""
    files: dict[str, File] = {}
    hrefs: set[str] = set()
    for references in children(root, "References"):
        for element in children(references, "File"):
            href = attribute(element, "href")
            file_id = attribute(element, "id")
            if not href:
                notes.add(
                    "KF-207",
                    Severity.ERROR,
                    f"the file {file_id or '(without id)'} has no href",
                    subject=file_id,
                    action="ignored",
                )
                continue
            if not file_id:
                notes.add(
                    "KF-206",
                    Severity.ERROR,
                    f"the file {href} has no id",
                    subject=href,
                    action="its name is used as its id",
                )
                file_id = href
            if _is_duplicate(file_id, href, files, hrefs, notes):
                continue
            hrefs.add(href)
            chunk = to_int(attribute(element, "chunkSize"))
            size = to_int(attribute(element, "size"))
            files[file_id] = File(
                file_id,
                href,
                size if size is not None and 0 <= size < 1 << 63 else None,
                attribute(element, "compression"),
                chunk if chunk and chunk > 0 else None,
                _encryption(element),
            )
    return list(files.values())


def _encryption(element: etree._Element) -> str:
    """Return the cipher of an encrypted file (DSP0243 2.1 §9.16), empty when it is plain."""
    data = child(element, "EncryptedData")
    if data is None:
        return ""
    return attribute(child(data, "EncryptionMethod"), "Algorithm") or "unnamed"


def _is_duplicate(
    file_id: str, href: str, files: Mapping[str, File], hrefs: set[str], notes: Notes
) -> bool:
    if href in hrefs:
        notes.add(
            "KF-204",
            Severity.WARNING,
            f"the file {href} is listed twice",
            subject=file_id,
            action="both entries mean the same file",
        )
    if file_id in files:
        notes.add(
            "KF-203",
            Severity.ERROR,
            f"two files have the id {file_id}",
            subject=file_id,
            action="the first one counts",
        )
        return True
    return False


def read_disks(
    root: etree._Element, files: list[File], properties: Mapping[str, str], notes: Notes
) -> tuple[list[DiskImage], dict[str, ImageInfo]]:
    """Read DiskSection; ``properties`` are the values that capacities may refer to."""
    images: dict[str, DiskImage] = {}
    infos: dict[str, ImageInfo] = {}
    by_name = {f.href: f.id for f in files} | {f.id: f.id for f in files}
    for section in sections(root, "DiskSection"):
        for element in children(section, "Disk"):
            disk_id = attribute(element, "diskId")
            if not disk_id or disk_id in images:
                notes.add(
                    "KF-203",
                    Severity.ERROR,
                    f"two disks have the id {disk_id}" if disk_id else "a disk has no diskId",
                    subject=disk_id,
                    action="the first one counts" if disk_id else "ignored",
                )
                continue
            reference = attribute(element, "fileRef")
            if reference and reference not in by_name:
                notes.add(
                    "KF-208",
                    Severity.ERROR,
                    f"disk {disk_id} refers to the file {reference}, which is not listed",
                    subject=disk_id,
                    action="the disk cannot be read",
                )
            images[disk_id] = DiskImage(
                disk_id,
                file=by_name.get(reference, reference) if reference else None,
                capacity=_capacity(element, disk_id, properties, notes),
                format=attribute(element, "format"),
                populated=to_int(attribute(element, "populatedSize")),
                parent=attribute(element, "parentRef") or None,
            )
            _note_parent(images[disk_id], images, notes)
            infos[disk_id] = ImageInfo(
                is_true(attribute(element, "isBootable") or attribute(element, "boot")),
                attribute(element, "disk-interface"),
            )
    return list(images.values()), infos


def _note_parent(image: DiskImage, before: Mapping[str, DiskImage], notes: Notes) -> None:
    """Say that a disk is a delta; DSP0243 §9.1 wants its parent listed before it."""
    if image.parent is None:
        return
    if image.parent in before and image.parent != image.id:
        notes.add(
            "KF-133",
            Severity.NOTE,
            f"disk {image.id} is a delta on top of {image.parent}",
            subject=image.id,
            action="read together with the disk below it, converted as one disk",
        )
    else:
        notes.add(
            "KF-134",
            Severity.ERROR,
            f"disk {image.id} is a delta on {image.parent}, which is not listed before it",
            subject=image.id,
            action="it can be read only if that disk is in the package all the same",
        )


def _capacity(
    element: etree._Element, disk_id: str, properties: Mapping[str, str], notes: Notes
) -> int | None:
    stated = attribute(element, "capacity")
    if not stated and ovirt.is_ovirt_disk(element):
        return ovirt.capacity(element)
    units = attribute(element, "capacityAllocationUnits")
    return read_capacity(stated, units, properties, disk_id, notes)


def read_disk_extras(root: etree._Element, notes: Notes) -> list[Extra]:
    """Keep disks word for word that say more than the model holds."""
    kept = []
    for section in sections(root, "DiskSection"):
        for element in children(section, "Disk"):
            more = {name for _, name, _ in attributes(element)} - _DISK_ATTRIBUTES
            if more or len(element):
                disk_id = attribute(element, "diskId")
                dialects = {d for d, name, _ in attributes(element) if name in more} - {"", "ovf"}
                kept.append(
                    msgspec.structs.replace(
                        extra(element, f"Envelope/DiskSection/Disk[{disk_id}]", notes),
                        dialect=min(dialects, default="ovf"),
                    )
                )
    return kept


def read_networks(root: etree._Element, texts: Texts) -> list[Network]:
    """Read NetworkSection."""
    networks: dict[str, Network] = {}
    for section in sections(root, "NetworkSection"):
        for element in children(section, "Network"):
            name = attribute(element, "name")
            if name:
                networks.setdefault(name, Network(name, texts.of(element, "Description")))
    return list(networks.values())
