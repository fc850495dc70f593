"""What the package as a whole has: files, disks, sections, machines."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from lxml import etree

from kensho.appliances.ovf.elements import (
    attribute,
    children,
    dialect,
    required,
    section_kind,
    text,
)
from kensho.appliances.ovf.units import parse_unit
from kensho.packages.validate.rule import Fault
from kensho.packages.validate.rules import content, disk_images, disks, references
from kensho.packages.validate.rules import manifest as manifests
from kensho.packages.validate.subject import Subject, content_kind, namespace

_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]+")
_FLAT = re.compile(r"[A-Za-z0-9._+=-]{1,99}")


def collections(subject: Subject) -> Iterator[Fault]:
    """Find collections of machines."""
    for found in subject.contents:
        if content_kind(found) == "VirtualSystemCollection":
            yield Fault(found, f"a collection of machines, {attribute(found, 'id')!r}")


def several_machines(subject: Subject) -> Iterator[Fault]:
    """Find that there is more than one machine."""
    if len(subject.systems) > 1:
        yield Fault(subject.systems[1].element, f"{len(subject.systems)} machines")


def several_hardware(subject: Subject) -> Iterator[Fault]:
    """Find machines with alternative hardware."""
    for system in subject.systems:
        for hardware in system.hardware[1:]:
            yield Fault(hardware.element, f"a second VirtualHardwareSection of {system.id!r}")


def options(subject: Subject) -> Iterator[Fault]:
    """Find items that are for some deployment options only."""
    found = [i for _, _, i in subject.items() if i.configurations]
    if found:
        yield Fault(found[0].element, f"{len(found)} items are for some deployment options only")


def ranges(subject: Subject) -> Iterator[Fault]:
    """Find ranges of values."""
    found = [i for _, _, i in subject.items() if i.bound != "normal"]
    if found:
        yield Fault(found[0].element, f"{len(found)} items are ranges of others (ovf:bound)")


def gzip(subject: Subject) -> Iterator[Fault]:
    """Find files compressed as a whole."""
    for file in subject.files:
        if attribute(file, "compression") not in {"", "identity"}:
            yield Fault(file, f"{attribute(file, 'href')} is compressed", data="gzip")


def unpack(subject: Subject, fault: Fault) -> str | None:
    """Take the compression away; the file is unpacked where the package is written."""
    file = fault.element
    if file is None or attribute(file, "compression") != "gzip" or attribute(file, "chunkSize"):
        return None
    if references.stored(subject, file) is None:
        return None
    href = attribute(file, "href")
    plain = href.removesuffix(".gz")
    taken = {attribute(f, "href") for f in subject.files if f is not file}
    for key in list(file.attrib):
        match str(key).rpartition("}")[2]:
            case "compression":
                del file.attrib[key]
            case "href" if plain and plain not in taken:
                file.set(key, plain)
    return f"{href} is unpacked"


def chunks(subject: Subject) -> Iterator[Fault]:
    """Find files cut into chunks."""
    for file in subject.files:
        if attribute(file, "chunkSize").strip("0"):
            yield Fault(file, f"{attribute(file, 'href')} is cut into chunks")


def join(subject: Subject, fault: Fault) -> str | None:
    """Take the chunks away; they are joined where the package is written."""
    file = fault.element
    if file is None or subject.package is None or any(references.chunks(subject)):
        return None
    if attribute(file, "compression") not in {"", "identity"}:
        return None  # the target that joins nothing unpacks nothing either: one mend at a time
    for key in list(file.attrib):
        if str(key).rpartition("}")[2] == "chunkSize":
            del file.attrib[key]
    return f"the chunks of {attribute(file, 'href')} are joined"


def urls(subject: Subject) -> Iterator[Fault]:
    """Find files that are not in the package."""
    for file in subject.files:
        if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", attribute(file, "href")):
            yield Fault(file, f"{attribute(file, 'href')} is not in the package")


def parents(subject: Subject) -> Iterator[Fault]:
    """Find disks that are based on others."""
    for disk in subject.disks:
        if attribute(disk, "parentRef"):
            yield Fault(disk, f"{disks.name_of(disk)} is based on another disk")


def empty_disks(subject: Subject) -> Iterator[Fault]:
    """Find disks without a file."""
    for disk in subject.disks:
        if not attribute(disk, "fileRef"):
            yield Fault(disk, f"{disks.name_of(disk)} has no file: an empty disk is meant")


def no_capacity(subject: Subject) -> Iterator[Fault]:
    """Find disks without a capacity."""
    for disk in subject.disks:
        if not attribute(disk, "capacity"):
            yield Fault(disk, f"{disks.name_of(disk)} has no ovf:capacity")


def capacity_from_image(subject: Subject, fault: Fault) -> str | None:
    """Write the capacity of the disk image."""
    for disk, look in disk_images.images(subject):
        if disk is fault.element and not look.why:
            uri = namespace(disk)
            disk.set(f"{{{uri}}}capacity" if uri else "capacity", str(look.size))
            return f"the capacity of {disks.name_of(disk)} is that of its image"
    return None


def units_of_capacity(subject: Subject) -> Iterator[Fault]:
    """Find capacities that are not in bytes."""
    for disk in subject.disks:
        said = attribute(disk, "capacityAllocationUnits")
        unit = parse_unit(said) if said else None
        if said and (unit is None or unit.factor != 1):
            yield Fault(disk, f"the capacity of {disks.name_of(disk)} is in {said}", data=unit)


def variable_capacity(subject: Subject) -> Iterator[Fault]:
    """Find capacities that are chosen when deploying."""
    for disk in subject.disks:
        if attribute(disk, "capacity").startswith("${"):
            yield Fault(disk, f"the capacity of {disks.name_of(disk)} is a property")


def file_names(subject: Subject) -> Iterator[Fault]:
    """Find file names that are not plain."""
    for file in subject.files:
        href = attribute(file, "href")
        if href and not _FLAT.fullmatch(href):
            yield Fault(file, f"{href!r} is no plain file name")


def disk_ids(subject: Subject) -> Iterator[Fault]:
    """Find disks whose id needs quoting in a URI."""
    for disk in subject.disks:
        name = attribute(disk, "diskId")
        if name and not _UNRESERVED.fullmatch(name):
            yield Fault(disk, f"diskId {name!r} has characters that a URI has to quote")


def no_sizes(subject: Subject) -> Iterator[Fault]:
    """Find files without a size."""
    for file in subject.files:
        if not attribute(file, "size"):
            yield Fault(file, f"the size of {attribute(file, 'href')} is not given")


def encodings(subject: Subject) -> Iterator[Fault]:
    """Find descriptors that are not in UTF-8."""
    said = subject.root.getroottree().docinfo.encoding or "UTF-8"
    if said.upper() not in {"UTF-8", "ASCII", "US-ASCII"}:
        yield Fault(subject.root, f"the descriptor is in {said}")


def no_disks(subject: Subject) -> Iterator[Fault]:
    """Find that there is no DiskSection."""
    if not any(section_kind(s) == "DiskSection" for s in children(subject.root)):
        yield Fault(subject.root, "no DiskSection")


def no_system(subject: Subject) -> Iterator[Fault]:
    """Find hardware without a System."""
    for system in subject.systems:
        for hardware in system.hardware:
            if hardware.system is None:
                yield Fault(hardware.element, f"the hardware of {system.id!r} has no System")


def no_name(subject: Subject) -> Iterator[Fault]:
    """Find machines without a Name."""
    for system in subject.systems:
        if not text(system.element, "Name"):
            yield Fault(system.element, f"machine {system.id!r} has no Name")


def name_it(subject: Subject, fault: Fault) -> str | None:
    """Give the machine its id as its Name."""
    element = fault.element
    name = "" if element is None else attribute(element, "id")
    if element is None or not name:
        return None
    uri = namespace(subject.root)
    for child in list(children(element, "Name")):
        element.remove(child)
    new = etree.Element(f"{{{uri}}}Name" if uri else "Name")
    new.text = name
    info = next(children(element, "Info"), None)
    element.insert(0, new) if info is None else info.addnext(new)
    return f"machine {name!r} has its id as its Name"


def no_guest(subject: Subject) -> Iterator[Fault]:
    """Find guest systems without a number."""
    for section in subject.sections("OperatingSystemSection"):
        if not attribute(section, "id").isdecimal():
            yield Fault(section, "the guest system has no number")


def disk_suffixes(subject: Subject) -> Iterator[Fault]:
    """Find disk images that are not called ``.vmdk``."""
    names = {attribute(f, "id"): attribute(f, "href").lower() for f in reversed(subject.files)}
    for disk in subject.disks:
        href = names.get(attribute(disk, "fileRef"), "")
        if href and not href.endswith((".vmdk", ".vmdk.gz")):
            yield Fault(disk, f"{href} is not called .vmdk")


def foreign(*owners: str) -> Callable[[Subject], Iterator[Fault]]:
    """Return what finds elements of these dialects that may not be skipped."""

    def find(subject: Subject) -> Iterator[Fault]:
        for fault in content.vendor_required(subject):
            if fault.element is not None and dialect(fault.element) in owners:
                yield fault

    return find


def extra_config(subject: Subject) -> Iterator[Fault]:
    """Find VMware's ExtraConfig that may not be skipped."""
    for system in subject.systems:
        for hardware in system.hardware:
            for element in children(hardware.element, "ExtraConfig"):
                if required(element):
                    key = attribute(element, "key")
                    yield Fault(element, f"ExtraConfig {key!r} is required", key)


def prefixed(subject: Subject) -> Iterator[Fault]:
    """Find OVF's own elements written with a prefix."""
    if subject.root.prefix:
        yield Fault(
            subject.root, f"OVF's elements are written with the prefix {subject.root.prefix}:"
        )


def plain_manifest(subject: Subject) -> Iterator[Fault]:
    """Find lines of the manifest that are spelled unusually."""
    yield from manifests.spelling(subject)
