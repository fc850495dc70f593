"""Keep what of a machine of Hyper-V has no place in the model, word for word.

Each value is an `Extra` of dialect ``hyperv``: its path, and the XML that Hyper-V wrote for such a key
up to Windows Server 2012 R2. A list is one extra. ``export_extras`` puts them back.
"""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

from kensho.appliances.hyperv import words
from kensho.appliances.hyperv.tree import DIALECT, Key, Place, unread
from kensho.appliances.hyperv.xml_tree import is_xml_name, to_xml
from kensho.appliances.ovf.elements import Notes
from kensho.model.errors import LimitError
from kensho.model.finding import Severity
from kensho.model.machine import Extra

_MAX_EXTRAS = 16 << 20  #: characters
_CUT = 1 << 16  #: characters of one setting that stays in a report


def _forget_platform(configuration: Place) -> None:
    """Mark as read what only repeats which devices every machine has."""
    known = {*words.PLATFORM, *words.SERVICES, *words.NAMES}
    manifest = configuration.at("manifest")
    for entry in () if manifest is None else manifest.below():
        if not entry.key.children or entry.peek("device").strip("{}").lower() in known:
            entry.take()
    for place in configuration.below():
        if place.key.name.startswith("_"):
            place.number("VDEVVersion")
    configuration.text("settings", "global", "logical_id")


def read_extras(configuration: Place, notes: Notes) -> tuple[Extra, ...]:
    """Return what nobody read of a configuration; LimitError when that is too much to keep."""
    _forget_platform(configuration)
    left = unread(configuration.key, configuration.used)
    extras = []
    total = 0
    for where, key in () if left is None else _pieces(left, ""):
        text = etree.tostring(to_xml(_cut(key, notes)), encoding="unicode")
        total += len(where) + len(text)
        if total > _MAX_EXTRAS:
            raise LimitError(f"more than {_MAX_EXTRAS} characters of settings", path=notes.path)
        extras.append(Extra(DIALECT, where, text))
    return tuple(extras)


def _pieces(key: Key, above: str) -> Iterator[tuple[str, Key]]:
    """Yield each value with its path; a node with a list in it as a whole."""
    where = f"{above}{key.name}"
    names = [child.name for child in key.children]
    if key.kind != "node" or len(set(names)) < len(names):
        yield where, key
        return
    for child in key.children:
        yield from _pieces(child, f"{where}/")


def _cut(key: Key, notes: Notes) -> Key:
    """Return the tree with names that are XML's, and without values of bytes beyond use."""
    name = key.name if is_xml_name(key.name) else "key"
    value = key.value
    if isinstance(value, bytes | str) and len(value) > _CUT:
        notes.add(
            "KF-477",
            Severity.NOTE,
            f"the setting {key.name} has {len(value)} bytes",
            action="too long to be kept",
        )
        value = value[:0]
    return Key(name, key.kind, value, tuple(_cut(child, notes) for child in key.children))
