"""Set an appliance's properties: DSP0243 2.1 §9.5.1.

A property is named by its key where that is one property's only, by ``class.key.instance``, or by
either with the machine in front, ``MACHINE:KEY``. Everything that is wrong is said at once.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import msgspec

from kensho.appliances.ovfenv.environment import property_name
from kensho.convert.deployment.settings import NOT_KEPT, Given, Setting
from kensho.model.appliance import Appliance
from kensho.model.errors import UsageError
from kensho.model.machine import Product, Property
from kensho.model.property_values import check_value, is_required, value_type

_MOST = 50  #: faults told in full; a file of nonsense has thousands


@dataclass(frozen=True, slots=True)
class Place:
    """Which property: its machine's id ("" for the appliance's own) and its full name."""

    machine: str
    name: str


@dataclass(frozen=True, slots=True)
class Assigned:
    """An appliance whose properties are set.

    ``keys`` maps what the user called a property to it; ``secrets`` are the properties whose
    values nobody is to see: passwords, and what came by reference. ``faults`` says what could not
    be set and why; `demand` raises it.
    """

    appliance: Appliance
    keys: dict[str, Place]
    secrets: frozenset[Place]
    faults: tuple[str, ...] = ()


def is_password(prop: Property) -> bool:
    """Tell whether a property's value is never shown: ovf:password, VMware's type password."""
    return prop.password or value_type(prop.type).password


def all_properties(appliance: Appliance) -> Iterator[tuple[Place, Property]]:
    """Yield every property with its place; the appliance's own first."""
    for machine, products in _products(appliance):
        for product in products:
            for prop in product.properties:
                yield Place(machine, property_name(product, prop)), prop


def _products(appliance: Appliance) -> Iterator[tuple[str, tuple[Product, ...]]]:
    yield "", appliance.products
    for machine in appliance.machines:
        yield machine.id, machine.products


def assign(appliance: Appliance, given: Sequence[Given]) -> Assigned:
    """Return the appliance with these values, and what is wrong with them.

    Faults name unknown keys, with what may have been meant, and values that are none.
    """
    known = dict(all_properties(appliance))
    names = _names(appliance)
    faults: list[str] = []
    values: dict[Place, Given] = {}
    keys: dict[str, Place] = {}
    for one in given:
        places = names.get(one.key, [])
        if len(places) != 1:
            faults.append(_unknown(one.key, places, names, suggest=len(faults) < _MOST))
            continue
        place = places[0]
        prop = known[place]
        if one.secret and not is_password(prop):
            prop = msgspec.structs.replace(prop, password=True)
        faults += [f"{one.key}: {fault}" for fault in check_value(prop, one.value)]
        values[place], keys[one.key] = one, place
    secrets = {place for place, prop in known.items() if is_password(prop)}
    secrets |= {place for place, one in values.items() if one.secret}

    def filled(place: Place, prop: Property) -> Property:
        one = values.get(place)
        return prop if one is None else msgspec.structs.replace(prop, value=one.value)

    return Assigned(with_properties(appliance, filled), keys, frozenset(secrets), tuple(faults))


def with_properties(
    appliance: Appliance, change: Callable[[Place, Property], Property]
) -> Appliance:
    """Return the appliance with each property changed."""

    def changed(machine: str, products: tuple[Product, ...]) -> tuple[Product, ...]:
        return tuple(
            msgspec.structs.replace(
                product,
                properties=tuple(
                    change(Place(machine, property_name(product, prop)), prop)
                    for prop in product.properties
                ),
            )
            for product in products
        )

    return msgspec.structs.replace(
        appliance,
        products=changed("", appliance.products),
        machines=tuple(
            msgspec.structs.replace(m, products=changed(m.id, m.products))
            for m in appliance.machines
        ),
    )


def without_values(appliance: Appliance, places: frozenset[Place]) -> Appliance:
    """Return the appliance without the values of these properties: what may be shown."""
    return with_properties(
        appliance,
        lambda place, prop: msgspec.structs.replace(prop, value="") if place in places else prop,
    )


def with_values_of(appliance: Appliance, source: Appliance) -> Appliance:
    """Return the appliance with the values that its properties have in ``source``."""
    values = {place: prop.value for place, prop in all_properties(source)}
    return with_properties(
        appliance,
        lambda place, prop: msgspec.structs.replace(prop, value=values.get(place, prop.value)),
    )


def missing(appliance: Appliance) -> tuple[str, ...]:
    """Return the names of the properties that need a value and have none."""
    return tuple(place.name for place, prop in all_properties(appliance) if is_required(prop))


def demand(assigned: Assigned, deployed: Appliance | None = None) -> None:
    """Raise UsageError with everything that is wrong with the properties.

    That is what could not be set and, of the machines in ``deployed``, what has no value yet.
    """
    faults = list(assigned.faults)
    if deployed is not None:
        given = set(assigned.keys.values())
        faults += [
            f"{place.name}: {fault}"
            for place, prop in all_properties(deployed)
            if is_required(prop) and place not in given
            for fault in check_value(prop, "")
        ]
    if faults:
        several = len(faults) > 1
        raise UsageError(
            (f"{len(faults)} properties are wrong or missing: " if several else "")
            + "; ".join(faults[:_MOST])
            + (f"; and {len(faults) - _MOST} more" if len(faults) > _MOST else ""),
            field="--property",
            hint=_hint(_names(assigned.appliance)),
        )


def to_keep(settings: Sequence[Setting], assigned: Assigned) -> tuple[Setting, ...]:
    """Return the settings as a plan may hold them: no password, references as they are."""
    return tuple(Setting(s.key, NOT_KEPT) if _is_open_secret(s, assigned) else s for s in settings)


def open_secrets(settings: Sequence[Setting], assigned: Assigned) -> tuple[str, ...]:
    """Return the keys of the passwords that stood on the command line or in a file as they are."""
    return tuple(s.key for s in settings if _is_open_secret(s, assigned))


def _is_open_secret(setting: Setting, assigned: Assigned) -> bool:
    place = assigned.keys.get(setting.key)
    reference = setting.text.startswith(("@env:", "@file:", NOT_KEPT))
    return place in assigned.secrets and not reference


def _names(appliance: Appliance) -> dict[str, list[Place]]:
    """Return what each name may mean, the full names before the plain keys."""
    names: dict[str, list[Place]] = {}
    plain: dict[str, list[Place]] = {}
    for place, prop in all_properties(appliance):
        for prefix in ("", f"{place.machine}:") if place.machine else ("",):
            names.setdefault(prefix + place.name, []).append(place)
            plain.setdefault(prefix + prop.key, []).append(place)
    # Some packages have a property twice.
    return {name: list(dict.fromkeys(places)) for name, places in (plain | names).items()}


def _unknown(key: str, places: list[Place], names: dict[str, list[Place]], *, suggest: bool) -> str:
    if places:
        options = " or ".join(f"{p.machine}:{p.name}" if p.machine else p.name for p in places)
        return f"{key}: there are several; say {options}"
    folded = {name.casefold(): name for name in names}
    close = difflib.get_close_matches(key.casefold(), list(folded), n=1) if suggest else []
    meant = f", did you mean {folded[close[0]]}?" if close else ""
    return f"{key}: there is no such property{meant}"


def _hint(names: dict[str, list[Place]]) -> str:
    full = sorted({place.name for places in names.values() for place in places})
    shown = ", ".join(full[:20]) + (f", … ({len(full)} in all)" if len(full) > 20 else "")
    return f"properties: {shown}" if full else "the package has no properties"
