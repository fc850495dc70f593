"""The environment as XML: DSP8027 1.0.0, as guests read it from a CD-ROM or from VMware's tools.

The attributes carry the namespace, as the schema demands (attributeFormDefault is qualified).
"""

from __future__ import annotations

from lxml import etree

from kensho.appliances.ovfenv.environment import Environment, Pairs, PlatformFacts

NAMESPACE = "http://schemas.dmtf.org/ovf/environment/1"
_OE = f"{{{NAMESPACE}}}"
_NAMESPACES: dict[str | None, str] = {None: NAMESPACE, "oe": NAMESPACE}
FILE_NAME = "ovf-env.xml"  #: DSP0243 §11.2
#: Label of the CD-ROM: what vSphere calls it, and what cloud-init and others look for.
VOLUME = "OVF ENV"


def render_xml(environment: Environment) -> bytes:
    """Return the document: UTF-8, indented by two. Characters that XML has not become U+FFFD."""
    root = etree.Element(f"{_OE}Environment", nsmap=_NAMESPACES)  # type: ignore[arg-type]
    root.set(f"{_OE}id", _clean(environment.machine))
    _add_platform(root, environment.platform)
    _add_properties(root, environment.properties)
    for ident, pairs in environment.siblings:
        entity = etree.SubElement(root, f"{_OE}Entity")
        entity.set(f"{_OE}id", _clean(ident))
        _add_properties(entity, pairs)
    etree.indent(root, space="  ")
    text = etree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'.encode()


def _add_platform(root: etree._Element, platform: PlatformFacts) -> None:
    section = etree.SubElement(root, f"{_OE}PlatformSection")
    for name, text in (
        ("Kind", platform.kind),
        ("Version", platform.version),
        ("Vendor", platform.vendor),
        ("Locale", platform.locale),
    ):
        if text:
            etree.SubElement(section, f"{_OE}{name}").text = _clean(text)


def _add_properties(parent: etree._Element, pairs: Pairs) -> None:
    section = etree.SubElement(parent, f"{_OE}PropertySection")
    for key, value in pairs:
        element = etree.SubElement(section, f"{_OE}Property")
        element.set(f"{_OE}key", _clean(key))
        element.set(f"{_OE}value", _clean(value))


def _clean(text: str) -> str:
    return "".join(c if _is_xml(c) else "\ufffd" for c in text)


def _is_xml(char: str) -> bool:
    """Tell whether XML 1.0 has the character (§2.2, production Char)."""
    if char < " ":
        return char in "\t\n\r"
    return not "\ud800" <= char <= "\udfff" and char not in "\ufffe\uffff"
