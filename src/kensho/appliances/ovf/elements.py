"""Looking into OVF's XML by local names, whatever prefix or namespace the exporter chose.

DSP0243 fixes the namespace; the field has 0.9's, 1's, 1's with a slash (oVirt), 2's, none (IBM),
and prefixes that were never declared. What tells elements apart is therefore their local name, and
for vendor elements the dialect of their namespace.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from lxml import etree

from kensho.model.errors import LimitError
from kensho.model.finding import Finding, Severity
from kensho.model.machine import Extra

#: Namespaces by what they start with; the values are the dialects' usual prefixes.
_DIALECTS = (
    ("http://www.vmware.com/schema/ovf/1/envelope", "ovf"),
    ("http://www.vmware.com/schema/ovf", "vmw"),
    ("http://www.vmware.com/vcloud", "vcloud"),
    ("http://www.virtualbox.org/ovf", "vbox"),
    ("http://schemas.citrix.com/ovf", "xenovf"),
    ("http://www.citrix.com/xenclient", "xenclient"),
    ("http://schemas.dmtf.org/ovf", "ovf"),
    ("http://schemas.dmtf.org/wbem", "cim"),
    ("http://www.ovirt.org/ovf", "ovirt"),
    ("http://ganeti", "gnt"),
    ("ibmpvc", "ibmpvc"),
)
MAX_KEPT = 64 * 1024 * 1024
_XSI_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
_PREFIX = re.compile(r"[A-Za-z_][\w.-]*")


@dataclass(slots=True)
class Notes:
    """What was noticed while reading one document; the only thing a reader changes."""

    path: str
    findings: dict[Finding, None] = field(default_factory=dict)  #: each once, in order
    kept: int = 0  #: characters of XML kept word for word

    def add(
        self, code: str, severity: Severity, message: str, *, subject: str = "", action: str = ""
    ) -> None:
        """Add a finding about ``subject``, by default the document, unless it is there already."""
        self.findings[Finding(code, severity, message, subject or self.path, action)] = None


def local(element: etree._Element) -> str:
    """Return the name without namespace and prefix; empty for comments and the like."""
    return _local(_tag(element))


def dialect(element: etree._Element) -> str:
    """Return who understands the element: ``ovf``, ``vmw``, … or its own prefix."""
    tag = _tag(element)
    return _dialect(tag, element.prefix) if tag else ""


def children(element: etree._Element | None, *names: str) -> Iterator[etree._Element]:
    """Yield the child elements with one of these local names, all of them without names."""
    if element is None:
        return
    for child in element:
        name = local(child)
        if name and (not names or name in names):
            yield child


def child(element: etree._Element | None, *names: str) -> etree._Element | None:
    """Return the first such child."""
    return next(children(element, *names), None)


def text(element: etree._Element | None, *names: str) -> str:
    """Return the stripped text of the first such child, or of the element without names."""
    if element is None:
        return ""
    found = child(element, *names) if names else element
    return "" if found is None else "".join(str(t) for t in found.itertext()).strip()


def attribute(element: etree._Element | None, name: str) -> str:
    """Return the attribute with that local name, stripped; empty when there is none."""
    if element is None:
        return ""
    for key, value in element.attrib.items():
        if _local(str(key)) == name:
            return str(value).strip()
    return ""


def attributes(element: etree._Element) -> Iterator[tuple[str, str, str]]:
    """Yield each attribute as (dialect, local name, value)."""
    for key, value in element.attrib.items():
        name = str(key)
        yield (_dialect(name, None) if "}" in name or ":" in name else ""), _local(name), str(value)


def section_kind(element: etree._Element) -> str:
    """Return what a section is: its name, or its xsi:type where 0.9 and oVirt put it.

    ``<Section xsi:type="ovf:DiskSection_Type">`` and ``<DiskSection>`` are both ``DiskSection``.
    """
    name = local(element)
    if name not in {"Section", "Content"}:
        return name
    kind = element.get(_XSI_TYPE) or attribute(element, "type")
    if not kind and attribute(element, "name").endswith("_Type"):
        kind = attribute(element, "name")  # drafts before 0.9
    return kind.rpartition(":")[2].removesuffix("_Type").strip() or name


def is_true(value: str) -> bool:
    """Read an xs:boolean, and the capital letters some write it with."""
    return value.strip().lower() in {"true", "1", "yes", "on"}


def required(element: etree._Element) -> bool:
    """Tell whether a reader must understand the element (ovf:required, true by default)."""
    return attribute(element, "required").lower() not in {"false", "0"}


def extra(element: etree._Element, where: str, notes: Notes) -> Extra:
    """Keep an element word for word; LimitError when all that is kept gets too long."""
    text = serialise(element)
    # Every piece repeats the namespaces it is in, so a small document could become a huge one.
    notes.kept += len(text)
    if notes.kept > MAX_KEPT:
        raise LimitError(f"more than {MAX_KEPT} characters of unknown XML", path=notes.path)
    return Extra(dialect(element), where, text)


def serialise(element: etree._Element) -> str:
    """Return the element as XML text with the namespace declarations it needs."""
    return etree.tostring(element, encoding="unicode", with_tail=False)


def _tag(element: etree._Element) -> str:
    tag: object = element.tag  # a function for comments and processing instructions
    return tag if isinstance(tag, str) else ""


def _local(name: str) -> str:
    return name.rpartition("}")[2].rpartition(":")[2]


def _dialect(name: str, prefix: str | None) -> str:
    if not name.startswith("{"):
        unbound = name.partition(":")[0] if ":" in name else ""
        return unbound or "ovf"
    uri = name[1:].partition("}")[0]
    for start, known in _DIALECTS:
        if uri.startswith(start):
            return known
    if prefix and _PREFIX.fullmatch(prefix):
        return prefix
    return uri
