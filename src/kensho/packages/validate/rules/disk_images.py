"""What the descriptor says of a disk, against the disk image itself. Only headers are read.

An image that is compressed as a whole has to be unpacked in memory for that, block by block.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from lxml import etree

from kensho.appliances.ovf.elements import Notes, attribute
from kensho.appliances.ovf.references import read_files
from kensho.appliances.packed import open_content
from kensho.disks import open_disk
from kensho.model.appliance import File
from kensho.model.errors import KenshoError, PackageError
from kensho.packages.source import OvfPackage
from kensho.packages.validate.rule import FATAL, FIELD, RISK, SHOULD, Fault, Rule, clause
from kensho.packages.validate.rules.disks import capacity_of, name_of
from kensho.packages.validate.subject import Subject
from kensho.storage import ByteSource

_SPARSE = b"KDMV"  #: VMDK sparse header: magic, then a 32-bit version
_SLACK = 1024 * 1024  #: formats round sizes up to what they can say; a VHD to a cylinder


@dataclass(frozen=True, slots=True)
class Look:
    """What a disk image says: empty with ``why`` when it cannot be read.

    ``size`` is the disk's, in bytes; ``version`` that of a VMDK's sparse header, 0 without one.
    """

    name: str
    format: str = ""
    subformat: str = ""
    size: int = 0
    version: int = 0
    why: str = ""


def images(subject: Subject) -> Iterator[tuple[etree._Element, Look]]:
    """Yield each disk whose image is in the package and not encrypted, with a look at it."""
    if subject.package is None:
        return
    files = {file.id: file for file in read_files(subject.root, Notes(subject.name))}
    for disk in subject.disks:
        file = files.get(attribute(disk, "fileRef"))
        if file is None or file.encryption:
            continue
        key = f"{file.href} {file.compression} {file.chunk_size}"
        if key not in subject.looks:
            subject.looks[key] = _look(subject.package, file, capacity_of(disk))
        look = subject.looks[key]
        if look is not None:
            yield disk, look


def _look(package: OvfPackage, file: File, capacity: int | None) -> Look | None:
    """Open an image; None when its file is not there, which is another rule's."""
    try:
        source = open_content(package.store, file, capacity)
    except PackageError:
        return None
    except KenshoError as error:
        return Look(file.href, why=error.message)
    try:
        return _open(package, file, source)
    except KenshoError as error:
        return Look(file.href, why=error.message)
    finally:
        source.close()


def _open(package: OvfPackage, file: File, source: ByteSource) -> Look:
    reader = open_disk(source, sibling=package.store.open)
    try:
        head = source.read_at(0, min(8, source.size))
        sparse = len(head) == 8 and head[:4] == _SPARSE
        version = struct.unpack("<I", head[4:])[0] if sparse else 0
        return Look(file.href, reader.format, reader.subformat, reader.virtual_size, version)
    finally:
        reader.close()


def unreadable(subject: Subject) -> Iterator[Fault]:
    """A disk image can be read."""
    for disk, look in images(subject):
        if look.why and not attribute(disk, "parentRef"):
            yield Fault(disk, f"{look.name}, the image of {name_of(disk)}: {look.why}", look.name)


def differs(subject: Subject) -> Iterator[Fault]:
    """The capacity said is the one in the image's header."""
    for disk, look in images(subject):
        said = capacity_of(disk)
        if not look.why and said is not None and abs(said - look.size) >= _SLACK:
            yield Fault(
                disk,
                f"{name_of(disk)} is said to have {said} bytes, its image has {look.size}",
                look.name,
                data=look.size,
            )


def believe_image(subject: Subject, fault: Fault) -> str:
    """Write the image's size as capacity, in bytes."""
    disk = fault.element
    assert disk is not None
    for key in list(disk.attrib):
        plain = str(key).rpartition("}")[2]
        if plain == "capacity":
            disk.set(key, str(fault.data))
        elif plain == "capacityAllocationUnits":
            del disk.attrib[key]
    del subject
    return f"the capacity of {name_of(disk)} is that of its image, {fault.data} bytes"


def wrong_format(subject: Subject) -> Iterator[Fault]:
    """The format said is the one found, as far as URIs tell: VMDK or VHD."""
    for disk, look in images(subject):
        uri = attribute(disk, "format").lower()
        said = "vmdk" if "vmdk" in uri else "vhd" if "vhd" in uri else ""
        if said and look.format and look.format not in {said, "iso"}:
            yield Fault(
                disk, f"{look.name} is {look.format}, the descriptor says {said}", look.name
            )


def old_vmdk(subject: Subject) -> Iterator[Fault]:
    """A streamOptimized VMDK has header version 3, as VMware's own have."""
    for disk, look in images(subject):
        if 0 < look.version < 3 and "stream" in look.subformat.lower():
            yield Fault(
                disk,
                f"{look.name} is a streamOptimized VMDK of version {look.version}; "
                "importers have refused it as too old",
                look.name,
                data=look.version,
            )


RULES = (
    Rule(
        "KF-635", RISK, "capacity is the image's", clause("9.1"),
        "write the image's size; the image is what counts", differs, believe_image,
    ),
    Rule(
        "KF-636", SHOULD, "format is the image's", clause("9.1"),
        "correct ovf:format, or convert the disk", wrong_format,
    ),
    Rule(
        "KF-637", FIELD, "streamOptimized VMDK of version 3", "VMware Virtual Disk Format 5.0",
        "write the disk again: kensho convert", old_vmdk,
    ),
    Rule(
        "KF-639", FATAL, "disk images can be read", clause("5.2"),
        "see kensho disk check", unreadable,
    ),
)  # fmt: skip
