"""What is kept of VirtualBox's settings word for word, for a way back."""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

from kensho.appliances.ovf.elements import (
    MAX_KEPT,
    Notes,
    attribute,
    attributes,
    child,
    children,
    local,
    serialise,
    text,
)
from kensho.model.errors import LimitError
from kensho.model.finding import Severity
from kensho.model.machine import Extra

#: Children of Hardware that are read to the last attribute, and so not kept.
_READ_WHOLE = frozenset({"Memory", "Boot", "StorageControllers"})
_READ_OF_MACHINE = frozenset({"Hardware", "StorageControllers", "Description", "MediaRegistry"})
_MACHINE_ATTRIBUTES = frozenset({"uuid", "name", "OSType"})
#: What belongs to VirtualBox's host or its guest additions, in words.
_HOST_SIDE = {
    "SharedFolder": "shared folders",
    "GuestProperty": "guest properties",
    "ExtraDataItem": "extra data",
    "DeviceFilter": "USB device filters",
    "Forwarding": "NAT port forwarding",
    "Device": "passed-through PCI devices",
}


def note_host_side(state: etree._Element, notes: Notes) -> None:
    """Add a finding about what only VirtualBox and its guest additions understand."""
    counts: dict[str, int] = {}
    for scope in children(state, "Hardware", "ExtraData"):
        for element in scope.iter():
            if (name := local(element)) in _HOST_SIDE:
                counts[name] = counts.get(name, 0) + 1
    if counts:
        words = ", ".join(f"{count} {_HOST_SIDE[name]}" for name, count in counts.items())
        notes.add(
            "KF-235",
            Severity.NOTE,
            f"kept word for word, and known to VirtualBox only: {words}",
            action="no part of what other hypervisors get",
        )


def read_extras(
    root: etree._Element, machine: etree._Element, state: etree._Element, notes: Notes
) -> tuple[Extra, ...]:
    """Keep what is not read, or only in part; LimitError when that gets too long."""
    return tuple(_kept(_not_read(root, machine, state), notes))


def _kept(found: Iterator[Extra], notes: Notes) -> Iterator[Extra]:
    for extra in found:
        notes.kept += len(extra.text)
        if notes.kept > MAX_KEPT:
            raise LimitError(f"more than {MAX_KEPT} characters of unknown XML", path=notes.path)
        yield extra


def _not_read(
    root: etree._Element, machine: etree._Element, state: etree._Element
) -> Iterator[Extra]:
    if version := attribute(root, "version"):
        yield Extra("vbox", "VirtualBox/@version", version)
    for _, name, value in attributes(machine):
        if name not in _MACHINE_ATTRIBUTES:
            yield Extra("vbox", f"Machine/@{name}", value)
    for element in children(machine):
        if local(element) not in _READ_OF_MACHINE and _says_something(element):
            yield Extra("vbox", f"Machine/{local(element)}", serialise(element))
    for element in children(child(state, "Hardware")):
        if local(element) not in _READ_WHOLE and _says_something(element):
            yield Extra("vbox", f"Machine/Hardware/{local(element)}", serialise(element))


def _says_something(element: etree._Element) -> bool:
    return bool(element.attrib) or bool(len(element)) or bool(text(element))
