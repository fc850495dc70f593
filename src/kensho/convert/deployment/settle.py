"""Everything a user settles at deployment, applied to an appliance before it is planned."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from kensho.convert.deployment.networks import NetworkMap, map_networks
from kensho.convert.deployment.properties import (
    Assigned,
    Place,
    all_properties,
    assign,
    is_password,
    missing,
    open_secrets,
    with_properties,
    with_values_of,
    without_values,
)
from kensho.convert.deployment.settings import Given, Setting
from kensho.model.appliance import Appliance
from kensho.model.machine import Property
from kensho.model.property_values import value_type


class Deployment(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What the user wants of a deployment, beside the choices of a `Selection`."""

    settings: tuple[Setting, ...] = ()
    networks: NetworkMap = ()
    accept_eulas: bool = False


@dataclass(frozen=True, slots=True)
class Settled:
    """What came of it, for the rules. Names are those of properties, ``class.key.instance``.

    ``fixed`` were set though their vendor does not mean them to be, ``missing`` need a value,
    ``computed`` are taken from vSphere's networks and have no value elsewhere, ``exposed`` are
    passwords that were given as they are.
    """

    deployment: Deployment = field(default_factory=Deployment)
    names: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    computed: tuple[str, ...] = ()
    exposed: tuple[str, ...] = ()
    passwords: tuple[str, ...] = ()

    @property
    def asked(self) -> bool:
        """Whether the user set properties at all."""
        return bool(self.names)


def settle(
    whole: Appliance, deployment: Deployment, given: tuple[Given, ...]
) -> tuple[Assigned, Appliance]:
    """Return the assignment, and the appliance with its values and its networks' new names.

    What is wrong with the properties is in the assignment. UsageError for networks that there are
    not.
    """
    assigned = assign(whole, given)
    return assigned, map_networks(assigned.appliance, deployment.networks)


def summarise(chosen: Appliance, deployment: Deployment, assigned: Assigned) -> Settled:
    """Say what came of it for the machines that are converted."""
    places = dict(all_properties(chosen))
    touched = {place for place in assigned.keys.values() if place in places}
    return Settled(
        deployment=deployment,
        names=tuple(place.name for place in assigned.keys.values()),
        fixed=tuple(p.name for p in places if p in touched and not places[p].user_configurable),
        missing=missing(chosen),
        computed=tuple(p.name for p in places if p not in touched and _is_computed(p, places)),
        exposed=open_secrets(deployment.settings, assigned),
        passwords=tuple(p.name for p in places if p in touched and is_password(places[p])),
    )


def _is_computed(place: Place, places: dict[Place, Property]) -> bool:
    prop = places[place]
    kind = value_type(prop.type, prop.qualifiers)
    return kind.kind == "expression" or (kind.network is not None and not prop.value)


def filled(after: Appliance, whole: Appliance, original: Appliance) -> Appliance:
    """Return a mapped appliance with the values a plan does not hold.

    ``whole`` has what was set, ``original`` what the package says. A password that was set stays
    out: what is written here is a package, and packages are passed on.
    """
    defaults = {place: prop.value for place, prop in all_properties(original)}

    def written(place: Place, prop: Property) -> Property:
        if not is_password(prop):
            return prop
        return msgspec.structs.replace(prop, value=defaults.get(place, ""))

    return with_values_of(after, with_properties(whole, written))


def shown(appliance: Appliance, assigned: Assigned) -> Appliance:
    """Return the appliance as a plan may hold it."""
    return without_values(appliance, assigned.secrets)
