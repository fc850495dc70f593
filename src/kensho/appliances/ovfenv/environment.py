"""The OVF environment as data: DSP0243 2.1 §11 (OVF environment), DSP8027 1.0."""

from __future__ import annotations

import re

import msgspec

from kensho.model.appliance import Appliance
from kensho.model.errors import UsageError
from kensho.model.machine import Machine, Product, Property

Pairs = tuple[tuple[str, str], ...]
_MACRO = re.compile(r"\$\{([^${}]+)\}")


class PlatformFacts(msgspec.Struct, frozen=True):
    """What the PlatformSection says of where the machine runs; empty fields are left out."""

    kind: str = ""
    version: str = ""
    vendor: str = ""
    locale: str = "en"


class Environment(msgspec.Struct, frozen=True):
    """What one machine is told: its properties, and those of its siblings by their ids.

    ``machine`` is the ovf:id of the VirtualSystem. Keys are ``class.key.instance``.
    """

    machine: str
    platform: PlatformFacts
    properties: Pairs
    siblings: tuple[tuple[str, Pairs], ...] = ()


def property_name(product: Product, prop: Property) -> str:
    """Return a property's name in an environment, ``class.key.instance`` (DSP0243 §9.5.1)."""
    return ".".join(part for part in (product.class_, prop.key, product.instance) if part)


def environment_of(
    appliance: Appliance,
    machine_id: str,
    platform: PlatformFacts = PlatformFacts(),  # noqa: B008 - frozen
) -> Environment:
    """Return the environment of one machine of an appliance.

    A machine in a collection gets the collection's properties with its own, and an entity for
    each sibling. The neutral model has one collection, so those of nested collections all count
    as siblings. UsageError when there is no such machine.
    """
    machine = next((m for m in appliance.machines if m.id == machine_id), None)
    if machine is None:
        known = ", ".join(m.id for m in appliance.machines)
        raise UsageError(f"there is no machine {machine_id!r}", hint=f"machines: {known}")
    shared = _pairs(appliance.products)
    return Environment(
        machine.id,
        platform,
        _merged(shared, _pairs(own_products(appliance, machine))),
        tuple(
            (m.id, _merged(shared, _pairs(own_products(appliance, m))))
            for m in appliance.machines
            if m is not machine
        ),
    )


def own_products(appliance: Appliance, machine: Machine) -> tuple[Product, ...]:
    """Return a machine's products with ``${name}`` replaced by the collection's property.

    The name is a key or ``class.key.instance``; what the collection does not have stays as it is.
    """
    values: dict[str, str] = {}
    for product in appliance.products:
        for prop in product.properties:
            values.setdefault(prop.key, prop.value)
    values |= dict(_pairs(appliance.products))

    def resolved(prop: Property) -> Property:
        value = _MACRO.sub(lambda m: values.get(m[1].strip(), m[0]), prop.value)
        return prop if value == prop.value else msgspec.structs.replace(prop, value=value)

    return tuple(
        msgspec.structs.replace(p, properties=tuple(map(resolved, p.properties)))
        for p in machine.products
    )


def _pairs(products: tuple[Product, ...]) -> Pairs:
    return tuple((property_name(p, prop), prop.value) for p in products for prop in p.properties)


def _merged(shared: Pairs, own: Pairs) -> Pairs:
    """Return both, each key once; what the machine says itself counts."""
    return tuple((dict(shared) | dict(own)).items())
