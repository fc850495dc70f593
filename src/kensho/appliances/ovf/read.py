"""Read an OVF envelope: DSP0243 §7 to §10, versions 0.9 to 2.1 and the dialects in the field.

Elements are told apart by local name, see ``elements``; what has no place in the neutral model
is kept as `Extra`, word for word, and a finding says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import msgspec
from lxml import etree

from kensho.appliances.ovf.dialects import ovirt
from kensho.appliances.ovf.drives import Content, ImageInfo
from kensho.appliances.ovf.elements import (
    Notes,
    attribute,
    attributes,
    children,
    extra,
    is_true,
    section_kind,
)
from kensho.appliances.ovf.items import choose_configuration
from kensho.appliances.ovf.machine import Shared, note_unknown, read_machine
from kensho.appliances.ovf.products import (
    Texts,
    default_values,
    read_eula,
    read_product,
    read_texts,
)
from kensho.appliances.ovf.quantities import read_capacity, to_int
from kensho.appliances.ovf.startup import read_start_order
from kensho.model.appliance import Appliance, DiskImage, File, Network
from kensho.model.finding import Finding, Severity
from kensho.model.machine import Disk, Eula, Extra, Machine, Product

_SYSTEM = "VirtualSystem"
_COLLECTION = "VirtualSystemCollection"
_MAX_NESTING = 64
_PLAIN = frozenset({"Info", "Name", "Strings", "References"})
_READ = frozenset(
    {
        *("DiskSection", "NetworkSection", "ProductSection", "EulaSection", "AnnotationSection"),
        *("StartupSection", _SYSTEM, _COLLECTION),
    }
)
#: DSP0243's own attributes of a Disk, and oVirt's that are read.
_DISK_ATTRIBUTES = frozenset(
    {
        *("diskId", "fileRef", "capacity", "capacityAllocationUnits", "format", "parentRef"),
        *("populatedSize", "size", "boot", "disk-interface", "isBootable"),
    }
)


@dataclass(slots=True)
class _Found:
    """What the sections around the machines hold."""

    systems: list[etree._Element] = field(default_factory=list)
    products: list[Product] = field(default_factory=list)
    eulas: list[Eula] = field(default_factory=list)
    annotations: list[str] = field(default_factory=list)
    extras: list[Extra] = field(default_factory=list)


def read_envelope(
    root: etree._Element, *, path: str, fallback: str
) -> tuple[Appliance, tuple[Finding, ...]]:
    """Read the appliance below an Envelope; ``fallback`` is its name if it has none."""
    notes = Notes(path)
    texts = read_texts(root, notes)
    configuration = choose_configuration(root, notes)
    found = _Found()
    _walk(root, "Envelope", found, configuration, texts, notes)
    properties = default_values(tuple(found.products))
    files = _read_files(root, notes)
    images, infos = _read_disks(root, files, _all_properties(found, configuration, texts), notes)
    networks = _read_networks(root, texts)
    by_name = {f.href: f.id for f in files} | {f.id: f.id for f in files}
    content = Content({i.id: i for i in images}, infos, by_name)
    shared = Shared(content, properties, texts, configuration)
    machines: list[Machine] = []
    for system in found.systems:
        machine, own_images = read_machine(system, shared, notes)
        machines.append(_with_unique_id(machine, machines, notes))
        images.extend(i for i in own_images if i.id not in {known.id for known in images})
    if not machines:
        notes.add(
            "KF-110",
            Severity.ERROR,
            "no virtual machine is in the package",
            action="there is nothing to convert; check that the descriptor is complete",
        )
    networks = _with_used_networks(networks, machines, notes)
    _note_unused_disks(images, machines, notes)
    appliance = Appliance(
        name=_name(root, machines, texts) or fallback,
        machines=tuple(machines),
        images=tuple(images),
        files=tuple(files),
        networks=tuple(networks),
        products=tuple(found.products),
        eulas=tuple(found.eulas),
        start_order=read_start_order(root, machines, notes),
        annotation="\n\n".join(found.annotations),
        extras=(*found.extras, *_disk_extras(root)),
    )
    return appliance, tuple(notes.findings)


def _walk(
    parent: etree._Element,
    where: str,
    found: _Found,
    configuration: str | None,
    texts: Texts,
    notes: Notes,
    depth: int = 0,
) -> None:
    """Collect machines and sections of an envelope or collection, in document order."""
    for element in children(parent):
        kind = section_kind(element)
        if kind == _SYSTEM:
            found.systems.append(element)
        elif kind == _COLLECTION and depth < _MAX_NESTING:
            inner = f"{where}/{kind}[{attribute(element, 'id')}]"
            _walk(element, inner, found, configuration, texts, notes, depth + 1)
        elif kind == "ProductSection":
            found.products.append(read_product(element, configuration, texts))
        elif kind == "EulaSection":
            found.eulas.append(read_eula(element, texts))
        elif kind == "AnnotationSection":
            found.annotations.append(texts.of(element, "Annotation"))
        elif kind == "Strings":
            if attribute(element, "fileRef"):
                found.extras.append(extra(element, f"{where}/Strings"))
        elif kind not in _READ and kind not in _PLAIN:
            if kind != "DeploymentOptionSection":  # has a finding of its own
                note_unknown(element, kind, where, notes)
            found.extras.append(extra(element, f"{where}/{kind}"))


def _all_properties(found: _Found, configuration: str | None, texts: Texts) -> Mapping[str, str]:
    """Return the values of all properties; DSP0243 §9.1 lets a capacity refer to a machine's."""
    products = list(found.products)
    for system in found.systems:
        products.extend(
            read_product(section, configuration, texts)
            for section in children(system)
            if section_kind(section) == "ProductSection"
        )
    return default_values(tuple(products))


