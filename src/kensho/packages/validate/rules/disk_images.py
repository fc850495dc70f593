"""What the descriptor says of a disk, against the disk image itself. Only headers are read."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager

from lxml import etree

from kensho.appliances.ovf.elements import attribute
from kensho.disks import DiskReader, open_disk
from kensho.model.errors import KenshoError
from kensho.packages.validate.rule import FATAL, FIELD, RISK, SHOULD, Fault, Rule, clause
from kensho.packages.validate.rules.disks import capacity_of, name_of
from kensho.packages.validate.rules.references import stored
from kensho.packages.validate.subject import Subject
from kensho.storage import ByteSource

_SPARSE = b"KDMV"  #: VMDK sparse header: magic, then a 32-bit version
_SLACK = 1024 * 1024  #: formats round sizes up to what they can say; a VHD to a cylinder


def images(subject: Subject) -> Iterator[tuple[etree._Element, str]]:
    """Yield each disk whose image is there as one plain file, with the file's name."""
    for disk in subject.disks:
        file = subject.file(attribute(disk, "fileRef"))
        if file is None or attribute(file, "compression") not in {"", "identity"}:
            continue
        if attribute(file, "chunkSize"):
            continue
        name = stored(subject, file)
        if name is not None:
            yield disk, name


@contextmanager
def image(subject: Subject, name: str) -> Iterator[tuple[ByteSource, DiskReader | None, str]]:
    """Open an image: its bytes, the disk (None when it cannot be read), and why not."""
    assert subject.package is not None
    store = subject.package.store
    source = store.open(name)
    try:
        reader, why = None, ""
        try:
            reader = open_disk(source, sibling=store.open)
        except KenshoError as error:
            why = error.message
        try:
            yield source, reader, why
        finally:
            if reader is not None:
                reader.close()
    finally:
        source.close()


def unreadable(subject: Subject) -> Iterator[Fault]:
    """A disk image can be read."""
    for disk, name in images(subject):
        if attribute(disk, "parentRef"):
            continue
        with image(subject, name) as (_, reader, why):
            if reader is None:
                yield Fault(disk, f"{name}, the image of {name_of(disk)}: {why}", name)


def differs(subject: Subject) -> Iterator[Fault]:
    """The capacity said is the one in the image's header."""
    for disk, name in images(subject):
        with image(subject, name) as (_, reader, _why):
            said = capacity_of(disk)
            real = None if reader is None else reader.virtual_size
            if real is not None and said is not None and abs(said - real) >= _SLACK:
                yield Fault(
                    disk,
                    f"{name_of(disk)} is said to have {said} bytes, its image has {real}",
                    name,
                    data=real,
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
    for disk, name in images(subject):
        uri = attribute(disk, "format").lower()
        said = "vmdk" if "vmdk" in uri else "vhd" if "vhd" in uri else ""
        with image(subject, name) as (_, reader, _why):
            found = "" if reader is None else reader.format
            if said and found and found not in {said, "iso"}:
                yield Fault(disk, f"{name} is {found}, the descriptor says {said}", name)


def old_vmdk(subject: Subject) -> Iterator[Fault]:
    """A streamOptimized VMDK has header version 3, as VMware's own have."""
    for disk, name in images(subject):
        with image(subject, name) as (source, reader, _why):
            if reader is None or reader.format != "vmdk" or source.size < 512:
                continue
            head = source.read_at(0, 8)
            version = struct.unpack("<I", head[4:])[0]
            if head[:4] == _SPARSE and version < 3 and "stream" in reader.subformat.lower():
                yield Fault(
                    disk,
                    f"{name} is a streamOptimized VMDK of version {version}; "
                    "importers have refused it as too old",
                    name,
                    data=version,
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
