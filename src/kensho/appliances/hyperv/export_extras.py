"""Put settings that were kept of a machine of Hyper-V back into a configuration.

Only below nodes that the configuration has anyway: what belonged to a device that is not there any
more would be nobody's. What the writer says itself is never changed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

from kensho.appliances.hyperv.tree import DIALECT, Key
from kensho.appliances.hyperv.xml_tree import from_xml, is_xml_name
from kensho.appliances.xmlsafe import parse_xml
from kensho.model.errors import KenshoError
from kensho.model.machine import Extra
from kensho.platforms.extras import Fate, fate_of


def merge_extras(configuration: Key, extras: Iterable[Extra]) -> Key:
    """Return the configuration with the extras of its dialect that may come back."""
    for extra in extras:
        parts = extra.where.split("/")[1:]
        if extra.dialect != DIALECT or fate_of(extra) is not Fate.BACK or len(parts) < 2:
            continue
        if not all(map(is_xml_name, parts)):
            continue
        with contextlib.suppress(KenshoError):  # an extra that somebody edited
            root, _ = parse_xml(extra.text.encode(), path=extra.where)
            if str(root.tag).casefold() != parts[-1].casefold():
                continue
            configuration = _placed(configuration, parts, from_xml(root, extra.where), top=True)
    return configuration


def _placed(node: Key, parts: list[str], key: Key, *, top: bool = False) -> Key:
    """Return the node with a key at a path below it, nodes made on the way but for the first."""
    name = parts[0].casefold()
    at = next((n for n, c in enumerate(node.children) if c.name.casefold() == name), None)
    if len(parts) == 1:
        return node if at is not None else Key(node.name, children=(*node.children, key))
    if at is None:
        if top:
            return node
        made = _placed(Key(parts[0]), parts[1:], key)
        return Key(node.name, children=(*node.children, made))
    below = node.children[at]
    if below.kind != "node":
        return node
    changed = _placed(below, parts[1:], key)
    return Key(node.name, children=(*node.children[:at], changed, *node.children[at + 1 :]))
