"""Sections that only OVF 2 has: DSP0243 2.1 §9.11 to §9.16.

VMware puts them into envelopes of OVF 1 as extensions that nobody has to understand, in OVF 2's
namespace: written like that nothing gets lost, and turning the package back into OVF 2 finds them.
"""

from __future__ import annotations

from typing import Any

import msgspec
from lxml import etree

from kensho.appliances.ovf.conform.walk import changed, placed
from kensho.appliances.ovf.elements import Notes, local, serialise
from kensho.appliances.ovf.envelope import Envelope
from kensho.appliances.ovf.sections.content import AnySection, VirtualSystem
from kensho.appliances.ovf.sections.disks import Disk, DiskSection, SharedDiskSection
from kensho.appliances.ovf.sections.encryption import EncryptionSection
from kensho.appliances.ovf.sections.keeping import namespace_of, parse_kept
from kensho.appliances.ovf.sections.parts import (
    OVF_NAMESPACES,
    Part,
    Section,
    Unknown,
    Version,
    message,
)
from kensho.appliances.ovf.sections.plan import plan_of
from kensho.appliances.ovf.sections.reading import read_part
from kensho.appliances.ovf.sections.writing import write_part
from kensho.model.errors import UnsupportedError
from kensho.model.finding import Severity

_OVF_1, _OVF_2 = OVF_NAMESPACES[1], OVF_NAMESPACES[2]


def with_sections_of(envelope: Envelope, version: Version, notes: Notes) -> Envelope:
    """Return the model with 2.x-only sections as extensions for 1, and as sections for 2."""

    def change(part: Part) -> Part:
        if isinstance(part, (Envelope, VirtualSystem)):
            return _extensions(part, notes) if version == 1 else _native(part)
        return part

    return changed(_with_plain_disks(envelope, notes) if version == 1 else envelope, change)


def _with_plain_disks(envelope: Envelope, notes: Notes) -> Envelope:
    """Move shared disks to the DiskSection: items name them in the same way."""
    shared = [s for s in envelope.sections if isinstance(s, SharedDiskSection)]
    if not shared:
        return envelope
    fields = Disk.__struct_fields__
    disks = tuple(
        Disk(**{f: getattr(disk, f) for f in fields})
        for section in shared
        for disk in section.disks
    )
    for disk in disks:
        notes.add(
            "KF-731",
            Severity.WARNING,
            f"disk {disk.disk_id} is shared between machines, which OVF 1 cannot say",
            subject=disk.disk_id,
            action="written as a plain disk",
        )
    sections: list[AnySection] = []
    for section in envelope.sections:
        if isinstance(section, DiskSection) and disks:
            sections.append(msgspec.structs.replace(section, disks=(*section.disks, *disks)))
            disks = ()
        elif not isinstance(section, SharedDiskSection):
            sections.append(section)
    if disks:
        sections.insert(0, DiskSection(info=message("Virtual disks"), disks=disks))
    return msgspec.structs.replace(envelope, sections=tuple(sections))


def _extensions(part: Envelope | VirtualSystem, notes: Notes) -> Part:
    if not any(section.ONLY_2 for section in part.sections):
        return part
    waiting: dict[str, list[str]] = {}
    for unknown in part.unknown:
        waiting.setdefault(unknown.after, []).append(unknown.xml)
    before = "References[1]" if isinstance(part, Envelope) else "Info[1]"
    before = "Name[1]" if getattr(part, "name", None) is not None else before
    kept: list[AnySection] = []
    for place, section in placed(part.sections):
        assert isinstance(section, Section)
        if not section.ONLY_2:
            kept.append(section)  # type: ignore[arg-type]
            before = place
            continue
        if isinstance(section, EncryptionSection):
            raise UnsupportedError(
                "files of the package are encrypted, which OVF 1 cannot say",
                path=notes.path,
                field="EncryptionSection",
                hint="decrypt the package first: kensho decrypt",
            )
        name = type(section).ELEMENT
        notes.add(
            "KF-732",
            Severity.WARNING,
            f"OVF 1 has no {name}",
            subject=str(getattr(section, "id", "")),
            action="kept as an extension that nobody has to understand",
        )
        here = waiting.setdefault(before, [])
        here.append(_extension(section))
        here.extend(waiting.pop(place, ()))
    return msgspec.structs.replace(
        part,
        sections=tuple(kept),
        unknown=tuple(Unknown(xml, after) for after, texts in waiting.items() for xml in texts),
    )


def _extension(section: Section) -> str:
    """Return a section of OVF 2 for an envelope of OVF 1, spelled as VMware spells it."""
    element = write_part(msgspec.structs.replace(section, required=True), 2)
    root = _restated(element)
    root.set(f"{{{_OVF_1}}}required", "false")
    return serialise(root)


def _restated(element: etree._Element) -> etree._Element:
    """Return the element with OVF 2's namespace called ``ovf2``."""
    prefixes: dict[Any, str] = {p: u for p, u in element.nsmap.items() if u != _OVF_2}
    copy = etree.Element(str(element.tag), nsmap={"ovf2": _OVF_2, "ovf": _OVF_1, **prefixes})
    for key, value in element.attrib.items():
        copy.set(str(key), str(value))
    copy.text, copy.tail = element.text, element.tail
    for child in element:
        copy.append(_restated(child) if isinstance(child.tag, str) else child)
    return copy


def _native(part: Envelope | VirtualSystem) -> Part:
    """Read extensions that are sections of OVF 2 as what they are."""
    classes = plan_of(type(part)).elements["EulaSection"].parts
    sections = list(part.sections)
    rest: list[Unknown] = []
    for unknown in part.unknown:
        node = parse_kept(unknown.xml)
        cls = classes.get(local(node)) if namespace_of(node) == _OVF_2 else None
        if cls is None:
            rest.append(unknown)
            continue
        places = [place for place, _ in placed(sections)]
        index = places.index(unknown.after) + 1 if unknown.after in places else len(sections)
        sections.insert(index, read_part(cls, node))  # type: ignore[arg-type]
    if len(rest) == len(part.unknown):
        return part
    return msgspec.structs.replace(part, sections=tuple(sections), unknown=tuple(rest))
