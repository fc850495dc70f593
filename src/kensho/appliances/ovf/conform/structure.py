"""What an envelope must have and may not have, whatever the version: DSP8023."""

from __future__ import annotations

import msgspec
from lxml import etree

from kensho.appliances.names import dns_name
from kensho.appliances.ovf.conform.walk import changed
from kensho.appliances.ovf.elements import Notes, local
from kensho.appliances.ovf.envelope import Envelope
from kensho.appliances.ovf.sections.content import VirtualSystem, VirtualSystemCollection
from kensho.appliances.ovf.sections.deployment_option import DeploymentOptionSection
from kensho.appliances.ovf.sections.keeping import namespace_of, parse_kept
from kensho.appliances.ovf.sections.parts import (
    OVF,
    PREFIXES,
    Part,
    Unknown,
    message,
)
from kensho.appliances.ovf.sections.plan import plan_of
from kensho.model.finding import Severity

_XSI_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
#: Unknown XML has the document's own namespace as `OVF`; OVF 2's is that of extensions there.
_DMTF = frozenset({OVF, *PREFIXES.values()})
#: Names that the schemas have in other places; others in DMTF's namespaces are vendors' additions.
_GENERAL = frozenset({"Section", "Content", "Info", "Name", "License", "References", "Label"})


def with_structure(envelope: Envelope, notes: Notes) -> Envelope:
    """Return the model with one content, no empty choice, and nothing in the wrong place."""

    def change(part: Part) -> Part:
        if isinstance(part, (Envelope, VirtualSystem)):
            part = _without_empty_options(part, notes)
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


def _without_empty_options(part: Envelope | VirtualSystem, notes: Notes) -> Part:
    full = tuple(
        s
        for s in part.sections
        if not isinstance(s, DeploymentOptionSection) or s.configurations or s.unknown
    )
    if len(full) == len(part.sections):
        return part
    notes.add(
        "KF-729",
        Severity.NOTE,
        "a DeploymentOptionSection without a Configuration, which the schema does not allow",
        action="left out",
    )
    return msgspec.structs.replace(part, sections=full)


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
    if name in _GENERAL or name in plan_of(type(parent)).elements:
        notes.add(
            "KF-730",
            Severity.WARNING,
            f"{name} is where {type(parent).ELEMENT} cannot have it, or once too often",
            action="kept as a comment",
        )
        text = unknown.xml.replace(f' xmlns="{OVF}"', "").replace("--", "- -")
        return Unknown(f"<!-- {text} -->", unknown.after)
    return unknown
