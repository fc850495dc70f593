"""Network adapters: how many, of which kind, on which network, with which address and name."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lxml import etree

from kensho.appliances.ovf.elements import text
from kensho.appliances.ovf.items import Resource
from kensho.model.errors import UsageError
from kensho.packages.edit.items import (
    exclude,
    groups,
    in_configuration,
    instance,
    items,
    new_item,
    present,
    set_field,
)
from kensho.packages.edit.networks import add_network, network_names
from kensho.packages.edit.scope import Scope, hardware
from kensho.packages.edit.values import mac as normal
from kensho.packages.edit.values import spread, unknown

_SUBTYPES = {
    n.lower(): n for n in ("E1000", "E1000e", "VmxNet3", "VmxNet2", "PCNet32", "virtio", "Flexible")
} | {"vmxnet": "VmxNet", "sriov": "SriovEthernetCard"}
_DEFAULT_NETWORK = "VM Network"
_FIRST_ADDRESS = 7  # as VMware numbers adapters


def nics(scope: Scope, section: etree._Element) -> list[list[etree._Element]]:
    """Return the adapters with their variants, in order."""
    return present(scope, groups(items(section, Resource.ETHERNET)))


def set_nic_count(scope: Scope, count: int) -> None:
    """Have this many adapters; new ones are of the last one's kind, on its network."""
    for section in hardware(scope):
        there = nics(scope, section)
        for variants in there[count:]:
            exclude(scope, variants)
        for _ in range(len(there), count):
            _add(scope, section, {})


def add_nic(scope: Scope, values: dict[str, str]) -> None:
    """Add an adapter; ``values`` may have network, type, mac, name, connected."""
    for section in hardware(scope):
        _add(scope, section, values)


def change_nic(scope: Scope, which: str, values: dict[str, str]) -> None:
    """Change an adapter, by its number from 1, InstanceID or name; see `add_nic`."""
    for section in hardware(scope):
        for item in in_configuration(scope, _find(scope, section, which)):
            _apply(scope, item, values)


def remove_nic(scope: Scope, which: str) -> None:
    """Remove an adapter, from the scope's configurations only if there are any."""
    for section in hardware(scope):
        exclude(scope, _find(scope, section, which))


def set_types(scope: Scope, types: str) -> None:
    """Set the kind of all adapters; several words are alternatives."""
    subtype = nic_type(types)
    _each(scope, [""], lambda item, _: set_field(item, "ResourceSubType", subtype))


def set_networks(scope: Scope, names: Sequence[str]) -> None:
    """Put the adapters on networks, ``net{0}`` counting up; missing networks are added."""

    def connect(item: etree._Element, name: str) -> None:
        _connect(scope, item, name)

    _each(scope, names, connect)


def set_names(scope: Scope, names: Sequence[str]) -> None:
    """Name the adapters, ``eth{0}`` counting up."""
    _each(scope, names, lambda item, name: set_field(item, "ElementName", name))


def set_macs(scope: Scope, macs: Sequence[str]) -> None:
    """Give the adapters these addresses; the last one is for all that are left, as in COT."""
    addresses = [normal(m) for m in macs]
    _each(scope, addresses, lambda item, address: set_field(item, "Address", address))


def nic_type(text_: str) -> str:
    """Return the usual spelling of adapter types divided by blanks or commas."""
    words = text_.replace(",", " ").split()
    if not words:
        raise UsageError("an adapter needs a type", hint="such as E1000 or VmxNet3")
    return " ".join(_SUBTYPES.get(w.lower(), w) for w in words)


def _each(
    scope: Scope, values: Sequence[str], change: Callable[[etree._Element, str], None]
) -> None:
    for section in hardware(scope):
        there = nics(scope, section)
        if not there:
            raise UsageError("the machine has no network adapter", hint="add --nic add,network=…")
        for variants, value in zip(there, spread(values, len(there)), strict=True):
            for item in in_configuration(scope, variants):
                change(item, value)


def _find(scope: Scope, section: etree._Element, which: str) -> list[etree._Element]:
    there = nics(scope, section)
    if which.isdigit() and 1 <= int(which) <= len(there):
        return there[int(which) - 1]
    for variants in there:
        if which in {instance(variants[0]), text(variants[0], "ElementName")}:
            return variants
    known = [str(n) for n in range(1, len(there) + 1)]
    known += [text(v[0], "ElementName") for v in there]
    raise unknown(f"there is no network adapter {which!r}", which, known)


def _add(scope: Scope, section: etree._Element, values: dict[str, str]) -> None:
    there = nics(scope, section)
    like = there[-1][-1] if there else None
    known = network_names(scope.root)
    usual = text(like, "Connection") or (known[0] if known else _DEFAULT_NETWORK)
    subtype = text(like, "ResourceSubType") or "E1000"
    addresses = [text(v[0], "AddressOnParent") for v in there]
    number = max((int(a) + 1 for a in addresses if a.isdigit()), default=_FIRST_ADDRESS)
    item = new_item(
        section,
        {
            "AddressOnParent": number,
            "AutomaticAllocation": True,
            "ElementName": f"Network adapter {len(there) + 1}",
            "ResourceSubType": subtype,
            "ResourceType": int(Resource.ETHERNET),
        },
        configurations=scope.configurations,
    )
    _apply(scope, item, {"network": usual, **values})


def _apply(scope: Scope, item: etree._Element, values: dict[str, str]) -> None:
    for key, value in values.items():
        if key == "network":
            _connect(scope, item, value)
        elif key == "type":
            set_field(item, "ResourceSubType", nic_type(value))
        elif key == "mac":
            set_field(item, "Address", normal(value) if value else None)
        elif key == "name":
            set_field(item, "ElementName", value)
        elif key == "connected":
            set_field(item, "AutomaticAllocation", value)


def _connect(scope: Scope, item: etree._Element, name: str) -> None:
    if not name:
        raise UsageError("an adapter needs the name of a network")
    description = text(item, "Description")
    old = text(item, "Connection")
    set_field(item, "Connection", name)
    if old and description.endswith(f" on {old}"):  # "E1000 adapter on lan"
        set_field(item, "Description", f"{description.removesuffix(old)}{name}")
    if name not in network_names(scope.root):
        add_network(scope, name, None)
