"""OVF 1.x descriptors (DSP0243 1.1.0), in the dialects of ``ovf.write_dialects``.

What is said is decided here, how XML says it by the structs of ``ovf.sections``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256

from lxml import etree

from kensho.appliances.names import dns_name, file_stem, unique
from kensho.appliances.ovf.envelope import Envelope, write_envelope
from kensho.appliances.ovf.manifest import write_manifest
from kensho.appliances.ovf.origin import write_origin
from kensho.appliances.ovf.sections.content import (
    AnySection,
    VirtualSystem,
    VirtualSystemCollection,
)
from kensho.appliances.ovf.sections.disks import Disk, DiskSection
from kensho.appliances.ovf.sections.networks import Network as SectionNetwork
from kensho.appliances.ovf.sections.networks import NetworkSection
from kensho.appliances.ovf.sections.parts import message, stated
from kensho.appliances.ovf.sections.references import File, References
from kensho.appliances.ovf.sections.startup import StartupSection
from kensho.appliances.ovf.write_dialects.base import Dialect
from kensho.appliances.ovf.write_dialects.portable import PORTABLE
from kensho.appliances.ovf.write_hardware import hardware
from kensho.appliances.ovf.write_sections import (
    annotation,
    eula,
    operating_system,
    product,
    startup,
)
from kensho.appliances.package import Digest, Document, PlacedDisk
from kensho.model.appliance import Appliance, Network
from kensho.model.errors import LimitError, UnsupportedError
from kensho.model.machine import Eula, Machine, Product

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
    content = _single if len(machines) == 1 else _collection
    references, section, disk_ids = _files_and_disks(appliance, disks)
    envelope = Envelope(
        references=references,
        sections=(section, _networks(appliance, dialect)),
        contents=(content(appliance, disk_ids, dialect),),
        language="en-US",
    )
    text = etree.tostring(write_envelope(envelope, 1), encoding="unicode")
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


def _files_and_disks(
    appliance: Appliance, disks: Mapping[str, PlacedDisk]
) -> tuple[References, DiskSection, dict[str, str]]:
    """Return the files, the disks, and the ovf:diskId of every image in use."""
    files: list[File] = []
    listed: dict[str, Disk] = {}  # by image
    for number, disk in enumerate(_in_order(appliance, disks), start=1):
        uri = _FORMAT_URI.get(disk.subformat) if disk.format == "vmdk" else None
        if uri is None:
            raise UnsupportedError(
                f"OVF has no name for {disk.format} {disk.subformat}", field=disk.image
            )
        files.append(File(id=f"file{number}", href=disk.filename, size=disk.file_size))
        # Bytes, without units: VirtualBox takes the number for bytes whatever the unit says.
        listed[disk.image] = Disk(
            disk_id=f"vmdisk{number}",
            file_ref=f"file{number}",
            capacity=str(disk.virtual_size),
            format=uri,
            populated_size=disk.data_size,
        )
    for machine in appliance.machines:
        for drive in machine.disks:
            if drive.image not in listed:
                listed[drive.image] = _blank(appliance, drive.image, f"vmdisk{len(listed) + 1}")
    section = DiskSection(info=message("Virtual disk information"), disks=tuple(listed.values()))
    ids = {image: disk.disk_id for image, disk in listed.items()}
    return References(files=tuple(files)), section, ids


def _blank(appliance: Appliance, image_id: str, disk_id: str) -> Disk:
    image = appliance.image(image_id)
    if image is None or image.capacity is None:
        raise UnsupportedError("a disk that was not placed and has no size", field=image_id)
    uri = _FORMAT_URI["streamOptimized"]
    return Disk(disk_id=disk_id, capacity=str(image.capacity), format=uri)


def _networks(appliance: Appliance, dialect: Dialect) -> NetworkSection:
    """Return all networks, those only an adapter names included."""
    networks = {network.name: network for network in appliance.networks if network.name}
    for machine in appliance.machines:
        for nic in machine.nics:
            name = nic.network or dialect.network
            networks.setdefault(name, Network(name))
    return NetworkSection(
        info=message("The list of logical networks"),
        networks=tuple(
            SectionNetwork(name=n.name, description=stated(n.description))
            for n in networks.values()
        ),
        unknown=() if appliance.origin is None else (write_origin(appliance.origin),),
    )


def _single(appliance: Appliance, disk_ids: Mapping[str, str], dialect: Dialect) -> VirtualSystem:
    """Return the only machine; it takes what is said of the appliance as a whole."""
    machine = appliance.machines[0]
    products = dict.fromkeys((*machine.products, *appliance.products))
    eulas = dict.fromkeys((*machine.eulas, *appliance.eulas))
    texts = _texts(products, eulas, machine.annotation or appliance.annotation)
    return _system(machine, dns_name(machine.name), disk_ids, dialect, texts)


def _collection(
    appliance: Appliance, disk_ids: Mapping[str, str], dialect: Dialect
) -> VirtualSystemCollection:
    taken: set[str] = set()
    ident = unique(dns_name(appliance.name), taken)
    idents = {m.id: unique(dns_name(m.name), taken) for m in appliance.machines}
    order = startup(appliance.start_order, idents)
    return VirtualSystemCollection(
        id=ident,
        info=message("A collection of virtual machines"),
        name=message(appliance.name),
        sections=_texts(appliance.products, appliance.eulas, appliance.annotation, order),
        contents=tuple(
            _system(m, idents[m.id], disk_ids, dialect, _texts(m.products, m.eulas, m.annotation))
            for m in appliance.machines
        ),
    )


def _texts(
    products: Iterable[Product],
    eulas: Iterable[Eula],
    note: str,
    order: Iterable[StartupSection] = (),
) -> tuple[AnySection, ...]:
    return (*map(product, products), *order, *map(eula, eulas), *annotation(note))


def _system(
    machine: Machine,
    ident: str,
    disk_ids: Mapping[str, str],
    dialect: Dialect,
    texts: tuple[AnySection, ...],
) -> VirtualSystem:
    return VirtualSystem(
        id=ident,
        info=message("A virtual machine"),
        name=message(machine.name),
        sections=(
            operating_system(machine.guest, dialect),
            hardware(machine, ident, disk_ids, dialect),
            *texts,
        ),
    )
