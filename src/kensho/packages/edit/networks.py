"""NetworkSection (DSP0243 §9.2): networks added, renamed, described, removed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lxml import etree

from kensho.appliances.ovf.elements import attribute, children, text
from kensho.appliances.ovf.items import ITEMS
from kensho.appliances.ovf.write_xml import clean
from kensho.model.errors import UsageError
from kensho.packages.edit.items import set_field
from kensho.packages.edit.scope import Scope, machines, sections
from kensho.packages.edit.tree import add, remove, section, set_attribute, set_text
from kensho.packages.edit.values import spread, unknown


def networks(root: etree._Element) -> list[etree._Element]:
    """Return the Network elements."""
    return [n for s in sections(root, "NetworkSection") for n in children(s, "Network")]


def network_names(root: etree._Element) -> list[str]:
    """Return the names of the networks that NetworkSection lists."""
    return [attribute(n, "name") for n in networks(root)]


def add_network(scope: Scope, name: str, description: str | None) -> None:
    """Add a network, or describe the one that is there."""
    if name in network_names(scope.root):
        describe_network(scope, name, description)
        return
    found = sections(scope.root, "NetworkSection")
    place = ("References", "DiskSection", "Section")
    into = (
        found[0]
        if found
        else section(scope.root, "NetworkSection", "The list of logical networks", place)
    )
    element = add(into, "Network", name=name)
    if description:
        set_text(element, "Description", description)


def describe_network(scope: Scope, name: str, description: str | None) -> None:
    """Set or remove a network's description."""
    element = _find(scope.root, name)
    set_text(element, "Description", description or None)


def describe_all(scope: Scope, descriptions: Sequence[str]) -> None:
    """Describe the networks in order, ``Data network {1}`` counting up."""
    names = network_names(scope.root)
    for name, description in zip(names, spread(descriptions, len(names)), strict=True):
        describe_network(scope, name, description)


def map_network(scope: Scope, old: str, new: str) -> None:
    """Rename a network with all that is connected to it; ``*`` stands for every network.

    Where ``new`` is there already, the two become one. Case is ignored in ``old`` when that
    leaves one network only.
    """
    if not new:
        raise UsageError("a network needs a name")
    if old == "*":
        for name in network_names(scope.root):
            if name != new:
                map_network(scope, name, new)
        return
    element = _find(scope.root, old)
    name = attribute(element, "name")
    if name == new:
        return
    if new in network_names(scope.root):
        remove(element)
    else:
        set_attribute(element, "name", new)
    for item, connection in _connected(scope.root, name):
        connection.text = clean(new)
        description = text(item, "Description")
        if description.endswith(f" on {name}"):
            set_field(item, "Description", f"{description.removesuffix(name)}{new}")


def remove_network(scope: Scope, name: str) -> None:
    """Remove a network; UsageError while an adapter is on it."""
    element = _find(scope.root, name)
    if any(True for _ in _connected(scope.root, attribute(element, "name"))):
        raise UsageError(
            f"adapters are on the network {name!r}",
            hint=f"map it to another one first: --network {name}=OTHER",
        )
    remove(element)


def prune_networks(root: etree._Element) -> list[str]:
    """Remove the networks that no adapter is on; return their names."""
    pruned = []
    used = {(connection.text or "").strip() for _, connection in _connections(root)}
    for element in networks(root):
        name = attribute(element, "name")
        if name not in used:
            remove(element)
            pruned.append(name)
    return pruned


def _connected(root: etree._Element, name: str) -> Iterator[tuple[etree._Element, etree._Element]]:
    """Yield the items on a network, each with its Connection; an item may name several."""
    return ((i, c) for i, c in _connections(root) if (c.text or "").strip() == name)


def _connections(root: etree._Element) -> Iterator[tuple[etree._Element, etree._Element]]:
    for machine in machines(root):
        for hardware in sections(machine, "VirtualHardwareSection"):
            for item in children(hardware, *ITEMS):
                for connection in children(item, "Connection"):
                    yield item, connection


def _find(root: etree._Element, name: str) -> etree._Element:
    there = networks(root)
    exact = [n for n in there if attribute(n, "name") == name]
    folded = [n for n in there if attribute(n, "name").lower() == name.lower()]
    if exact:
        return exact[0]
    if len(folded) == 1:
        return folded[0]
    raise unknown(f"there is no network {name!r}", name, network_names(root))
