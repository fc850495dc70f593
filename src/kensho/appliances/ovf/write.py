"""OVF 1.x descriptors (DSP0243 1.1.0), in the dialects of ``ovf.write_dialects``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256

from lxml import etree

from kensho.appliances.names import dns_name, file_stem, unique
from kensho.appliances.ovf.manifest import write_manifest
from kensho.appliances.ovf.write_dialects.base import Dialect
from kensho.appliances.ovf.write_dialects.portable import PORTABLE
from kensho.appliances.ovf.write_hardware import add_hardware
from kensho.appliances.ovf.write_sections import (
    add_annotation,
    add_eulas,
    add_operating_system,
    add_products,
    add_startup,
)
from kensho.appliances.ovf.write_xml import OVF, RASD, VBOX, VMW, VSSD, XML, child, clean, ovf
from kensho.appliances.package import Digest, Document, PlacedDisk
from kensho.model.appliance import Appliance, Network
from kensho.model.errors import LimitError, UnsupportedError
from kensho.model.machine import Machine

_FORMAT_URI = {
    "streamOptimized": "http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized",
    "monolithicSparse": "http://www.vmware.com/interfaces/specifications/vmdk.html#sparse",
}


def render_descriptor(
    appliance: Appliance, disks: Mapping[str, PlacedDisk], dialect: Dialect
) -> bytes:
    """Return the descriptor: UTF-8, indented by two, the same bytes for the same input.

    ``appliance`` is already mapped to what ``dialect`` can say, ``disks`` maps image ids to
    placed VMDK files; an image that was not placed is written as a blank disk of its capacity.
    Raises UnsupportedError for several machines where the dialect holds one, for a device it
    has no word for, and for a disk that is no VMDK or of unknown size.
    """
    machines = appliance.machines
    if not machines or (len(machines) > 1 and not dialect.several_machines):
        raise UnsupportedError(
            f"{len(machines)} machines; {dialect.name} holds "
            + ("at least one" if dialect.several_machines else "exactly one")
        )
    namespaces: dict[str | None, str] = {None: OVF, "ovf": OVF, "rasd": RASD, "vssd": VSSD}
    if "vmw" in dialect.guest or dialect.config:
        namespaces["vmw"] = VMW
    if "vbox" in dialect.guest:
        namespaces["vbox"] = VBOX
    root = etree.Element(ovf("Envelope"), nsmap=namespaces)  # type: ignore[arg-type]
    root.set(f"{{{XML}}}lang", "en-US")
    disk_ids = _add_files_and_disks(root, appliance, disks)
    _add_networks(root, appliance, dialect)
    if len(machines) == 1:
        _add_single(root, appliance, disk_ids, dialect)
    else:
        _add_collection(root, appliance, disk_ids, dialect)
    etree.indent(root, space="  ")
    text = etree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'.encode()


def pad_descriptor(descriptor: bytes, length: int) -> bytes:
    """Return the descriptor made ``length`` bytes long by blanks after its root element.

    XML allows white space there (XML 1.0 §2.1, production Misc). Raises LimitError when the
    descriptor is longer already.
    """
    missing = length - len(descriptor)
    if missing < 0:
        raise LimitError(f"descriptor of {len(descriptor)} bytes in a slot of {length}")
    return descriptor if missing == 0 else descriptor + b" " * (missing - 1) + b"\n"


def image_order(appliance: Appliance) -> dict[str, int]:
    """Return the position of every image: the order of files in References and in an OVA."""
    return {image.id: position for position, image in enumerate(appliance.images)}


def render_manifest(name: str, descriptor: bytes, placed: Sequence[PlacedDisk]) -> bytes:
    """Return the manifest of a package whose descriptor is called ``name``: it, then the disks."""
    digests = [(name, sha256(descriptor).hexdigest())]
    digests += [(disk.filename, disk.sha256) for disk in placed]
    return write_manifest((file, Digest("sha256", digest)) for file, digest in digests)


def render_portable(appliance: Appliance, disks: Mapping[str, PlacedDisk]) -> tuple[Document, ...]:
    """Return NAME.ovf in the dialect ``portable-1``, and NAME.mf when all digests are known."""
    stem = file_stem(appliance.name)
    descriptor = render_descriptor(appliance, disks, PORTABLE)
    documents = [Document(f"{stem}.ovf", descriptor)]
    placed = _in_order(appliance, disks)
    if all(disk.sha256 for disk in placed):
        manifest = render_manifest(f"{stem}.ovf", descriptor, placed)
        documents.append(Document(f"{stem}.mf", manifest))
    return tuple(documents)


def _in_order(appliance: Appliance, disks: Mapping[str, PlacedDisk]) -> tuple[PlacedDisk, ...]:
    order = image_order(appliance)
    return tuple(sorted(disks.values(), key=lambda d: order.get(d.image, len(order))))


def _add_files_and_disks(
    root: etree._Element, appliance: Appliance, disks: Mapping[str, PlacedDisk]
) -> dict[str, str]:
    """Append References and DiskSection; return the ovf:diskId of every image in use."""
    references = child(root, "References")
    section = child(root, "DiskSection")
    child(section, "Info", "Virtual disk information")
    disk_ids: dict[str, str] = {}
    for number, disk in enumerate(_in_order(appliance, disks), start=1):
        uri = _FORMAT_URI.get(disk.subformat) if disk.format == "vmdk" else None
        if uri is None:
            raise UnsupportedError(
                f"OVF has no name for {disk.format} {disk.subformat}", field=disk.image
            )
        child(references, "File", id=f"file{number}", href=disk.filename, size=disk.file_size)
        disk_ids[disk.image] = f"vmdisk{number}"
        # Bytes, without units: VirtualBox takes the number for bytes whatever the unit says.
        child(
            section,
            "Disk",
            diskId=disk_ids[disk.image],
            fileRef=f"file{number}",
            capacity=disk.virtual_size,
            format=uri,
            populatedSize=disk.data_size,
        )
    for machine in appliance.machines:
        for drive in machine.disks:
            if drive.image not in disk_ids:
                disk_ids[drive.image] = f"vmdisk{len(disk_ids) + 1}"
                _add_blank(section, appliance, drive.image, disk_ids[drive.image])
    return disk_ids


def _add_blank(section: etree._Element, appliance: Appliance, image_id: str, disk_id: str) -> None:
    image = appliance.image(image_id)
    if image is None or image.capacity is None:
        raise UnsupportedError("a disk that was not placed and has no size", field=image_id)
    uri = _FORMAT_URI["streamOptimized"]
    child(section, "Disk", diskId=disk_id, capacity=image.capacity, format=uri)


def _add_networks(root: etree._Element, appliance: Appliance, dialect: Dialect) -> None:
    """Append all networks, those only an adapter names included."""
    networks = {network.name: network for network in appliance.networks if network.name}
    for machine in appliance.machines:
        for nic in machine.nics:
            name = nic.network or dialect.network
            networks.setdefault(name, Network(name))
    section = child(root, "NetworkSection")
    child(section, "Info", "The list of logical networks")
    for network in networks.values():
        element = child(section, "Network", name=network.name)
        if network.description:
            child(element, "Description", network.description)


def _add_single(
    root: etree._Element, appliance: Appliance, disk_ids: Mapping[str, str], dialect: Dialect
) -> None:
    """Append the only machine; it takes what is said of the appliance as a whole."""
    machine = appliance.machines[0]
    system = _add_system(root, machine, dns_name(machine.name), disk_ids, dialect)
    products = dict.fromkeys((*machine.products, *appliance.products))
    eulas = dict.fromkeys((*machine.eulas, *appliance.eulas))
    add_products(system, products)
    add_eulas(system, eulas)
    add_annotation(system, machine.annotation or appliance.annotation)


def _add_collection(
    root: etree._Element, appliance: Appliance, disk_ids: Mapping[str, str], dialect: Dialect
) -> None:
    taken: set[str] = set()
    ident = unique(dns_name(appliance.name), taken)
    collection = child(root, "VirtualSystemCollection", id=ident)
    child(collection, "Info", "A collection of virtual machines")
    child(collection, "Name", appliance.name)
    idents = {m.id: unique(dns_name(m.name), taken) for m in appliance.machines}
    add_products(collection, appliance.products)
    add_startup(collection, appliance.start_order, idents)
    add_eulas(collection, appliance.eulas)
    add_annotation(collection, appliance.annotation)
    for machine in appliance.machines:
        system = _add_system(collection, machine, idents[machine.id], disk_ids, dialect)
        add_products(system, machine.products)
        add_eulas(system, machine.eulas)
        add_annotation(system, machine.annotation)


def _add_system(
    parent: etree._Element,
    machine: Machine,
    ident: str,
    disk_ids: Mapping[str, str],
    dialect: Dialect,
) -> etree._Element:
    """Append a VirtualSystem up to its hardware."""
    system = child(parent, "VirtualSystem", id=ident)
    child(system, "Info", "A virtual machine")
    child(system, "Name", clean(machine.name))
    add_operating_system(system, machine.guest, dialect)
    add_hardware(system, machine, ident, disk_ids, dialect)
    return system
