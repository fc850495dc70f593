"""Which items of a machine's hardware are its devices: DSP0243 2.1 §8.3, §8.4, §9.8."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from lxml import etree

from kensho.appliances.ovf.elements import Notes, attribute, children, extra, local
from kensho.appliances.ovf.items import ITEMS
from kensho.appliances.ovf.ranges import instance_of, is_bound, stand_ins
from kensho.model.finding import Severity
from kensho.model.machine import Extra


class Picked(msgspec.Struct, frozen=True):
    """A machine's item elements: of the configuration, limits of their values, and all others."""

    items: tuple[etree._Element, ...] = ()
    bounds: tuple[etree._Element, ...] = ()
    others: tuple[Extra, ...] = ()


def pick(section: etree._Element, configuration: str | None, where: str, notes: Notes) -> Picked:
    """Return the items of a configuration, and word for word what is no device of it.

    DSP0243 §8.3, §9.8: an item without ovf:configuration is in all of them, one that has the
    same InstanceID as an item of the chosen configuration gives way to it. ovf:bound ``min``
    and ``max`` are limits of a value and no devices (§8.4).
    """
    chosen: list[etree._Element] = []
    bounds: list[etree._Element] = []
    others: list[Extra] = []
    for element in children(section, *ITEMS):
        wanted = attribute(element, "configuration").split()
        is_wanted = not wanted or configuration in wanted
        if is_wanted and not is_bound(element):
            chosen.append(element)
            continue
        if is_wanted:
            bounds.append(element)
        others.append(extra(element, f"{where}/{local(element)}[{instance_of(element)}]", notes))
    items = list(_override(chosen, configuration, notes))
    return Picked((*items, *stand_ins(items, bounds, notes)), tuple(bounds), tuple(others))


def _override(
    elements: Sequence[etree._Element], configuration: str | None, notes: Notes
) -> tuple[etree._Element, ...]:
    by_id: dict[str, etree._Element] = {}
    result: list[etree._Element] = []
    for element in elements:
        instance = instance_of(element)
        before = by_id.get(instance) if instance else None
        if before is None:
            by_id[instance] = element
            result.append(element)
            continue
        special = configuration in attribute(element, "configuration").split()
        general = configuration in attribute(before, "configuration").split()
        if special or general:
            if special:
                result[result.index(before)] = element
                by_id[instance] = element
            continue
        notes.add(
            "KF-113",
            Severity.ERROR,
            f"two items have the InstanceID {instance}",
            subject=instance,
            action="both are kept; what refers to the id gets the first",
        )
        result.append(element)
    return tuple(result)
