"""StartupSection: DSP0243 2.1 §9.7."""

from __future__ import annotations

from typing import ClassVar

from msgspec import field

from kensho.appliances.ovf.sections.parts import Part, Section, UInt16


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
