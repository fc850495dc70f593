"""Unknown XML as text that stands alone, and back."""

from __future__ import annotations

import copy
import functools
import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote

from lxml import etree

from kensho.appliances.ovf.elements import MAX_KEPT, Notes, serialise
from kensho.appliances.ovf.sections.parts import OVF, PREFIXES, RASD, VSSD
from kensho.appliances.ovf.write_xml import VBOX, VMW
from kensho.model.errors import LimitError

_NAME = re.compile(r"<[^\s/>]+")
_DECLARED = re.compile(r'(?:\sxmlns(?::[\w.-]+)?="[^"]*")+')
_ONE_DECLARED = re.compile(r'(\sxmlns(?::[\w.-]+)?=")([^"]*)"')
_UNDEFINED = re.compile(r"Namespace prefix (\S+) .*not defined")
_LEAST_COST = 2048  #: of one piece, in characters: many small ones take time, not memory
_MOST_UNBOUND = 100
_LONGEST_NAME = 1000
_USUAL = {
    "ovf": OVF,
    "rasd": RASD,
    "vssd": VSSD,
    "vmw": VMW,
    "vbox": VBOX,
    "xsi": "http://www.w3.org/2001/XMLSchema-instance",
}
_ESCAPES = str.maketrans(
    {
        "&": "&amp;",
        "<": "&lt;",
        ">": "&gt;",
        '"': "&quot;",
        "\t": "&#9;",
        "\n": "&#10;",
        "\r": "&#13;",
    }
)
_PREFIXED = re.compile(r"([A-Za-z_][\w.-]*):[A-Za-z_]")


def keep(node: etree._Element, own: str, notes: Notes) -> str:
    """Return ``node`` as text with the namespaces it uses, those in its values included.

    ``own`` is the namespace of the document's envelope, written as `OVF`. LimitError when all
    that a document keeps gets too long.
    """
    text = _alone(node, own) if isinstance(node.tag, str) else serialise(node)
    notes.kept += max(len(text), _LEAST_COST)
    if notes.kept > MAX_KEPT:
        raise LimitError(
            f"more unknown XML than {MAX_KEPT} characters or {MAX_KEPT // _LEAST_COST} pieces",
            path=notes.path,
        )
    return text


def _alone(node: etree._Element, own: str) -> str:
    # A copy declares what its names use. All that is in scope would make a small document huge.
    text = _bound(serialise(copy.deepcopy(node)))
    in_values = {p: uri for p, uri in _in_values(node).items() if f" xmlns:{p}=" not in text}
    text = renamed(_declaring(text, in_values), own, OVF)
    text = _ONE_DECLARED.sub(lambda m: f'{m[1]}{valid_namespace(m[2])}"', text)
    element = parse_kept(text)
    if None not in element.nsmap and not all(map(namespace_of, element.iter(etree.Element))):
        # Without a namespace means OVF's, see `elements.dialect`.
        element = parse_kept(_declaring(text, {"": OVF}))
    # Call OVF's and CIM's namespaces what the writer calls them.
    holder = etree.Element("_", nsmap={None: OVF, "ovf": OVF, **PREFIXES})  # type: ignore[dict-item]
    holder.append(element)
    element = parse_kept(serialise(element))
    etree.cleanup_namespaces(
        element, top_nsmap=hoisted(element), keep_ns_prefixes=sorted(_in_values(element))
    )
    return _DECLARED.sub(_sorted, serialise(element), count=1)


def _declaring(xml: str, namespaces: Mapping[str, str]) -> str:
    """Add namespace declarations to the first tag."""
    name = _NAME.match(xml)
    if not name or not namespaces:
        return xml
    declared = "".join(
        f' xmlns{":" if prefix else ""}{prefix}="{uri.translate(_ESCAPES)}"'
        for prefix, uri in sorted(namespaces.items())
    )
    return f"{name[0]}{declared}{xml[name.end() :]}"


def _sorted(declarations: re.Match[str]) -> str:
    """Return namespace declarations in an order that does not depend on what is around."""
    return "".join(sorted(re.findall(r'\sxmlns(?::[\w.-]+)?="[^"]*"', declarations[0])))


def namespace_of(element: etree._Element) -> str:
    """Return the namespace of an element, empty for none and for prefixes never declared."""
    tag = str(element.tag)
    return tag[1:].rpartition("}")[0] if tag.startswith("{") else ""


def unbound(prefix: str) -> str:
    """Return the namespace that a prefix without a declaration gets: the usual one if known."""
    return _USUAL.get(prefix, f"urn:undeclared:{quote(prefix)}")


@functools.lru_cache(maxsize=1000)
def valid_namespace(uri: str) -> str:
    """Return ``uri``, or one that can be written in place of what is none."""
    if not uri:
        return uri
    try:
        etree.Element("x", nsmap={"x": uri})
    except ValueError:
        return f"urn:undeclared:{quote(uri, safe='')}"
    return uri


def _bound(xml: str) -> str:
    """Declare the prefixes that the document uses and never declared."""
    prefixes: set[str] = set()
    for _ in range(_MOST_UNBOUND):
        text = _declaring(xml, {p: unbound(p) for p in prefixes})
        parser = etree.XMLParser(resolve_entities=False, no_network=True)
        try:
            etree.fromstring(text, parser)
        except etree.XMLSyntaxError:
            found = {m[1] for e in parser.error_log if (m := _UNDEFINED.match(e.message))}
            if not found - prefixes:
                return text
            prefixes |= found
        else:
            return text
    return xml


def restore(xml: str, own: str) -> etree._Element:
    """Return the node that ``xml`` is, with `OVF` replaced by the namespace ``own``."""
    return parse_kept(renamed(xml, OVF, own))


def parse_kept(xml: str) -> etree._Element:
    """Parse one element, comment or instruction. Prefixes that are not declared stay so."""
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, recover=True, strip_cdata=False
    )
    return etree.fromstring(f"<_>{xml}</_>", parser)[0]


def renamed(xml: str, old: str, new: str) -> str:
    """Replace the namespace ``old`` where it is declared."""
    if old == new or not old:
        return xml
    return re.sub(rf'(\sxmlns(?::[\w.-]+)?="){re.escape(old)}"', rf'\g<1>{new}"', xml)


def hoisted(element: etree._Element) -> dict[str, str]:
    """Return the namespaces that have one prefix everywhere below, to be declared once.

    CIM's come first, in one order whatever the document begins with.
    """
    prefixes: dict[str, set[str | None]] = {}
    for node in element.iter(etree.Element):
        for prefix, uri in node.nsmap.items():
            prefixes.setdefault(uri, set()).add(prefix)
    once = {
        prefix: uri
        for uri, found in prefixes.items()
        if len(found) == 1 and (prefix := min(found, key=str)) and valid_namespace(uri) == uri
    }
    return {prefix: once[prefix] for prefix in (*PREFIXES, *once) if prefix in once}


def used_prefixes(element: etree._Element) -> set[str]:
    """Return the declared prefixes that attribute values and texts begin with, like xsi:type's."""
    return set(_in_values(element))


def _in_values(element: etree._Element) -> dict[str, str]:
    found: dict[str, str] = {}
    for node in element.iter(etree.Element):
        texts: Iterable[object] = (*node.attrib.values(), node.text or "")
        words = {p for t in texts for p in _PREFIXED.findall(str(t)[:_LONGEST_NAME])}
        if words:
            found.update((p, uri) for p, uri in node.nsmap.items() if p and p in words)
    return found
