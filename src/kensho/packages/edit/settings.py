"""The names of ``--set NAME=VALUE``, each with the function it stands for."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from kensho.packages.edit import (
    configurations,
    controllers,
    disks,
    hardware,
    networks,
    nics,
    products,
    properties,
    serial,
    texts,
)
from kensho.packages.edit import values as typed
from kensho.packages.edit.scope import Scope
from kensho.packages.edit.values import unknown

NIC_FIELDS = ("network", "type", "mac", "name", "connected")
_MOST = 256  #: devices of a kind; no platform takes more
#: Settings that make devices; all others come when devices and files are there.
COUNTS = frozenset({"nics", "serial-ports"})

Setter = Callable[[Scope, str], None]
PartSetter = Callable[[Scope, str, str], None]


def _list(text: str) -> list[str]:
    return [part.strip() for part in re.split(r"(?<!\\),", text)] if text else []


def _optional(set_it: Callable[[Scope, str, str | None], None]) -> PartSetter:
    return lambda scope, key, value: set_it(scope, key, value or None)


#: Name → (what it takes, the function).
SETTINGS: Mapping[str, tuple[str, Setter]] = {
    "cpus": ("a number", lambda s, v: hardware.set_cpus(s, typed.count(v, "cpus"))),
    "cores-per-socket": (
        "a number",
        lambda s, v: hardware.set_cores_per_socket(s, typed.count(v, "cores-per-socket")),
    ),
    "memory": ("a size, 8GiB", lambda s, v: hardware.set_memory(s, typed.size(v, "memory"))),
    "system-type": ("vmx-13 …, alternatives by blanks", hardware.set_system_type),
    "firmware": ("bios or efi", hardware.set_firmware),
    "secure-boot": (
        "true or false",
        lambda s, v: hardware.set_secure_boot(s, on=typed.switch(v, "secure-boot")),
    ),
    "name": ("a text", texts.set_name),
    "id": ("a word", texts.set_id),
    "annotation": ("a text, empty removes it", texts.set_annotation),
    "default-configuration": ("an id", configurations.set_default),
    "transports": ("iso, vmware, ibm", properties.set_transports),
    "user-configurable": (
        "true or false, for all properties",
        lambda s, v: properties.set_user_configurable(s, on=typed.switch(v, "user-configurable")),
    ),
    "nics": ("a number", lambda s, v: nics.set_nic_count(s, typed.count(v, "nics", 0, _MOST))),
    "nic-types": ("E1000, VmxNet3 …", nics.set_types),
    "nic-names": ("names, eth{0} counts up", lambda s, v: nics.set_names(s, _list(v))),
    "nic-networks": ("names, net{0} counts up", lambda s, v: nics.set_networks(s, _list(v))),
    "nic-macs": ("addresses", lambda s, v: nics.set_macs(s, _list(v))),
    "network-descriptions": (
        "texts, {0} counts up",
        lambda s, v: networks.describe_all(s, _list(v)),
    ),
    "serial-ports": (
        "a number",
        lambda s, v: serial.set_serial_ports(s, typed.count(v, "serial-ports", 0, _MOST)),
    ),
    "serial-connectivity": ("URIs", lambda s, v: serial.set_connectivity(s, _list(v))),
    **{
        f"{kind}-subtypes": (
            "for all controllers of the kind, empty removes it",
            lambda s, v, kind=kind: controllers.set_subtypes(s, kind, v),  # type: ignore[misc]
        )
        for kind in controllers.KINDS
    },
}


def _product(scope: Scope, key: str, value: str) -> None:
    products.set_product(scope, key, value)


def _property(scope: Scope, key: str, value: str) -> None:
    name, _, field = key.rpartition(".")
    if not name or field not in properties.FIELDS:
        raise unknown(f"a property has no {field!r}", field, properties.FIELDS)
    properties.set_property_field(scope, name, field, value)


def _disk(scope: Scope, key: str, value: str) -> None:
    name, _, field = key.rpartition(".")
    if field != "capacity":
        raise unknown(f"a disk has no {field!r}", field, ("capacity",))
    disks.set_capacity(scope, name, typed.size(value, key))


def _nic(scope: Scope, key: str, value: str) -> None:
    name, _, field = key.rpartition(".")
    if field not in NIC_FIELDS:
        raise unknown(f"an adapter has no {field!r}", field, NIC_FIELDS)
    nics.change_nic(scope, name, {field: value})


#: The first part of a name with two or three → (how it goes on, the function of the rest).
FAMILIES: Mapping[str, tuple[str, PartSetter]] = {
    "product": ("product.version …", _product),
    "property": ("property.KEY.label …", _property),
    "network": ("network.NAME, its description", _optional(networks.describe_network)),
    "config": ("config.KEY, a vmw:Config", _optional(hardware.set_config)),
    "extra": (
        "extra.KEY, a vmw:ExtraConfig",
        lambda s, k, v: hardware.set_config(s, k, v or None, "ExtraConfig"),
    ),
    "os": ("os.id, os.version, os.description, os.vmw", texts.set_guest),
    "disk": ("disk.ID.capacity", _disk),
    "nic": ("nic.NUMBER.network …", _nic),
}


def apply_setting(scope: Scope, name: str, value: str) -> None:
    """Carry out one ``name=value``; UsageError names what there is."""
    if name in SETTINGS:
        SETTINGS[name][1](scope, value)
        return
    family, _, rest = name.partition(".")
    if family in FAMILIES and rest:
        FAMILIES[family][1](scope, rest, value)
        return
    known = (*SETTINGS, *(title.split(",")[0].split(" ")[0] for title, _ in FAMILIES.values()))
    raise unknown(f"there is no setting {name!r}", name, known)
