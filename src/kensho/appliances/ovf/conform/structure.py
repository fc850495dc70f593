"""What an envelope must have and may not have, whatever the version: DSP8023."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping

import msgspec
from lxml import etree

from kensho.appliances.names import dns_name
from kensho.appliances.ovf.conform.walk import changed
from kensho.appliances.ovf.elements import Notes, local
from kensho.appliances.ovf.envelope import Envelope
from kensho.appliances.ovf.sections.content import (
    AnySection,
    VirtualSystem,
    VirtualSystemCollection,
)
from kensho.appliances.ovf.sections.deployment_option import DeploymentOptionSection
from kensho.appliances.ovf.sections.disks import SharedDiskSection
from kensho.appliances.ovf.sections.encryption import EncryptionSection
from kensho.appliances.ovf.sections.keeping import namespace_of, parse_kept
from kensho.appliances.ovf.sections.parts import (
    OVF,
    PREFIXES,
    Part,
    Unknown,
    message,
)
from kensho.appliances.ovf.sections.plan import plan_of
from kensho.appliances.ovf.sections.scale_out import ScaleOutSection
from kensho.appliances.ovf.sections.strings import Strings
from kensho.model.finding import Severity

_XSI_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
#: Unknown XML has the document's own namespace as `OVF`; OVF 2's is that of extensions there.
_DMTF = frozenset({OVF, *PREFIXES.values()})
#: What the schema wants at least one of.
_NEVER_EMPTY: Mapping[type[Part], str] = {
    DeploymentOptionSection: "configurations",
    EncryptionSection: "keys",
    ScaleOutSection: "counts",
    SharedDiskSection: "disks",
}
_LANGUAGE = re.compile(r"[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*")


def with_structure(envelope: Envelope, notes: Notes) -> Envelope:
    """Return the model with one content, no empty choice, and nothing in the wrong place."""

    def change(part: Part) -> Part:
        if isinstance(part, (Envelope, VirtualSystem)):
            part = _without_empty(part, notes)
        if isinstance(part, (Envelope, Strings)) and not _LANGUAGE.fullmatch(part.language or "x"):
            part = _without_language(part, notes)
        if part.unknown:
            part = msgspec.structs.replace(
                part, unknown=tuple(_allowed(u, part, notes) for u in part.unknown)
            )
        return part

    return _with_one_content(changed(envelope, change), notes)


def _with_one_content(envelope: Envelope, notes: Notes) -> Envelope:
    """Put several machines side by side, which VirtualBox writes, into a collection."""
    if len(envelope.contents) == 1:
        return envelope
    name = envelope.contents[0].id if envelope.contents else "empty"
    notes.add(
        "KF-728",
        Severity.WARNING,
        f"the envelope has {len(envelope.contents)} machines or collections side by side; "
        "the schema has one",
        action="put into a collection",
    )
    collection = VirtualSystemCollection(
        info=message("A collection of virtual machines"),
        id=dns_name(f"{name}-collection"),
        contents=envelope.contents,
    )
    places = {f"{type(c).ELEMENT}[" for c in envelope.contents}
    # What stood after one of the machines still does, now inside the collection.
    inner = tuple(u for u in envelope.unknown if any(map(u.after.startswith, places)))
    return msgspec.structs.replace(
        envelope,
        contents=(msgspec.structs.replace(collection, unknown=inner),),
        unknown=tuple(u for u in envelope.unknown if u not in inner),
    )


def _without_empty(part: Envelope | VirtualSystem, notes: Notes) -> Part:
    full: list[AnySection] = []
    for section in part.sections:
        content = _NEVER_EMPTY.get(type(section))
        if content is None or getattr(section, content):
            full.append(section)
            continue
        notes.add(
            "KF-729",
            Severity.NOTE,
            f"an empty {type(section).ELEMENT}, which the schema does not allow",
            action="left out",
        )
    if len(full) == len(part.sections):
        return part
    return msgspec.structs.replace(part, sections=tuple(full))


def _without_language(part: Envelope | Strings, notes: Notes) -> Part:
    notes.add(
        "KF-721",
        Severity.WARNING,
        f"{type(part).ELEMENT}@xml:lang is {part.language[:200]!r}, which is no language",
        action="left out",
    )
    return msgspec.structs.replace(part, language="")


@functools.cache
def _names(cls: type[Part]) -> frozenset[str]:
    """Return the names of all elements that may be somewhere in a ``cls``.

    Other names in DMTF's namespaces are vendors' additions, which stay.
    """
    found: set[str] = set()
    waiting = [cls]
    seen = set(waiting)
    while waiting:
        plan = plan_of(waiting.pop())
        found.update(plan.elements)
        below = {part for slot in plan.slots for part in slot.parts.values()} - seen
        seen |= below
        waiting.extend(below)
    return frozenset(found)


def _allowed(unknown: Unknown, parent: Part, notes: Notes) -> Unknown:
    """Return unknown XML as the schema bears it.

    ``<Section xsi:type="vmw:X_Type">`` of OVF 0.9 is ``<vmw:X>`` now; an element that the schema
    knows and does not have here becomes a comment.
    """
    node = parse_kept(unknown.xml)
    if not isinstance(node.tag, str) or namespace_of(node) not in _DMTF:
        return unknown
    name = local(node)
    prefix, _, kind = str(node.get(_XSI_TYPE, "")).rpartition(":")
    namespace = node.nsmap.get(prefix)
    if name in {"Section", "Content"} and namespace and namespace not in _DMTF:
        del node.attrib[_XSI_TYPE]
        node.tag = f"{{{namespace}}}{kind.removesuffix('_Type')}"
        return Unknown(etree.tostring(node, encoding="unicode", with_tail=False), unknown.after)
    if name in {"Section", "Content"} or name in _names(Envelope):
        notes.add(
            "KF-730",
            Severity.WARNING,
            f"{name} is where {type(parent).ELEMENT} cannot have it, or once too often",
            action="kept as a comment",
        )
        text = unknown.xml.replace(f' xmlns="{OVF}"', "").replace("--", "- -")
        return Unknown(f"<!-- {text} -->", unknown.after)
    return unknown
