"""XML-RPC values, as XAPI writes them into ``ova.xml``: read and written.

Source: http://xmlrpc.com/spec.md; XAPI writes 64-bit integers as plain strings, and a value
without a type is a string.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping, Sequence

from lxml import etree

from kensho.model.errors import CorruptError, LimitError

Value = str | bool | float | datetime.datetime | Sequence["Value"] | Mapping[str, "Value"]
Record = dict[str, Value]

_NOT_XML = re.compile(r"[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_MOST_DEPTH = 12  # a record's map in a list of records is 5 deep


def encode(value: Value) -> etree._Element:
    """Return a value as an element; characters that XML does not have become blanks."""
    element = etree.Element("value")
    match value:
        case bool():
            etree.SubElement(element, "boolean").text = str(int(value))
        case float():
            etree.SubElement(element, "double").text = repr(value)
        case datetime.datetime():
            text = value.strftime("%Y%m%dT%H:%M:%SZ")
            etree.SubElement(element, "dateTime.iso8601").text = text
        case str():
            element.text = _NOT_XML.sub(" ", value)
        case Mapping():
            struct = etree.SubElement(element, "struct")
            for name, member_value in value.items():
                member = etree.SubElement(struct, "member")
                etree.SubElement(member, "name").text = _NOT_XML.sub(" ", name)
                member.append(encode(member_value))
        case _:
            data = etree.SubElement(etree.SubElement(element, "array"), "data")
            data.extend(encode(item) for item in value)
    return element


def decode(element: etree._Element, path: str, depth: int = 0) -> Value:
    """Return what a ``<value>`` says; numbers, times and unknown types stay text.

    CorruptError for what is no value, LimitError for structs in structs in structs.
    """
    if depth > _MOST_DEPTH:
        raise LimitError("records in records in records", path=path, field="struct")
    inner = next((child for child in element if isinstance(child.tag, str)), None)
    if inner is None:
        return element.text or ""
    match inner.tag:
        case "struct":
            found: Record = {}
            for member in inner.iterfind("member"):
                value = member.find("value")
                if value is None:
                    raise CorruptError("a member has no value", path=path, field="member")
                found[member.findtext("name") or ""] = decode(value, path, depth + 1)
            return found
        case "array":
            return [decode(value, path, depth + 1) for value in inner.iterfind("data/value")]
        case "boolean":
            return (inner.text or "").strip().lower() in {"1", "true"}
        case _:
            return "".join(str(text) for text in inner.itertext())
