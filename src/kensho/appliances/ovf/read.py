"""Read an OVF envelope: DSP0243 §7 to §10, versions 0.9 to 2.1 and the dialects in the field.

Elements are told apart by local name, see ``elements``; what has no place in the neutral model
is kept as `Extra`, word for word, and a finding says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec
from lxml import etree

from kensho.appliances.ovf.configurations import choose_configuration, read_configurations
from kensho.appliances.ovf.elements import (
    Notes,
    attribute,
    children,
    extra,
    local,
    section_kind,
)
from kensho.appliances.ovf.hardware import check_choice
from kensho.appliances.ovf.machine import Shared, note_unknown, read_machine
from kensho.appliances.ovf.origin import read_origin
from kensho.appliances.ovf.places import Content
from kensho.appliances.ovf.products import property_values, read_eula, read_product
from kensho.appliances.ovf.references import (
    read_disk_extras,
    read_disks,
    read_files,
    read_networks,
)
from kensho.appliances.ovf.startup import read_start_order
from kensho.appliances.ovf.texts import Load, Texts, read_texts
from kensho.model.appliance import Appliance, DiskImage, File, Network
from kensho.model.errors import LimitError
from kensho.model.finding import Finding, Severity
from kensho.model.machine import Disk, Eula, Extra, Machine, Product
from kensho.model.selection import Selection

_SYSTEM = "VirtualSystem"
_COLLECTION = "VirtualSystemCollection"
_MAX_NESTING = 64
#: Far more than any package has; without names, of all elements.
_MOST: Mapping[tuple[str, ...], int] = {
    (): 500_000,
    (_SYSTEM, "Content"): 2_000,
    ("File",): 10_000,
    ("Disk",): 10_000,
    ("Network",): 10_000,
    ("Item", "StorageItem", "EthernetPortItem"): 20_000,
}
_PLAIN = frozenset({"Info", "Name", "Strings", "References"})
_READ = frozenset(
    {
        *("DiskSection", "NetworkSection", "ProductSection", "EulaSection", "AnnotationSection"),
        *("StartupSection", _SYSTEM, _COLLECTION),
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
    root: etree._Element,
    selection: Selection,
    *,
    path: str,
    fallback: str,
    load: Load | None = None,
) -> tuple[Appliance, tuple[Finding, ...]]:
    """Read the appliance below an Envelope; ``fallback`` is its name if it has none.

    ``load`` reads a file of the package by its name, for message bundles. UsageError when
    ``selection`` names what is not there.
    """
    notes = Notes(path)
    _check_counts(root, path)
    files = read_files(root, notes)
    texts = read_texts(root, selection.locale, _by_id(load, files), notes)
    configurations = read_configurations(root, texts)
    configuration = choose_configuration(configurations, selection.configuration, notes)
    found = _Found()
    _walk(root, "Envelope", found, configuration, texts, notes)
    check_choice(found.systems, selection, path)
    chosen = dict(selection.properties)
    properties = property_values(tuple(found.products), chosen)
    everything = _all_products(found, configuration, texts)
    listed, infos = read_disks(root, files, property_values(everything, chosen), notes)
    images = {i.id: i for i in listed}
    networks = read_networks(root, texts)
    by_name = {f.href: f.id for f in files} | {f.id: f.id for f in files}
    content = Content(dict(images), infos, by_name)
    shared = Shared(content, properties, texts, configuration, selection)
    machines: list[Machine] = []
    for system in found.systems:
        machine, own_images = read_machine(system, shared, notes)
        machines.append(_with_unique_id(machine, machines, notes))
        images.update({i.id: i for i in own_images if i.id not in images})
    if not machines:
        notes.add(
            "KF-110",
            Severity.ERROR,
            "no virtual machine is in the package",
            action="there is nothing to convert; check that the descriptor is complete",
        )
    networks = _with_used_networks(networks, machines, notes)
    _note_unused_disks(list(images.values()), machines, notes)
    appliance = Appliance(
        name=_name(root, machines, texts) or fallback,
        machines=tuple(machines),
        images=tuple(images.values()),
        files=tuple(files),
        networks=tuple(networks),
        products=tuple(found.products),
        eulas=tuple(found.eulas),
        start_order=read_start_order(root, machines, notes),
        annotation="\n\n".join(found.annotations),
        configurations=configurations,
        configuration=configuration,
        languages=texts.languages,
        extras=(*found.extras, *read_disk_extras(root, notes)),
        origin=read_origin(root, notes),
    )
    return appliance, tuple(notes.findings)


def _check_counts(root: etree._Element, path: str) -> None:
    counts = Counter(local(element) for element in root.iter())
    for names, most in _MOST.items():
        count = sum(counts[name] for name in names) if names else counts.total()
        if count > most:
            what = " and ".join(names) or "XML"
            raise LimitError(f"{count} {what} elements; at most {most} are read", path=path)


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
                found.extras.append(extra(element, f"{where}/Strings", notes))
        elif kind not in _READ and kind not in _PLAIN:
            if kind != "DeploymentOptionSection":  # has a finding of its own
                note_unknown(element, kind, where, notes)
            found.extras.append(extra(element, f"{where}/{kind}", notes))


def _by_id(load: Load | None, files: list[File]) -> Load | None:
    """Return what loads a file by its id, or by its name where somebody wrote that."""
    hrefs = {file.id: file.href for file in files}
    return None if load is None else lambda reference: load(hrefs.get(reference, reference))


def _all_products(found: _Found, configuration: str | None, texts: Texts) -> tuple[Product, ...]:
    """Return all products; DSP0243 §9.1 lets a capacity refer to a machine's property."""
    products = list(found.products)
    for system in found.systems:
        products.extend(
            read_product(section, configuration, texts)
            for section in children(system)
            if section_kind(section) == "ProductSection"
        )
    return tuple(products)


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
