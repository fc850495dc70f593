"""The records in ``ova.xml`` by class and reference: XAPI's database of the exported machine.

Source: https://xapi-project.github.io/xen-api/ and XAPI's ocaml/xapi/importexport.ml: a struct of
``version`` and ``objects``, each object with ``class``, ``id`` and ``snapshot``, its record.
"""

from __future__ import annotations

from collections.abc import Mapping

from lxml import etree

from kensho.appliances.xva.xmlrpc import Value, decode
from kensho.model.errors import CorruptError, LimitError

NULL = "OpaqueRef:NULL"
_MOST_OBJECTS = 100_000
_TRUE = frozenset({"true", "1"})


class Row:
    """A record with typed looks at its fields; what is missing or odd is empty."""

    __slots__ = ("fields", "ref")

    def __init__(self, ref: str, fields: Mapping[str, Value]) -> None:
        self.ref = ref
        self.fields = fields

    def text(self, name: str) -> str:
        """Return a field as text, without what surrounds it."""
        return as_text(self.fields.get(name, ""))

    def flag(self, name: str) -> bool:
        """Tell whether a field is true."""
        value = self.fields.get(name, False)
        return value if isinstance(value, bool) else as_text(value).lower() in _TRUE

    def map(self, name: str) -> dict[str, str]:
        """Return a field of pairs of texts."""
        value = self.fields.get(name, {})
        return {k: as_text(v) for k, v in value.items()} if isinstance(value, Mapping) else {}

    def texts(self, name: str) -> list[str]:
        """Return a field that lists texts or references."""
        value = self.fields.get(name, [])
        return [as_text(item) for item in value] if isinstance(value, list) else []

    def number(self, name: str, most: int) -> int | None:
        """Return a field as a whole number from 0 to ``most``, None when it is none."""
        return whole(self.text(name), most)


Objects = dict[str, dict[str, Row]]


def read_objects(root: etree._Element, path: str) -> Objects:
    """Return the records by class and reference.

    CorruptError for a document that has none, LimitError for more than an export can have.
    """
    whole_ = decode(root, path)
    listed = whole_.get("objects") if isinstance(whole_, Mapping) else None
    if not isinstance(listed, list):
        raise CorruptError("the metadata list no objects", path=path, field="objects")
    if len(listed) > _MOST_OBJECTS:
        raise LimitError(f"more than {_MOST_OBJECTS} objects", path=path, field="objects")
    found: Objects = {}
    for item in listed:
        if not isinstance(item, Mapping):
            raise CorruptError("an object is no record", path=path, field="objects")
        class_, ref = as_text(item.get("class", "")), as_text(item.get("id", ""))
        fields = item.get("snapshot")
        if not class_ or not ref or not isinstance(fields, Mapping):
            raise CorruptError(
                "an object has no class, id or snapshot", path=path, field=class_ or "objects"
            )
        rows = found.setdefault(class_.lower(), {})
        if ref in rows:
            raise CorruptError(f"two objects are called {ref!r}", path=path, field=class_)
        rows[ref] = Row(ref, fields)
    return found


def as_text(value: Value) -> str:
    """Return a value as text: ``true`` and ``false`` for booleans, empty for records and lists."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.strip() if isinstance(value, str) else ""


def whole(text: str, most: int) -> int | None:
    """Return a text as a whole number from 0 to ``most``, None when it is none."""
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        return None
    return int(text) if int(text) <= most else None
