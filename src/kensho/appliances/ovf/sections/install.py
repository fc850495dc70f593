"""InstallSection: DSP0243 2.1 §9.10."""

from __future__ import annotations

from typing import ClassVar

from lxml import etree
from msgspec import field

from kensho.appliances.ovf.elements import Notes
from kensho.appliances.ovf.sections.parts import Section, UInt16, Version
from kensho.appliances.ovf.sections.reading import read_part
from kensho.appliances.ovf.sections.writing import write_part


class InstallSection(Section, frozen=True, kw_only=True):
    """The machine installs itself at its first boot, then powers off."""

    ELEMENT: ClassVar[str] = "InstallSection"

    initial_boot_stop_delay: UInt16 = field(name="initialBootStopDelay")  #: seconds; 0: for ever


def read(element: etree._Element, notes: Notes | None = None) -> InstallSection:
    """Read an InstallSection."""
    return read_part(InstallSection, element, notes)


def write(section: InstallSection, version: Version) -> etree._Element:
    """Write an InstallSection."""
    return write_part(section, version)
