"""Serial ports and where they lead (ResourceType 21)."""

from __future__ import annotations

from collections.abc import Sequence

from lxml import etree

from kensho.appliances.ovf.items import Resource
from kensho.model.errors import UsageError
from kensho.packages.edit.items import (
    exclude,
    groups,
    in_configuration,
    items,
    new_item,
    present,
    set_field,
)
from kensho.packages.edit.scope import Scope, hardware


def set_serial_ports(scope: Scope, count: int) -> None:
    """Have this many serial ports: new ones are like the first, surplus ones go from the end."""
    for section in hardware(scope):
        ports = _ports(scope, section)
        for variants in ports[count:]:
            exclude(scope, variants)
        for number in range(len(ports), count):
            new_item(
                section,
                {
                    "AutomaticAllocation": False,
                    "ElementName": f"Serial port {number + 1}",
                    "ResourceType": int(Resource.SERIAL),
                },
                configurations=scope.configurations,
                required=False,
            )


def set_connectivity(scope: Scope, uris: Sequence[str]) -> None:
    """Say where the ports lead, one URI each (``telnet://host:9101``); the rest lead nowhere."""
    for section in hardware(scope):
        ports = _ports(scope, section)
        if len(uris) > len(ports):
            raise UsageError(
                f"{len(uris)} connections for {len(ports)} serial ports",
                hint=f"add --set serial-ports={len(uris)}",
            )
        for number, variants in enumerate(ports):
            for item in in_configuration(scope, variants):
                set_field(item, "Address", uris[number] if number < len(uris) else None)


def _ports(scope: Scope, section: etree._Element) -> list[list[etree._Element]]:
    return present(scope, groups(items(section, Resource.SERIAL)))
