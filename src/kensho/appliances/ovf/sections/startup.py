"""StartupSection: DSP0243 2.1 §9.7."""

from __future__ import annotations

from typing import ClassVar

from lxml import etree
from msgspec import field

from kensho.appliances.ovf.elements import Notes
from kensho.appliances.ovf.sections.parts import Part, Section, UInt16, Version
from kensho.appliances.ovf.sections.reading import read_part
from kensho.appliances.ovf.sections.writing import write_part


class StartupItem(Part, frozen=True, kw_only=True):
    """A machine or collection; equal ``order`` means at the same time, delays are seconds."""

    ELEMENT: ClassVar[str] = "Item"

    id: str
    order: UInt16
    start_delay: UInt16 = field(default=0, name="startDelay")
    waiting_for_guest: bool = field(default=False, name="waitingForGuest")
    stop_delay: UInt16 = field(default=0, name="stopDelay")
    start_action: str = field(default="powerOn", name="startAction")
    stop_action: str = field(default="powerOff", name="stopAction")


class StartupSection(Section, frozen=True, kw_only=True):
    """The order in which a collection starts and stops."""

    ELEMENT: ClassVar[str] = "StartupSection"

    items: tuple[StartupItem, ...] = ()


def read(element: etree._Element, notes: Notes | None = None) -> StartupSection:
    """Read a StartupSection."""
    return read_part(StartupSection, element, notes)


def write(section: StartupSection, version: Version) -> etree._Element:
    """Write a StartupSection."""
    return write_part(section, version)
