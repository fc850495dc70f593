"""The note of where a machine came from, inside an OVF descriptor.

An extension element that nobody is required to understand, the last child of the NetworkSection:
DSP0243 1.1 §7.3 allows it there, its schema has ``xs:any`` there (a section of one's own at the
envelope is allowed by the text and not by the schema), and importers look for ``Network`` only.
"""

from __future__ import annotations

from functools import partial

from lxml import etree

from kensho.appliances.ovf.elements import Notes, children
from kensho.appliances.ovf.sections.parts import LAST, OVF, Unknown
from kensho.model.appliance import Provenance
from kensho.model.origin import dump_origin, try_origin

ORIGIN_NS = "urn:kensho:origin:1"
_TAG = f"{{{ORIGIN_NS}}}Origin"


def write_origin(origin: Provenance) -> Unknown:
    """Return the element."""
    element = etree.Element(_TAG, nsmap={"kensho": ORIGIN_NS, "ovf": OVF})
    element.set(f"{{{OVF}}}required", "false")
    element.text = dump_origin(origin)
    return Unknown(etree.tostring(element, encoding="unicode"), LAST)


def read_origin(root: etree._Element, notes: Notes) -> Provenance | None:
    """Return the note of an envelope, None when it has none; a damaged one is a finding."""
    for section in children(root, "NetworkSection"):
        element = section.find(_TAG)
        if element is not None:
            origin, findings = try_origin(partial(_text, element), path=notes.path)
            notes.findings.update(dict.fromkeys(findings))
            return origin
    return None


def _text(element: etree._Element) -> str:
    return "".join(str(part) for part in element.itertext())