def _sections(root: etree._Element, kind: str) -> Iterator[etree._Element]:
    return (s for s in children(root) if section_kind(s) == kind)


def _read_files(root: etree._Element, notes: Notes) -> list[File]:
    files: list[File] = []
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
            if _is_duplicate(file_id, href, files, notes):
                continue
            chunk = to_int(attribute(element, "chunkSize"))
            size = to_int(attribute(element, "size"))
            files.append(
                File(
                    file_id,
                    href,
                    size if size is not None and 0 <= size < 1 << 63 else None,
                    attribute(element, "compression"),
                    chunk if chunk and chunk > 0 else None,
                )
            )
    return files


def _is_duplicate(file_id: str, href: str, files: list[File], notes: Notes) -> bool:
    if any(f.href == href for f in files):
        notes.add(
            "KF-204",
            Severity.WARNING,
            f"the file {href} is listed twice",
            subject=file_id,
            action="both entries mean the same file",
        )
    if any(f.id == file_id for f in files):
        notes.add(
            "KF-203",
            Severity.ERROR,
            f"two files have the id {file_id}",
            subject=file_id,
            action="the first one counts",
        )
        return True
    return False


def _read_disks(
    root: etree._Element, files: list[File], properties: Mapping[str, str], notes: Notes
) -> tuple[list[DiskImage], dict[str, ImageInfo]]:
    images: dict[str, DiskImage] = {}
    infos: dict[str, ImageInfo] = {}
    by_name = {f.href: f.id for f in files} | {f.id: f.id for f in files}
    for section in _sections(root, "DiskSection"):
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
            infos[disk_id] = ImageInfo(
                is_true(attribute(element, "isBootable") or attribute(element, "boot")),
                attribute(element, "disk-interface"),
            )
    return list(images.values()), infos


def _capacity(
    element: etree._Element, disk_id: str, properties: Mapping[str, str], notes: Notes
) -> int | None:
    stated = attribute(element, "capacity")
    if not stated and ovirt.is_ovirt_disk(element):
        return ovirt.capacity(element)
    units = attribute(element, "capacityAllocationUnits")
    return read_capacity(stated, units, properties, disk_id, notes)


def _disk_extras(root: etree._Element) -> list[Extra]:
    """Keep disks word for word that say more than the model holds."""
    kept = []
    for section in _sections(root, "DiskSection"):
        for element in children(section, "Disk"):
            more = {name for _, name, _ in attributes(element)} - _DISK_ATTRIBUTES
            if more or len(element):
                disk_id = attribute(element, "diskId")
                dialects = {d for d, name, _ in attributes(element) if name in more} - {"", "ovf"}
                kept.append(
                    msgspec.structs.replace(
                        extra(element, f"Envelope/DiskSection/Disk[{disk_id}]"),
                        dialect=min(dialects, default="ovf"),
                    )
                )
    return kept


def _read_networks(root: etree._Element, texts: Texts) -> list[Network]:
    networks: dict[str, Network] = {}
    for section in _sections(root, "NetworkSection"):
        for element in children(section, "Network"):
            name = attribute(element, "name")
            if name:
                networks.setdefault(name, Network(name, texts.of(element, "Description")))
    return list(networks.values())


def _with_used_networks(
    networks: list[Network], machines: list[Machine], notes: Notes
) -> list[Network]:
    known = {n.name for n in networks}
    result = list(networks)
    for machine in machines:
        for nic in machine.nics:
            if nic.network and nic.network not in known:
                notes.add(
                    "KF-117",
                    Severity.WARNING,
                    f"adapter {nic.id} is on the network {nic.network!r}, which is not listed",
                    subject=machine.id,
                    action="added to the networks",
                )
                known.add(nic.network)
                result.append(Network(nic.network))
    return result


def _note_unused_disks(images: list[DiskImage], machines: list[Machine], notes: Notes) -> None:
    used = {d.image for m in machines for d in m.drives if isinstance(d, Disk)}
    used |= {i.parent for i in images if i.parent is not None}
    media = {d.file for m in machines for d in m.drives if not isinstance(d, Disk)}
    for image in images:
        if image.id not in used and (image.file is None or image.file not in media):
            notes.add(
                "KF-126",
                Severity.NOTE,
                f"disk {image.id} belongs to no machine",
                subject=image.id,
                action="not converted",
            )


def _with_unique_id(machine: Machine, before: list[Machine], notes: Notes) -> Machine:
    taken = {m.id for m in before}
    if machine.id not in taken:
        return machine
    number = 2
    while f"{machine.id}-{number}" in taken:
        number += 1
    unique = f"{machine.id}-{number}"
    notes.add(
        "KF-131",
        Severity.WARNING,
        f"two machines have the id {machine.id}",
        subject=machine.id,
        action=f"the second one is called {unique}",
    )
    return msgspec.structs.replace(machine, id=unique)


def _name(root: etree._Element, machines: list[Machine], texts: Texts) -> str:
    for element in children(root):
        if section_kind(element) == _COLLECTION:
            return texts.of(element, "Name") or attribute(element, "id")
    own = texts.of(root, "Name") or attribute(root, "Name")
    return own or (machines[0].name if len(machines) == 1 else "")
