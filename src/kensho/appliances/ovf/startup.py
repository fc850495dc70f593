"""The start order: DSP0243 §9.7, StartupSection of the envelope and of collections."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lxml import etree

from kensho.appliances.ovf.elements import (
    Notes,
    attribute,
    children,
    is_true,
    section_kind,
)
from kensho.appliances.ovf.quantities import to_int
from kensho.model.appliance import StartItem
from kensho.model.finding import Severity
from kensho.model.machine import Machine

_MAX_NESTING = 64
_USUAL = {"startAction": {"", "powerOn"}, "stopAction": {"", "powerOff"}}


def read_start_order(
    root: etree._Element, machines: Sequence[Machine], notes: Notes
) -> tuple[StartItem, ...]:
    """Return one item per machine that has a place in the order, in that order.

    A collection's place holds for all machines in it, their order within it comes second.
    """
    known = {m.id for m in machines}
    found: dict[str, tuple[tuple[int, ...], StartItem]] = {}
    _collect(root, (), known, found, notes, 0)
    if all(len(key) == 1 for key, _ in found.values()):
        items = [item for _, item in found.values()]
    else:
        places = {key: n for n, key in enumerate(sorted({key for key, _ in found.values()}), 1)}
        items = [
            StartItem(i.machine, places[key], i.start_delay, i.wait_for_guest, i.stop_delay)
            for key, i in found.values()
        ]
    return tuple(sorted(items, key=lambda item: item.order))


def _collect(
    parent: etree._Element,
    outer: tuple[int, ...],
    known: set[str],
    found: dict[str, tuple[tuple[int, ...], StartItem]],
    notes: Notes,
    depth: int,
) -> None:
    collections = {
        attribute(e, "id"): e
        for e in children(parent)
        if section_kind(e) == "VirtualSystemCollection"
    }
    placed: dict[str, int] = {}
    for section in children(parent):
        if section_kind(section) != "StartupSection":
            continue
        for element in children(section, "Item"):
            name, order = attribute(element, "id"), _number(element, "order")
            if name in collections:
                placed[name] = order
            elif name in known:
                found.setdefault(name, ((*outer, order), _item(element, name, order, notes)))
            else:
                notes.add(
                    "KF-129",
                    Severity.WARNING,
                    f"the start order names {name!r}, which is no machine",
                    action="ignored",
                )
    if depth >= _MAX_NESTING:
        return
    for name, element in collections.items():
        below = (*outer, placed[name]) if name in placed else outer
        _collect(element, below, known, found, notes, depth + 1)
        if name in placed:
            for machine in _machines(element):
                if machine in known:
                    found.setdefault(machine, (below, StartItem(machine, placed[name])))


def _item(element: etree._Element, name: str, order: int, notes: Notes) -> StartItem:
    for key, usual in _USUAL.items():
        if attribute(element, key) not in usual:
            notes.add(
                "KF-132",
                Severity.NOTE,
                f"{key} of {name} is {attribute(element, key)}",
                subject=name,
                action="not kept: machines are started and stopped in the usual way",
            )
    return StartItem(
        machine=name,
        order=order,
        start_delay=_number(element, "startDelay"),
        wait_for_guest=is_true(attribute(element, "waitingForGuest")),
        stop_delay=_number(element, "stopDelay"),
    )


def _number(element: etree._Element, name: str) -> int:
    value = to_int(attribute(element, name))
    return value if value is not None and 0 <= value < 1 << 31 else 0


def _machines(collection: etree._Element) -> Iterator[str]:
    for element in collection.iter():
        if section_kind(element) == "VirtualSystem":
            yield attribute(element, "id")
