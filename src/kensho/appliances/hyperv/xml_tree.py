"""Hyper-V's XML configuration (up to Windows Server 2012 R2) as a tree of keys, and back.

Each element is a key, its attribute ``type`` says of which kind; without one it is a node. The file
is UTF-16 with a byte order mark. Source: configurations that Export-VM wrote, such as the template in
github.com/mwrock/packer-templates.
"""

from __future__ import annotations

import base64
import binascii

from lxml import etree

from kensho.appliances.hyperv.tree import Key, Value
from kensho.appliances.ovf.elements import children, is_true, local
from kensho.appliances.ovf.write_xml import clean
from kensho.model.errors import LimitError

MAX_DEPTH = 64
_KINDS = frozenset({"integer", "double", "string", "bytes", "bool"})


def from_xml(element: etree._Element, path: str, depth: int = 0) -> Key:
    """Return an element as a key; LimitError when it is nested deeper than any configuration."""
    if depth > MAX_DEPTH:
        raise LimitError(f"elements more than {MAX_DEPTH} deep", path=path)
    kind = (element.get("type") or "").lower()
    below = tuple(from_xml(e, path, depth + 1) for e in children(element))
    if kind not in _KINDS or below:
        return Key(local(element), children=below)
    return Key(local(element), kind, _value(kind, "".join(map(str, element.itertext()))))


def _value(kind: str, text: str) -> Value:
    """Return the value; text that is not of its kind stays text, which readers then find odd."""
    plain = text.strip()
    match kind:
        case "integer" if plain.removeprefix("-").isdigit() and plain.isascii() and len(plain) < 21:
            return int(plain)
        case "bool":
            return is_true(plain)
        case "bytes":
            try:
                return base64.b64decode(plain, validate=False)
            except (binascii.Error, ValueError):
                return b""
    return text


def to_xml(key: Key) -> etree._Element:
    """Return a key as an element; what XML cannot carry of a text is replaced."""
    element = etree.Element(key.name)
    if key.kind != "node":
        element.set("type", key.kind)
        element.text = _text(key.value)
    element.extend([to_xml(child) for child in key.children])
    return element


def _text(value: Value | None) -> str | None:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, str):
        return clean(value)
    return None if value is None else str(value)  # True and False are Hyper-V's words, too


def document(root: Key) -> bytes:
    """Return a configuration as the file that Hyper-V itself would write."""
    element = to_xml(root)
    etree.indent(element, space="  ")
    text = etree.tostring(element, encoding="unicode").replace("\n", "\r\n")
    head = '<?xml version="1.0" encoding="UTF-16" standalone="yes"?>\r\n'
    return b"\xff\xfe" + (head + text + "\r\n").encode("utf-16-le")


def is_xml_name(name: str) -> bool:
    """Tell whether a key can be an element: ASCII alone, as all of Hyper-V's own."""
    return (
        name.isascii()
        and name[:1].replace("_", "a").isalpha()
        and all(c.isalnum() or c in "_-." for c in name)
    )
